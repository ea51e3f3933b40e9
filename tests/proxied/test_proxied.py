"""Behind nginx and HAProxy, set up as docs/howto/behind-nginx.md says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from geventws.client import connect
from geventws.core.errors import ConnectionClosed, InvalidHandshake, Rejected
from geventws.limits import Limits
from tests.adapters.gunicorns import gunicorn
from tests.ports import free_port
from tests.proxied.http2 import http2, offering
from tests.proxied.proxies import IN_TIME, Setup, haproxy, nginx
from tests.proxied.upstream import LARGE, TRUSTED, Upstream, told, upstream
from tests.rawpeer import TEXT, frame
from tests.serving import draining

APP = "tests.frameworks.plain_site:application"
ROOM = "/rooms/tea?token=secret"
CLIENT, OTHER = "127.0.0.2", "127.0.0.3"

each_proxy = pytest.mark.parametrize("proxied", [nginx, haproxy])


def echoes(ws: Any, *messages: str | bytes) -> None:
    """See to it that *messages* come back."""
    for message in messages:
        ws.send(message)
        assert ws.receive(IN_TIME) == message


def refused(proxy: Any, **arguments: Any) -> Rejected:
    """Return why *proxy* opens no WebSocket."""
    with pytest.raises(Rejected) as rejected:
        proxy.connect(**arguments)
    return rejected.value


def closed(ws: Any) -> int:
    """Wait until *ws* is closed, and return its code."""
    with pytest.raises(ConnectionClosed) as error:
        ws.receive(IN_TIME)
    return error.value.code


# The way through


@each_proxy
def test_messages_of_any_size_pass_both_ways_and_the_client_is_known(
    proxied: Setup, tmp_path: Path
) -> None:
    with upstream() as behind, proxied(tmp_path, behind.port) as proxy:
        with proxy.connect(CLIENT, max_size=LARGE) as ws:
            assert told(ws)[:2] == (CLIENT, "https")
            echoes(ws, "é", b"", os.urandom(LARGE))
        assert ws.close_code == behind.ended.get() == 1000


@each_proxy
def test_application_listens_on_a_unix_socket(proxied: Setup, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with (
        upstream(f"unix:{path}", trusted_proxies=["unix"]),
        proxied(tmp_path, path) as proxy,
        proxy.connect(CLIENT) as ws,
    ):
        assert told(ws)[:2] == (CLIENT, "https")
        echoes(ws, "hello")


@each_proxy
def test_pages_are_compared_with_the_address_that_browsers_have(
    proxied: Setup, tmp_path: Path
) -> None:
    with upstream() as behind, proxied(tmp_path, behind.port) as proxy:
        proxy.connect(origin=proxy.origin).close()
        others = [proxy.origin.replace("https", "http"), "https://evil.example", "null"]
        for origin in others:
            error = refused(proxy, origin=origin, headers={"X-Forwarded-Proto": origin[:4]})
            assert error.status == 403


@pytest.mark.parametrize("worker", ["tests.proxied.worker.Trusting", "gevent"])
def test_pages_are_compared_under_gunicorn_too(worker: str, tmp_path: Path) -> None:
    with gunicorn(worker, app=APP) as behind, nginx(tmp_path, behind.port) as proxy:
        with proxy.connect(path=ROOM, origin=proxy.origin) as ws:
            echoes(ws, "hello")
        for origin in (proxy.origin.replace("https", "http"), "https://evil.example"):
            assert refused(proxy, path=ROOM, origin=origin).status == 403


@each_proxy
def test_clients_cannot_say_who_they_are(proxied: Setup, tmp_path: Path) -> None:
    claims = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}
    with upstream() as behind, proxied(tmp_path, behind.port) as proxy:
        for client in (CLIENT, *TRUSTED):  # a client may have the address of a proxy
            with proxy.connect(client, headers=claims) as ws:
                assert told(ws)[:2] == (client, "https")
        claims["X-Forwarded-Proto"] = "https"
        direct: Any = {"source_address": (OTHER, 0), "headers": claims}
        with connect(f"ws://127.0.0.1:{behind.port}/", **direct) as ws:
            assert told(ws)[:2] == (OTHER, "http")


@each_proxy
def test_no_upgrade_passes_but_one_to_a_websocket(proxied: Setup, tmp_path: Path) -> None:
    with upstream() as behind, proxied(tmp_path, behind.port) as proxy:
        for asked, passed in (("h2c", None), ("websocket, h2c", None), ("WebSocket", "websocket")):
            heard = proxy.page(Upgrade=asked).upgrade
            assert (heard and heard.lower()) == passed


@pytest.mark.parametrize(("proxied", "takes"), [(nginx, False), (haproxy, True)])
def test_browsers_are_told_whether_websockets_may_come_over_http2(
    proxied: Setup, takes: bool, tmp_path: Path
) -> None:
    with (
        upstream() as behind,
        proxied(tmp_path, behind.port) as proxy,
        http2(proxy.port) as browser,
    ):
        assert browser.takes_websockets == takes
        if takes:
            assert browser.open(proxy.origin.removeprefix("https://"), proxy.origin) == "200"
            assert b'"127.0.0.1", "https"' in browser.receive()
            browser.send(frame(TEXT, b"hello"))
            assert browser.receive() == frame(TEXT, b"hello", masked=False)


def test_nginx_keeps_connections_to_the_application(tmp_path: Path) -> None:
    with (
        upstream(trusted_proxies=[]) as behind,
        nginx(tmp_path, behind.port) as proxy,
    ):
        ports = {proxy.page(Upgrade=upgrade).port for upgrade in (None, None, "h2c")}
        with proxy.connect() as ws:
            assert {told(ws).port} == ports


@each_proxy
def test_clients_are_limited_each(proxied: Setup, tmp_path: Path) -> None:
    with (
        upstream(limits=Limits(per_address=1)) as behind,
        proxied(tmp_path, behind.port) as proxy,
        proxy.connect(CLIENT) as ws,
        proxy.connect(OTHER) as other,
    ):
        assert (told(ws)[0], told(other)[0]) == (CLIENT, OTHER)
        assert refused(proxy, client=CLIENT).status == 429


@each_proxy
def test_untrusted_proxy_is_the_only_client_that_there_is(proxied: Setup, tmp_path: Path) -> None:
    limits = Limits(per_address=1)
    with (
        upstream(limits=limits, trusted_proxies=[]) as behind,
        proxied(tmp_path, behind.port) as proxy,
        proxy.connect(CLIENT) as ws,
    ):
        assert told(ws)[:2] == ("127.0.0.1", "http")
        assert refused(proxy, client=OTHER).status == 429


# How long a connection may be silent

SILENCE: Any = {
    nginx: ("proxy_read_timeout 60s", "proxy_read_timeout {}"),
    haproxy: ("timeout tunnel  60s", "timeout tunnel {}"),
}
BRIEF = [
    ("timeout client  30s", "timeout client 1s"),
    ("timeout server  30s", "timeout server 1s"),
]
FORGOTTEN = [*BRIEF, ("    timeout tunnel  60s\n", "")]


def silence(proxied: Any, length: str) -> tuple[str, str]:
    """Return the change that lets connections be silent for *length*."""
    before, after = SILENCE[proxied]
    return before, after.format(length)


@contextmanager
def crossing(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Give a call that opens a WebSocket to an Upstream, through a proxy of its own."""
    with ExitStack() as stack:

        def opened(behind: Upstream, proxied: Any, *changes: Any) -> Any:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            proxy = stack.enter_context(proxied(folder, behind.port, *changes))
            ws = stack.enter_context(proxy.connect())
            told(ws)
            return ws

        yield opened


