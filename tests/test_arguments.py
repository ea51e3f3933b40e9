"""A wrong argument fails at the call, with a TypeError or ValueError that names it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import geventws
from geventws import Limits, Manager, WebSocket, connect, serve
from geventws.adapters import asyncio as asyncio_door
from geventws.adapters import threaded
from geventws.core.codes import GOING_AWAY
from geventws.pywsgi import WSGIServer
from geventws.testing import pair

NOWHERE = ("127.0.0.1", 0)
ARGUMENTS = [
    ({"origins": 5}, "origins: a str or pattern, a collection of them, a callable or None"),
    ({"origins": [b"http://a"]}, "origins: "),
    ({"origins": b"http://a"}, "origins: "),
    ({"select_subprotocol": 5}, "select_subprotocol: a callable or None"),
    ({"headers": 5}, "headers: a mapping or pairs"),
    ({"headers": [5]}, "headers: "),
    ({"headers": {"X-A": 5}}, "header X-A: "),
    ({"subprotocols": 5}, "subprotocols: a sequence of str"),
    ({"subprotocols": [5]}, "subprotocols: "),
    ({"subprotocols": "chat"}, "subprotocols: "),
    ({"limits": 5}, "limits: a Limits or None"),
    ({"limits": Limits}, "limits: "),
    ({"backlog": "x"}, "backlog: an int"),
    ({"backlog": True}, "backlog: an int"),
]
NO_TIME = ["x", b"1", True, [], object()]


@pytest.fixture
def ws() -> Iterator[WebSocket]:
    """Return a connection whose peer answers."""
    ours, theirs = pair()
    yield ours
    ours.drop()
    theirs.drop()


def refuses(text: str) -> Any:
    """Return the context in which a TypeError that begins with *text* is raised."""
    return pytest.raises(TypeError, match=f"^{re.escape(text)}")


@pytest.mark.parametrize(("arguments", "text"), ARGUMENTS)
def test_servers_name_a_wrong_argument(arguments: dict[str, Any], text: str) -> None:
    with refuses(text):
        serve(print, NOWHERE, **arguments)
    with refuses(text):
        WSGIServer(NOWHERE, print, **arguments)


def test_serve_names_a_wrong_process_request() -> None:
    process_request: Any = 5
    with refuses("process_request: a callable or None"):
        serve(print, NOWHERE, process_request=process_request)


@pytest.mark.parametrize(
    "call",
    [
        lambda **options: serve(print, NOWHERE, **options),
        lambda **options: WSGIServer(NOWHERE, print, **options),
        lambda **options: connect("ws://127.0.0.1", **options),
        lambda **options: threaded.connect("ws://127.0.0.1", **options),
        lambda **options: asyncio.run(asyncio_door.connect("ws://127.0.0.1", **options)),
        pair,
    ],
)
def test_unknown_option_is_named(call: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"^unexpected option: max_sise$"):
        call(max_sise=5)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("abc",), TypeError, "code: an int, not str"),
        ((1000.0,), TypeError, "code: an int, not float"),
        ((None,), TypeError, "code: an int, not NoneType"),
        ((1000, b"x"), TypeError, "reason: a str, not bytes"),
        ((1000, None), TypeError, "reason: a str, not NoneType"),
        ((1006,), ValueError, "code: 1006 may not be sent"),
        ((1000, 124 * "x"), ValueError, "reason: over 123 bytes"),
    ],
)
def test_closing_names_a_wrong_argument_and_closes_nothing(
    ws: WebSocket, arguments: Any, error: type[Exception], text: str
) -> None:
    manager = Manager()
    manager.add(ws)
    for close in (ws.close, ws.begin_close, manager.close_all):
        with pytest.raises(error, match=f"^{text}"):
            close(*arguments)
    assert ws.ping(timeout=5) >= 0


@pytest.mark.parametrize("timeout", NO_TIME)
def test_waiting_names_a_timeout_that_is_no_time(ws: WebSocket, timeout: Any) -> None:
    manager = Manager()
    for wait in (ws.receive, ws.ping, manager.join):
        with refuses("timeout: a number of seconds or None"):
            wait(timeout)
    with pytest.raises(TimeoutError):
        ws.receive(timeout=0)


@pytest.mark.parametrize("timeout", [*NO_TIME, None])
def test_drain_names_a_wrong_time_and_closes_nothing(ws: WebSocket, timeout: Any) -> None:
    jitter: Any = "x"
    server = serve(print, NOWHERE)
    server.manager.add(ws)
    with server:
        for drain in (server.drain, server.manager.drain):
            with refuses("timeout: a number of seconds"):
                drain(timeout)
            with refuses("jitter: a number of seconds or None"):
                drain(1.0, jitter)
        assert server.started
        assert ws.ping(timeout=5) >= 0
        ws.drop()


def test_negative_timeout_is_as_none_left(ws: WebSocket) -> None:
    with pytest.raises(TimeoutError):
        ws.receive(timeout=-1)
    assert not ws.close_code


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (GOING_AWAY, 200 * "x", (1001, 123 * "x")),
        (GOING_AWAY, 62 * "é", (1001, 61 * "é")),
        (GOING_AWAY, "a\ud800", (1001, "a?")),
        (1006, "bye", (1006, "")),
        (99, "bye", (1006, "")),
    ],
)
def test_drop_drops_and_tells_what_may_be_told(
    code: int, reason: str, told: tuple[int, str]
) -> None:
    ours, theirs = pair()
    ours.drop(code, reason)
    assert (ours.close_code, ours.close_reason) == (1006, reason)
    with pytest.raises(geventws.ConnectionClosed) as caught:
        theirs.receive(timeout=5)
    assert caught.value.code == told[0]
    assert told[0] == 1006 or caught.value.reason == told[1]
    theirs.drop()


@pytest.mark.parametrize("arguments", [("x",), (1001, b"x")])
def test_drop_drops_before_it_names_a_wrong_argument(arguments: Any) -> None:
    ours, theirs = pair()
    gone: list[WebSocket] = []
    ours.follow(gone.append)
    with refuses("code: an int" if len(arguments) == 1 else "reason: a str"):
        ours.drop(*arguments)
    assert gone == [ours]
    assert ours.close_code == 1006
    theirs.drop()
