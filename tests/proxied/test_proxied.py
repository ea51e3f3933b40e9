"""Behind nginx and HAProxy, set up as docs/howto/behind-nginx.md says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from geventws.client import connect
from geventws.core.errors import ConnectionClosed, Rejected
from geventws.limits import Limits
from tests.adapters.gunicorns import gunicorn
from tests.ports import free_port
from tests.proxied.proxies import IN_TIME, Setup, haproxy, nginx
from tests.proxied.upstream import LARGE, told, upstream
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
            assert told(ws) == [CLIENT, "https"]
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
        assert told(ws) == [CLIENT, "https"]
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
        with proxy.connect(CLIENT, headers=claims) as ws:
            assert told(ws) == [CLIENT, "https"]
        claims["X-Forwarded-Proto"] = "https"
        direct: Any = {"source_address": (OTHER, 0), "headers": claims}
        with connect(f"ws://127.0.0.1:{behind.port}/", **direct) as ws:
            assert told(ws) == [OTHER, "http"]


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
        assert told(ws) == ["127.0.0.1", "http"]
        assert refused(proxy, client=OTHER).status == 429


# How long a connection may be silent

SILENCE: Any = {
    nginx: ("proxy_read_timeout 60s", "proxy_read_timeout {}"),
    haproxy: ("timeout tunnel  60s", "timeout tunnel {}"),
}
BRIEF = [
    ("timeout client  30s", "timeout client 500ms"),
    ("timeout server  30s", "timeout server 500ms"),
]
FORGOTTEN = [*BRIEF, ("    timeout tunnel  60s\n", "")]


def silence(proxied: Any, length: str) -> tuple[str, str]:
    """Return the change that lets connections be silent for *length*."""
    before, after = SILENCE[proxied]
    return before, after.format(length)


@pytest.mark.parametrize(
    ("proxied", "changes"),
    [*((each, [silence(each, "300ms")]) for each in SILENCE), (haproxy, FORGOTTEN)],
    ids=["nginx", "haproxy", "haproxy without tunnel"],
)
def test_silent_connection_is_cut_and_both_sides_hear_1006(
    proxied: Setup, changes: Any, tmp_path: Path
) -> None:
    with (
        upstream() as behind,
        proxied(tmp_path, behind.port, *changes) as proxy,
        proxy.connect() as ws,
    ):
        told(ws)
        assert (closed(ws), behind.ended.get(timeout=IN_TIME)) == (1006, 1006)


@each_proxy
def test_pings_keep_a_connection_open(proxied: Setup, tmp_path: Path) -> None:
    with (
        upstream(ping_interval=0.1) as behind,
        proxied(tmp_path, behind.port, silence(proxied, "1s")) as proxy,
        proxy.connect() as ws,
    ):
        told(ws)
        with pytest.raises(TimeoutError):
            ws.receive(1.2)
        echoes(ws, "still there")


def test_tunnel_is_the_only_timeout_of_an_open_websocket(tmp_path: Path) -> None:
    with (
        upstream() as behind,
        haproxy(tmp_path, behind.port, *BRIEF) as proxy,
        proxy.connect() as ws,
    ):
        told(ws)
        with pytest.raises(TimeoutError):
            ws.receive(0.8)
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
                echoes(second, "in the new one")
        assert (ws.close_code, second.close_code) == (1000, 1000)
        proxy.line(proxy.left)


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
        ("        proxy_set_header Upgrade $http_upgrade;\n", ""),
        ("        proxy_set_header Connection $connection_upgrade;\n", ""),
    ],
)
def test_upgrade_that_nginx_does_not_pass_on_is_answered_426(
    mistake: tuple[str, str], tmp_path: Path
) -> None:
    with upstream() as behind, nginx(tmp_path, behind.port, mistake) as proxy:
        error = refused(proxy)
        assert (error.status, error.body) == (426, b"no upgrade to websocket (RFC 6455 4.2.1)\n")


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