def test_silent_connections_are_cut_and_both_sides_hear_1006(tmp_path: Path) -> None:
    with upstream() as behind, crossing(tmp_path) as cross:
        cut = [cross(behind, proxied, silence(proxied, "1s")) for proxied in SILENCE]
        cut.append(cross(behind, haproxy, *FORGOTTEN))
        for ws in cut:
            assert (closed(ws), behind.ended.get(timeout=IN_TIME)) == (1006, 1006)


def test_pings_keep_connections_open_and_tunnel_is_the_only_timeout_of_one(
    tmp_path: Path,
) -> None:
    with (
        upstream(ping_interval=0.2) as pinging,
        upstream() as silent,
        crossing(tmp_path) as cross,
    ):
        kept = [cross(pinging, proxied, silence(proxied, "2s")) for proxied in SILENCE]
        kept.append(cross(silent, haproxy, *BRIEF))
        with pytest.raises(TimeoutError):
            kept[-1].receive(2.2)
        for ws in kept:
            echoes(ws, "still there")


# Reload and restart

HURRIED: Any = {
    nginx: ("worker_shutdown_timeout 30s", "worker_shutdown_timeout 500ms"),
    haproxy: ("hard-stop-after 30s", "hard-stop-after 500ms"),
}


@each_proxy
def test_open_connections_survive_a_reload(proxied: Setup, tmp_path: Path) -> None:
    with upstream() as behind, proxied(tmp_path, behind.port) as proxy:
        with proxy.connect() as ws:
            told(ws)
            proxy.reload()
            echoes(ws, "in the old one")
            with proxy.connect() as second:
                told(second)
                ws.close()
                proxy.line(proxy.left)
                echoes(second, "in the new one")
        assert (ws.close_code, second.close_code) == (1000, 1000)


