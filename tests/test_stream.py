"""What a WSGI server reads of a connection, however it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from geventws.core.errors import InvalidHandshake
from geventws.core.headers import Headers
from geventws.stream import Stream, asks_for_websocket, check_http
from tests.pairs import unix

HEAD = b"GET / HTTP/1.1\r\nHost: a"
END = b"\r\n\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[Stream, Any]]:
    """Return a stream and the socket that it reads from."""
    near, far = unix()
    near.settimeout(5)
    yield Stream(near), far
    near.close()
    far.close()


def drip(far: Any, data: bytes) -> None:
    """Send *data* byte by byte, then end the stream."""
    for byte in data:
        far.sendall(bytes([byte]))
        gevent.sleep(0)
    far.close()


def test_stream_cuts_heads_and_bodies(ends: tuple[Stream, Any]) -> None:
    stream, far = ends
    far.sendall(HEAD + END + b"body" + HEAD + END + b"rest")
    assert stream.next_head() == HEAD
    assert stream.read(4) == b"body"
    assert stream.next_head() == HEAD
    assert stream.take() == b"rest"
    assert stream.take() == b""


def test_stream_reads_what_comes_byte_by_byte(ends: tuple[Stream, Any]) -> None:
    stream, far = ends
    gevent.spawn(drip, far, HEAD + END + b"one\ntwo\nthree")
    assert stream.wait()
    assert stream.next_head() == HEAD
    assert stream.readline() == b"one\n"
    assert stream.read(2) == b"tw"
    assert stream.readline() == b"o\n"
    assert stream.readline() == b"three"
    assert stream.readline() == b""
    assert stream.read(5) == b""


def test_stream_reads_lines_up_to_a_size(ends: tuple[Stream, Any]) -> None:
    stream, far = ends
    far.sendall(b"abcdef\nghi\n")
    assert [stream.readline(size) for size in (2, 0, 10, 3)] == [b"ab", b"", b"cdef\n", b"ghi"]


def test_stream_reads_to_the_end(ends: tuple[Stream, Any]) -> None:
    stream, far = ends
    gevent.spawn(drip, far, b"all of it")
    assert stream.read() == b"all of it"


def test_stream_has_no_head_where_the_peer_leaves(ends: tuple[Stream, Any]) -> None:
    stream, far = ends
    far.sendall(HEAD)
    far.close()
    assert stream.next_head() is None
    assert not stream.wait()


@pytest.mark.parametrize(
    "read", [Stream.wait, Stream.readline, lambda stream: stream.read(5)], ids=["wait", "line", "5"]
)
def test_stream_ends_where_nothing_comes_for_too_long(read: Any) -> None:
    near, far = unix()
    stream = Stream(near, 0.05)
    far.sendall(HEAD + END)
    assert stream.next_head() == HEAD
    with pytest.raises(ConnectionResetError, match="nothing came"):
        read(stream)
    far.sendall(b"late")
    assert stream.closed
    with pytest.raises(ConnectionResetError):
        read(stream)
    near.close()
    far.close()


def test_stream_has_no_head_where_it_is_not_whole_in_time(ends: tuple[Stream, Any]) -> None:
    stream, far = ends
    far.sendall(HEAD[:10])
    with pytest.raises(TimeoutError):
        stream.next_head(0.01)


def test_stream_waits_for_a_slow_peer_that_makes_progress(ends: tuple[Stream, Any]) -> None:
    _, far = ends
    stream = Stream(ends[0]._socket, 0.4)

    def trickle() -> None:
        for byte in b"slow":
            gevent.sleep(0.15)
            far.sendall(bytes([byte]))

    gevent.spawn(trickle)
    assert stream.read(4) == b"slow"


def test_stream_gives_nothing_more_when_closed(ends: tuple[Stream, Any]) -> None:
    stream, far = ends
    far.sendall(b"data")
    stream.wait()
    stream.close()
    assert stream.closed
    assert stream.take() == b""


def test_stream_refuses_a_head_that_is_too_long_before_it_ends(ends: tuple[Stream, Any]) -> None:
    stream, far = ends
    far.sendall(b"GET /" + b"a" * 9000)
    with pytest.raises(InvalidHandshake) as raised:
        stream.next_head()
    assert raised.value.status == 414


HOST = ("Host", "a")
CLEAR: list[tuple[str, list[tuple[str, str]]]] = [
    ("HTTP/1.1", [HOST]),
    ("HTTP/1.1", [("Host", "")]),
    ("HTTP/1.1", [("Host", "[::1]:80")]),
    ("HTTP/1.0", []),
    ("HTTP/1.1", [HOST, ("Content-Length", "0")]),
    ("HTTP/1.1", [HOST, ("Transfer-Encoding", "Chunked")]),
    ("HTTP/1.1", [HOST, ("Connection", "close, TE"), ("Upgrade", "h2c")]),
]
UNCLEAR: list[tuple[str, list[tuple[str, str]], int]] = [
    ("HTTP/1.1", [], 400),
    ("HTTP/1.1", [HOST, HOST], 400),
    ("HTTP/1.0", [HOST, HOST], 400),
    ("HTTP/1.1", [("Host", "a b")], 400),
    ("HTTP/1.1", [("Host", "a/b")], 400),
    ("HTTP/1.1", [("Host", "a,b")], 400),
    ("HTTP/1.1", [HOST, ("Content-Length", "+1")], 400),
    ("HTTP/1.1", [HOST, ("Content-Length", "1_0")], 400),
    ("HTTP/1.1", [HOST, ("Content-Length", "-1")], 400),
    ("HTTP/1.1", [HOST, ("Content-Length", "")], 400),
    ("HTTP/1.1", [HOST, ("Content-Length", "1"), ("Content-Length", "1")], 400),
    ("HTTP/1.1", [HOST, ("Content-Length", "9" * 19)], 400),
    ("HTTP/1.1", [HOST, ("Content-Length", "1"), ("Transfer-Encoding", "chunked")], 400),
    ("HTTP/1.1", [HOST, ("Transfer-Encoding", "gzip, chunked")], 501),
    ("HTTP/1.1", [HOST, ("Transfer-Encoding", "xchunked")], 501),
    ("HTTP/1.0", [HOST, ("Transfer-Encoding", "chunked")], 400),
    ("HTTP/1.1", [HOST, ("Connection", "a b")], 400),
    ("HTTP/1.1", [HOST, ("Upgrade", "a b")], 400),
]


@pytest.mark.parametrize(("version", "headers"), CLEAR)
def test_request_that_is_clear_passes(version: str, headers: list[tuple[str, str]]) -> None:
    check_http(version, Headers(headers))


@pytest.mark.parametrize(("version", "headers", "status"), UNCLEAR)
def test_request_that_can_be_read_in_two_ways_is_refused(
    version: str, headers: list[tuple[str, str]], status: int
) -> None:
    with pytest.raises(InvalidHandshake) as raised:
        check_http(version, Headers(headers))
    assert raised.value.status == status


@pytest.mark.parametrize(
    ("value", "asks"),
    [("websocket", True), ("h2c, WebSocket", True), ("websockets", False), ("h2c", False)],
)
def test_request_asks_for_websocket_by_a_token(value: str, asks: bool) -> None:
    assert asks_for_websocket(Headers([("Upgrade", value)])) == asks
