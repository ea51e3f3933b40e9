"""Where servers listen, alone and together."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from geventws.listening import listen, listen_for, unix_path
from geventws.server import serve
from geventws.websocket import EchoWebSocket
from tests.rawpeer import TEXT, RawPeer, frame
from tests.serving import LOCAL, running


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listens(listener: Any) -> bool:
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


@pytest.mark.parametrize("address", [LOCAL, "127.0.0.1:0", ("::1", 0)])
def test_listener_listens_without_blocking(address: Any) -> None:
    with listen(address) as listener:
        with socket.create_connection(listener.getsockname()[:2]):
            select.select([listener], [], [], 10)
            listener.accept()[0].close()
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_listener_of_a_server_serves() -> None:
    server = serve(EchoWebSocket, listen(LOCAL))
    with running(server), RawPeer.to(server.address) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"))
        assert peer.read_frame() == (TEXT, b"hi")


def test_socket_is_only_bound_without_a_backlog() -> None:
    with listen(LOCAL, backlog=None) as bound:
        assert not listens(bound)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(bound.getsockname())


def test_port_is_refused_where_somebody_listens() -> None:
    with listen(LOCAL) as listener:
        for reuse_port in (False, True):
            with pytest.raises(OSError, match="in use"):
                listen(listener.getsockname(), reuse_port=reuse_port)


def test_unix_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    for _ in range(2):
        with listen(f"unix:{path}") as listener:
            assert listener.getsockname() == path
            with pytest.raises(OSError, match="in use"):
                listen(f"unix:{path}")


def test_unix_socket_has_no_port_to_be_shared(tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'socket'}"
    for call in (listen, lambda *args, **how: serve(EchoWebSocket, *args, **how)):
        with pytest.raises(ValueError, match=r"^reuse_port: "):
            call(address, reuse_port=True)


def test_listener_of_somebody_else_is_not_shared() -> None:
    with listen(LOCAL) as listener, pytest.raises(ValueError, match=r"^reuse_port: "):
        serve(EchoWebSocket, listener, reuse_port=True)


def test_path_is_that_of_a_unix_socket() -> None:
    assert unix_path("unix:/a/b") == "/a/b"
    assert unix_path("localhost:80") is None
    assert unix_path(LOCAL) is None


# Together


def test_each_worker_has_a_listener_of_its_own(closing: ExitStack) -> None:
    listeners = [closing.enter_context(each) for each in listen_for(3, LOCAL)]
    assert all(map(listens, listeners))
    (address,) = {each.getsockname() for each in listeners}
    reached: set[Any] = set()
    while len(reached) < 3:
        closing.enter_context(socket.create_connection(address))
        for ready in select.select(listeners, [], [], 10)[0]:
            closing.enter_context(ready.accept()[0])
            reached.add(ready)


def test_one_worker_shares_nothing(closing: ExitStack) -> None:
    (listener,) = listen_for(1, LOCAL)
    closing.enter_context(listener)
    with pytest.raises(OSError, match="in use"):
        listen(listener.getsockname(), reuse_port=True)


def test_workers_share_a_unix_socket(tmp_path: Path) -> None:
    (listener,) = listen_for(3, f"unix:{tmp_path / 'socket'}")
    listener.close()


def test_workers_do_not_listen_where_others_do_unless_told(closing: ExitStack) -> None:
    listeners = [closing.enter_context(each) for each in listen_for(2, LOCAL)]
    address = listeners[0].getsockname()
    with pytest.raises(OSError, match="in use"):
        listen_for(2, address)
    for each in listen_for(2, address, reuse_port=True):
        closing.enter_context(each)
    closing.enter_context(listen(address, reuse_port=True))


def test_servers_share_a_port_when_told() -> None:
    first = serve(EchoWebSocket, LOCAL, reuse_port=True)
    with running(first), running(serve(EchoWebSocket, first.address, reuse_port=True)) as second:
        assert second.address == first.address
