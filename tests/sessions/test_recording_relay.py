"""A relay: what it asks its server for, and what becomes of those whom it cannot serve."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gevent.event import Event as Signal

from geventws.client import connect
from geventws.core.errors import ConnectionClosed, Rejected
from geventws.limits import SPARE_FILES
from geventws.server import serve
from geventws.sessions.recording import Recorder, Relay, most_relayed
from geventws.websocket import WebSocket
from tests.rawpeer import PATIENCE, RawPeer
from tests.relays import end_of, relayed, relaying
from tests.servers import refusing_port
from tests.serving import LOCAL, echo, running, wait_for


def test_relay_may_be_told_what_to_ask(tmp_path: Path) -> None:
    asked = []

    def note(ws: Any) -> None:
        asked.append((ws.request.target, ws.request.headers["Cookie"], ws.request.origin))

    with running(serve(note, LOCAL, origins="*")) as server:
        upstream = f"ws://127.0.0.1:{server.address[1]}/fixed?a=b"
        arguments = {"headers": {"cookie": "ours"}, "origin": "http://ours"}
        with relaying(upstream, tmp_path, **arguments) as place:
            uri = f"{place.uri}/ignored"
            end_of(connect(uri, headers={"Cookie": "theirs"}, origin="http://theirs"))
    assert asked == [("/fixed?a=b", "ours", "http://ours")]
    assert place.sessions()[0].opening.uri == upstream


def test_relay_reaches_a_unix_socket(tmp_path: Path) -> None:
    with (
        running(serve(echo, f"unix:{tmp_path}/s")),
        relaying(f"ws+unix://{tmp_path}/s", tmp_path / "sessions") as place,
        connect(f"{place.uri}/chat") as ws,
    ):
        ws.send("hello")
        assert ws.receive(timeout=PATIENCE) == "hello"
    assert place.sessions()[0].opening.uri == f"ws+unix://{tmp_path}/s:/chat"


def test_relay_without_its_server_answers_502(tmp_path: Path) -> None:
    with (
        relaying(f"ws://127.0.0.1:{refusing_port()}", tmp_path) as place,
        pytest.raises(Rejected) as caught,
    ):
        connect(place.uri)
    assert caught.value.status == 502
    assert caught.value.body.startswith(b"the server behind this relay: ")


def test_relay_asks_nobody_about_what_is_no_websocket(tmp_path: Path) -> None:
    with (
        relaying(f"ws://127.0.0.1:{refusing_port()}", tmp_path) as place,
        RawPeer.to(("127.0.0.1", int(place.uri.rpartition(":")[2]))) as peer,
    ):
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert peer.read_response().status == 426


def test_client_that_is_refused_late_leaves_no_connection(tmp_path: Path) -> None:
    ended = Signal()

    def note(ws: WebSocket) -> None:
        with pytest.raises(ConnectionClosed):
            ws.receive()
        ended.set()

    with relayed(note, tmp_path) as place:
        with RawPeer.to(("127.0.0.1", int(place.uri.rpartition(":")[2]))) as peer:
            peer.send(
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                b"Sec-WebSocket-Protocol: a, a\r\n\r\n"
            )
            assert peer.read_response().status == 400
        wait_for(ended)
    assert not list(tmp_path.iterdir())


@contextmanager
def files(count: int) -> Iterator[None]:
    """Have this process be allowed so many open files, as far as it asks."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(("more", "most"), [(0, 1), (3, 1), (152, 50)])
def test_relay_takes_as_many_clients_as_it_has_files_for(more: int, most: int) -> None:
    with files(SPARE_FILES + more):
        assert most_relayed() == most


def test_client_that_there_are_no_files_for_is_told_503(tmp_path: Path) -> None:
    with running(serve(echo, LOCAL)) as server:
        relay = Relay(f"ws://127.0.0.1:{server.address[1]}", Recorder(tmp_path))
        with files(SPARE_FILES + 3):
            relaying_one = relay.server(LOCAL)
        with running(relaying_one) as place, connect(f"ws://127.0.0.1:{place.address[1]}"):
            with pytest.raises(Rejected) as caught:
                connect(f"ws://127.0.0.1:{place.address[1]}")
            assert caught.value.status == 503
