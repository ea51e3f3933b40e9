"""What frameworks do when a WebSocket in one of their views is over, in which order."""

from __future__ import annotations

import warnings
from typing import Any

import falcon
import pytest
from bottle import Bottle, request  # type: ignore[import-untyped]

import geventws
from geventws.core.errors import ConnectionClosed
from geventws.pywsgi import WSGIServer
from tests.serving import LOCAL, running

with warnings.catch_warnings():  # of what Pyramid and WebOb import
    warnings.simplefilter("ignore")
    from pyramid.config import Configurator  # type: ignore[import-untyped]
    from pyramid.response import Response  # type: ignore[import-untyped]

WELL, BADLY = 1000, 1011


def visit(application: Any, path: str) -> int:
    """Say hello to a view of *application*, and return the code that it closes with."""
    with (
        running(WSGIServer(LOCAL, application, log=None)) as server,
        geventws.connect(f"ws://127.0.0.1:{server.server_port}{path}") as ws,
    ):
        ws.send("hello")
        assert ws.receive(10) == "hello"
        with pytest.raises(ConnectionClosed) as closed:
            ws.receive(10)
    return closed.value.code


def answer_once(environ: Any, path: str, seen: list[str]) -> None:
    """Send one message back on the WebSocket of *environ*; fail then where *path* says so."""
    with geventws.upgrade(environ) as ws:
        ws.send(ws.receive())
        seen.append("view")
        if path == "/fail":
            raise LookupError("the view fails")
    seen.append("closed")


@pytest.mark.parametrize(
    ("path", "code", "order"),
    [
        ("/work", WELL, ["tween in", "view", "closed", "tween out", "response", "finished"]),
        ("/fail", BADLY, ["tween in", "view", "failed", "tween out", "response", "finished"]),
    ],
)
def test_pyramid_leaves_tweens_and_calls_back(path: str, code: int, order: list[str]) -> None:
    seen: list[str] = []

    def tween(handler: Any, registry: Any) -> Any:
        def handle(request: Any) -> Any:
            seen.append("tween in")
            request.add_response_callback(lambda *_: seen.append("response"))
            request.add_finished_callback(lambda _: seen.append("finished"))
            try:
                return handler(request)
            finally:
                seen.append("tween out")

        return handle

    def view(request: Any) -> Any:
        answer_once(request.environ, request.path, seen)
        return Response("never seen")

    def fail(error: Exception, request: Any) -> Any:
        seen.append("failed")
        return Response("never seen", 500)

    with Configurator() as config:
        config.registry.tween = tween
        config.add_tween(f"{__name__}.tween_of_the_test")
        config.add_route("any", "/{path}")
        config.add_view(view, route_name="any")
        config.add_exception_view(fail, context=LookupError)
        application = config.make_wsgi_app()
    assert visit(application, path) == code
    assert seen == order


def tween_of_the_test(handler: Any, registry: Any) -> Any:
    """Return the tween that a test has put into *registry*."""
    return registry.tween(handler, registry)


@pytest.mark.parametrize(
    ("path", "code", "order"),
    [("/work", WELL, ["view", "closed", "hook"]), ("/fail", BADLY, ["view", "hook"])],
)
def test_bottle_calls_its_hooks(
    path: str, code: int, order: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    application = Bottle()
    application.hook("after_request")(lambda: seen.append("hook"))

    @application.get("/<path>")  # type: ignore[untyped-decorator]
    def view(path: str) -> str:
        answer_once(request.environ, f"/{path}", seen)
        return "never seen"

    assert visit(application, path) == code
    assert seen == order
    assert ("LookupError: the view fails" in capfd.readouterr().err) == (code == BADLY)


@pytest.mark.parametrize(
    ("path", "code", "order"),
    [("/work", WELL, ["view", "closed", "True"]), ("/fail", BADLY, ["view", "False"])],
)
def test_falcon_calls_its_middleware(
    path: str, code: int, order: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    class Middleware:
        def process_response(self, req: Any, resp: Any, resource: Any, succeeded: bool) -> None:
            seen.append(str(succeeded))

    class Resource:
        def on_get(self, req: falcon.Request, resp: falcon.Response, path: str) -> None:
            answer_once(req.env, req.path, seen)
            resp.text = "never seen"

    application = falcon.App(middleware=[Middleware()])
    application.add_route("/{path}", Resource())
    assert visit(application, path) == code
    assert seen == order
    assert ("LookupError: the view fails" in capfd.readouterr().err) == (code == BADLY)