@each_proxy
def test_open_connections_survive_until_they_end_a_proxy_that_quits(
    proxied: Setup, tmp_path: Path
) -> None:
    with upstream() as behind, proxied(tmp_path, behind.port) as proxy:
        with proxy.connect() as ws:
            told(ws)
            proxy.quit()
            echoes(ws, "still there")
        assert ws.close_code == 1000
        with gevent.Timeout(IN_TIME):
            assert proxy.process.wait() == 0


@each_proxy
def test_connections_that_outstay_a_reload_are_cut(proxied: Setup, tmp_path: Path) -> None:
    with (
        upstream() as behind,
        proxied(tmp_path, behind.port, HURRIED[proxied]) as proxy,
        proxy.connect() as ws,
    ):
        told(ws)
        proxy.reload()
        assert (closed(ws), behind.ended.get(timeout=IN_TIME)) == (1006, 1006)
        with proxy.connect() as second:
            told(second)


@each_proxy
def test_application_moves_its_connections_after_a_reload(proxied: Setup, tmp_path: Path) -> None:
    with (
        upstream() as behind,
        proxied(tmp_path, behind.port) as proxy,
        proxy.connect() as ws,
    ):
        told(ws)
        proxy.reload()
        with draining(behind.server.manager, code=1012):
            assert closed(ws) == 1012
        proxy.line(proxy.left)
        with proxy.connect() as second:
            told(second)
            echoes(second, "in the new one")


@each_proxy
def test_close_of_an_application_that_ends_passes(proxied: Setup, tmp_path: Path) -> None:
    with (
        upstream() as behind,
        proxied(tmp_path, behind.port) as proxy,
        proxy.connect() as ws,
    ):
        told(ws)
        with draining(behind.server):
            assert closed(ws) == 1001


# What can go wrong


@pytest.mark.parametrize(
    "mistake",
    [
        ("        proxy_set_header Upgrade $upgrade;\n", ""),
        ("        proxy_set_header Connection $connection_upgrade;\n", ""),
    ],
)
def test_upgrade_that_nginx_does_not_pass_on_is_answered_426(
    mistake: tuple[str, str], tmp_path: Path
) -> None:
    with upstream() as behind, nginx(tmp_path, behind.port, mistake) as proxy:
        error = refused(proxy)
        assert (error.status, error.body) == (426, b"no upgrade to websocket (RFC 6455 4.2.1)\n")


def test_http_1_0_that_nginx_speaks_by_itself_is_answered_400(tmp_path: Path) -> None:
    mistake = ("        proxy_http_version 1.1;\n", "")
    with upstream() as behind, nginx(tmp_path, behind.port, mistake) as proxy:
        error = refused(proxy)
        assert (error.status, error.body) == (400, b"HTTP version is not 1.1 (RFC 6455 4.2.1)\n")


@each_proxy
def test_client_that_offers_http2_is_taken_at_its_word(proxied: Setup, tmp_path: Path) -> None:
    with (
        upstream() as behind,
        proxied(tmp_path, behind.port) as proxy,
        pytest.raises(InvalidHandshake),
    ):
        proxy.connect(ssl=offering())


@pytest.mark.parametrize(
    "mistake",
    [("        proxy_set_header Host $http_host;\n", ""), ("$http_host", "$host")],
)
def test_host_that_nginx_does_not_pass_on_is_answered_403(
    mistake: tuple[str, str], tmp_path: Path
) -> None:
    with upstream() as behind, nginx(tmp_path, behind.port, mistake) as proxy:
        assert refused(proxy, origin=proxy.origin).status == 403


@pytest.mark.parametrize(
    ("proxied", "changes", "status"),
    [(nginx, [], 502), (haproxy, [("timeout connect 5s", "timeout connect 100ms")], 503)],
)
def test_application_that_is_down_is_told_by_a_status(
    proxied: Setup, changes: Any, status: int, tmp_path: Path
) -> None:
    with proxied(tmp_path, free_port(), *changes) as proxy:
        assert refused(proxy).status == status


@pytest.mark.parametrize(
    ("proxied", "change"),
    [
        (nginx, ("proxy_read_timeout 60s", "proxy_read_timeout 500ms")),
        (haproxy, ("timeout server  30s", "timeout server  500ms")),
    ],
)
def test_application_that_does_not_answer_is_told_by_504(
    proxied: Setup, change: tuple[str, str], tmp_path: Path
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        proxied(tmp_path, silent.getsockname()[1], change) as proxy,
    ):
        assert refused(proxy).status == 504
