"""The kernel's two calls; the C twin is tried by way of the transports that it is compiled into."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from geventws import kernel

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(0.0)
        other.settimeout(10.0)
        yield one, other


def test_receive_returns_what_is_here(pair: Pair) -> None:
    pair[1].sendall(b"abcdef")
    assert kernel.receive(pair[0], 4) == b"abcd"
    assert kernel.receive(pair[0], 4) == b"ef"


def test_receive_returns_none_where_nothing_has_come_yet(pair: Pair) -> None:
    assert kernel.receive(pair[0], 4) is None


def test_receive_returns_nothing_at_the_end(pair: Pair) -> None:
    pair[1].close()
    assert kernel.receive(pair[0], 4) == b""


def test_send_tells_how_much_the_kernel_took(pair: Pair) -> None:
    assert kernel.send(pair[0], [b"abc"]) == 3
    assert kernel.send(pair[0], [b"de", b"", b"f"]) == 3
    assert pair[1].recv(100) == b"abcdef"


def test_send_takes_nothing_where_the_kernel_is_full(pair: Pair) -> None:
    while kernel.send(pair[0], [bytes(65536)]):
        pass
    assert kernel.send(pair[0], [b"a", b"b"]) == 0


def test_send_raises_where_nobody_listens(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(BrokenPipeError):
        kernel.send(pair[0], [b"abc"])


def test_closed_socket_is_not_mistaken_for_another_one(pair: Pair) -> None:
    pair[0].close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        kernel.receive(pair[0], 4)
    with pytest.raises(OSError, match="Bad file descriptor"):
        kernel.send(pair[0], [b"abc"])
