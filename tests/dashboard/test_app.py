"""Who may see the dashboard, and how: as a WSGI application, and beside a server of serve()."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import gevent
import pytest
from gevent import socket

import geventws
from geventws.core.handshake import Request, Response
from geventws.dashboard import Dashboard, new_token
from geventws.dashboard.app import COOKIE, is_prefix
from geventws.manager import Manager
from tests.rawpeer import PATIENCE
from tests.serving import echo, running

pytestmark = pytest.mark.usefixtures("leaks_nothing")

TOKEN = "a-token-of-the-tests"
FILES = ("/", "/dashboard.css", "/dashboard.js", "/numbers")


class Site:
    """Asks a dashboard as a WSGI server would that has it at /seen."""

    def __init__(self, dashboard: Dashboard, base: str = "/seen", scheme: str = "http") -> None:
        self._application: Any = validator(dashboard)
        self._given = {"SCRIPT_NAME": base, "wsgi.url_scheme": scheme}
        self.status = 0
        self.headers: dict[str, str] = {}

    def get(self, path: str, method: str = "GET", **headers: str) -> bytes:
        """Return the body of the answer; keep its status and headers."""
        path, _, query = path.partition("?")
        environ: dict[str, object] = {**self._given, "PATH_INFO": path, "QUERY_STRING": query}
        environ["REQUEST_METHOD"] = method
        environ.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
        setup_testing_defaults(environ)
        body = self._application(environ, self._start)
        try:
            return b"".join(body)
        finally:
            body.close()

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> object:
        self.status = int(status[:3])
        self.headers = {name.lower(): value for name, value in headers}
        return lambda data: None


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    found = Dashboard(TOKEN)
    yield found
    found.close()


@pytest.fixture
def site(dashboard: Dashboard) -> Site:
    return Site(dashboard)


@pytest.mark.parametrize("path", [*FILES, "", "/nothing"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer a-token-of-the-test"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"authorization": "Bearer"},
        {"cookie": f"{COOKIE}={TOKEN}"},
        {"cookie": COOKIE},
    ],
    ids=repr,
)
def test_dashboard_shows_nothing_without_its_token(
    site: Site, path: str, headers: dict[str, str]
) -> None:
    body = site.get(path, **headers)
    assert site.status == 401
    assert site.headers["www-authenticate"].startswith("Bearer")
    assert body == b"open this page with its token: ?token=...\n"


@pytest.mark.parametrize("path", FILES)
def test_dashboard_is_shown_to_a_bearer_of_its_token(site: Site, path: str) -> None:
    body = site.get(path, authorization=f"bearer {TOKEN}")
    assert site.status == 200
    if path != "/numbers":
        assert body == files("geventws.dashboard").joinpath(path[1:] or "index.html").read_bytes()
    assert site.headers["cache-control"] == "no-store"
    assert site.headers["x-content-type-options"] == "nosniff"
    assert site.headers["referrer-policy"] == "no-referrer"
    assert site.headers["content-security-policy"].startswith("default-src 'none'; script-src")


def test_token_in_the_address_is_exchanged_for_a_cookie(site: Site) -> None:
    site.get(f"/?token={TOKEN}")
    assert site.status == 303
    assert site.headers["location"] == "/seen/"
    cookie, *attributes = site.headers["set-cookie"].split("; ")
    assert attributes == ["Path=/seen", "HttpOnly", "SameSite=Lax"]
    assert TOKEN not in cookie
    site.get("/", cookie=f"other=1; {cookie}")
    assert site.status == 200
    assert "set-cookie" not in site.headers


@pytest.mark.parametrize(
    "query", ["token=", "token=wrong", f"token={TOKEN}x", "token=%ff%ff", f"token={TOKEN}&token=x"]
)
def test_wrong_token_in_the_address_is_refused(site: Site, query: str) -> None:
    site.get(f"/?{query}", authorization=f"Bearer {TOKEN}")
    assert site.status == 401
    assert "set-cookie" not in site.headers


def test_cookie_is_for_tls_only_where_the_page_is(dashboard: Dashboard) -> None:
    secure = Site(dashboard, base="", scheme="https")
    secure.get(f"/?token={TOKEN}")
    assert secure.headers["location"] == "/"
    assert secure.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")


def test_cookie_of_one_token_does_not_open_another(site: Site) -> None:
    other = Dashboard(new_token())
    site.get(f"/?token={TOKEN}")
    there = Site(other)
    there.get("/", cookie=site.headers["set-cookie"].partition(";")[0])
    assert there.status == 401


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a:9000", f"{COOKIE}_9000"),
        ("[::1]:9001", f"{COOKIE}_9001"),
        ("a", COOKIE),
        ("[::1]", COOKIE),
        ("a:900000", COOKIE),
    ],
)
def test_cookie_is_named_for_the_port_that_it_is_for(site: Site, host: str, name: str) -> None:
    site.get(f"/?token={TOKEN}", host=host)
    cookie = site.headers["set-cookie"].partition(";")[0]
    assert cookie.partition("=")[0] == name
    site.get("/", host=host, cookie=f"{COOKIE}_1=another; {cookie}")
    assert site.status == 200


def test_dashboard_without_a_slash_leads_to_the_one_with(site: Site) -> None:
    site.get("", authorization=f"Bearer {TOKEN}")
    assert (site.status, site.headers["location"]) == (303, "/seen/")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_dashboard_can_be_read_only(site: Site, method: str) -> None:
    site.get("/numbers", method, authorization=f"Bearer {TOKEN}")
    assert (site.status, site.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", FILES)
def test_head_is_answered_as_get_without_the_body(site: Site, path: str) -> None:
    assert site.get(path, "HEAD", authorization=f"Bearer {TOKEN}") == b""
    assert (site.status, int(site.headers["content-length"]) > 0) == (200, True)
    assert site.get(path, "HEAD") == b""
    assert site.status == 401


@pytest.mark.parametrize(
    ("base", "quoted"), [("/a b", "/a%20b"), ("/\xc3\xa9", "/%C3%A9"), ("/a;b", "/a%3Bb")]
)
def test_dashboard_may_be_mounted_where_names_need_quoting(
    dashboard: Dashboard, base: str, quoted: str
) -> None:
    there = Site(dashboard, base)
    there.get(f"/?token={TOKEN}")
    assert there.headers["location"] == f"{quoted}/"
    assert f"; Path={quoted}; HttpOnly; " in there.headers["set-cookie"]
    there.get("/dashboard.css", authorization=f"Bearer {TOKEN}")
    assert there.status == 200


@pytest.mark.parametrize("path", ["/nothing", "/app.py", "/../app.py", "/numbers/"])
def test_dashboard_has_nothing_else(site: Site, path: str) -> None:
    site.get(path, authorization=f"Bearer {TOKEN}")
    assert site.status == 404


def test_malformed_request_is_answered_so(site: Site) -> None:
    site.get("/", host="a, b")
    assert site.status == 400


def test_numbers_are_those_of_the_manager(dashboard: Dashboard, site: Site) -> None:
    dashboard.manager = Manager()
    dashboard.manager.counts.refuse(403)
    found = json.loads(site.get("/numbers", authorization=f"Bearer {TOKEN}"))
    assert site.headers["content-type"] == "application/json"
    assert found["refused"] == {"403": 1}


def test_numbers_are_the_same_for_all_who_ask_at_once(dashboard: Dashboard, site: Site) -> None:
    def ask() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(site.get("/numbers", authorization=f"Bearer {TOKEN}"))
        return found

    first = ask()
    assert ask() == first
    dashboard.manager = Manager()
    assert ask()["time"] > first["time"]
    with gevent.Timeout(PATIENCE):
        while (found := ask())["time"] - first["time"] < 1:
            gevent.sleep(0.1)
    assert found["run"] == first["run"]
    assert Dashboard(TOKEN)._run != first["run"]


def test_server_shows_it_beside_its_websockets(dashboard: Dashboard) -> None:
    server = geventws.serve(echo, ("127.0.0.1", 0), process_request=dashboard.answer)
    dashboard.manager = server.manager
    with running(server):
        assert server.server_port is not None
        with geventws.connect(f"ws://127.0.0.1:{server.server_port}/dashboards") as ws:
            ws.send("hello")
            assert ws.receive(timeout=PATIENCE) == "hello"
            assert fetch(server.server_port, "/dashboard/")[0] == 401
            status, body = fetch(server.server_port, "/dashboard/numbers", TOKEN)
            assert (status, json.loads(body)["connections"]) == (200, 1)
            assert fetch(server.server_port, "/dashboard", TOKEN)[0] == 303


def fetch(port: int, path: str, token: str = "") -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{authorization}\r\n".encode())
        with connection.makefile("rb") as stream:
            head, _, body = stream.read().partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_answer_leaves_other_requests_to_process_request() -> None:
    asked: list[Request] = []

    def tea(request: Request) -> Response | None:
        asked.append(request)
        return Response(418)

    request = Request(b"GET /dashboards HTTP/1.1\r\nHost: a")
    assert Dashboard(TOKEN).answer(request) is None
    response = Dashboard(TOKEN, process_request=tea).answer(request)
    assert response is not None
    assert response.status == 418
    assert asked == [request]


def test_new_token_is_long_and_never_the_same() -> None:
    assert len(new_token()) >= 32
    assert new_token() != new_token()


@pytest.mark.parametrize("token", ["", "short", "x" * 15])
def test_dashboard_refuses_a_short_token(token: str) -> None:
    with pytest.raises(ValueError, match="token: fewer than 16 characters"):
        Dashboard(token)


@pytest.mark.parametrize("prefix", ["", "/", "name", "/name/", "/a//b", "/a b", "/a;b", "/é"])
def test_dashboard_refuses_a_prefix_that_is_no_path(prefix: str) -> None:
    assert not is_prefix(prefix)
    with pytest.raises(ValueError, match="prefix: of the form /name"):
        Dashboard(TOKEN, prefix=prefix)


@pytest.mark.parametrize("prefix", ["/name", "/a/b-c_d.e~1"])
def test_dashboard_takes_a_prefix(prefix: str) -> None:
    assert Dashboard(TOKEN, prefix=prefix).prefix == prefix


def test_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    page = files("geventws.dashboard").joinpath("index.html").read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script[^>]*>[^<]", page)
    assert not re.search(r"(src|href)=.?(https?:|//)", page)
