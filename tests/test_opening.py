"""The client's opening handshake over a transport that says what a script has, and its log."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import monotonic
from typing import Any

import pytest

from geventws.core.errors import InvalidHandshake, Rejected
from geventws.core.handshake import Accepted, Opening, accept_key
from geventws.opening import (
    MAX_BODY,
    check_way,
    deadline_of,
    drive,
    late,
    left,
    log_head,
    open_client,
    read_request,
    read_response,
)
from geventws.options import Options
from geventws.uri import parse_uri

REFUSAL = b"HTTP/1.1 403 Forbidden\r\n"
PLACE = parse_uri("ws://127.0.0.1/")


class Scripted:
    """A transport whose peer says what stands in a script; an exception there is raised."""

    def __init__(self, script: Iterable[bytes | OSError], takes: OSError | None = None) -> None:
        self._script = iter(script)
        self._takes = takes
        self.written: list[bytes] = []

    def write(self, buffers: list[bytes], timeout: float | None) -> None:
        if self._takes is not None:
            raise self._takes
        self.written += buffers

    def read(self, timeout: float | None) -> bytes:
        said = next(self._script, b"")
        if isinstance(said, OSError):
            raise said
        return said


def opening() -> Opening:
    """Return the opening of a client that wants nothing special."""
    return Opening("example.org", "/chat", compression=None)


def acceptance(asked: Opening) -> bytes:
    """Return the response that accepts it."""
    accept = accept_key(asked.key).encode()
    lines = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept
    return b"HTTP/1.1 101 Switching Protocols\r\n" + lines + b"\r\n\r\n"


def rejection(*script: bytes | OSError) -> Rejected:
    """Return what a client raises that hears *script*."""
    with pytest.raises(Rejected) as raised:
        open_client(Scripted(script), opening(), monotonic() + 5)
    return raised.value


def one_by_one(data: bytes) -> list[bytes]:
    """Return *data* byte by byte."""
    return [bytes([byte]) for byte in data]


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Return a refusal whose body comes in chunks."""
    body = b"".join(b"%x;why=not \r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return REFUSAL + b"Transfer-Encoding: chunked\r\n\r\n" + body + end


# A response


def test_client_sends_the_request_and_gets_what_is_agreed() -> None:
    asked = opening()
    transport = Scripted([acceptance(asked)])
    assert open_client(transport, asked, None) == (Accepted(None, None, b""), b"")
    assert transport.written == [asked.request()]


def test_client_gets_the_bytes_behind_the_response() -> None:
    asked = opening()
    said = acceptance(asked) + b"\x81\x02hi"
    assert open_client(Scripted([said]), asked, None)[1] == b"\x81\x02hi"
    head = [*one_by_one(acceptance(asked)[:-1]), b"\n\x89\x00"]
    assert open_client(Scripted(head), asked, None)[1] == b"\x89\x00"


def test_client_passes_over_interim_responses() -> None:
    asked = opening()
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    said = [hints + b"HTTP/1.1 100 Continue\r\n\r\n", acceptance(asked)]
    assert open_client(Scripted(said), asked, None)[0].subprotocol is None


def test_client_raises_when_the_101_does_not_accept_its_key() -> None:
    with pytest.raises(InvalidHandshake, match="does not fit the key"):
        open_client(Scripted([acceptance(opening())]), opening(), None)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([b""], "ends before the head does"),
        ([b"HTTP/1.1 101 Switching"], "ends before the head does"),
        ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101], "too many headers"),
    ],
    ids=["silence", "half a head", "no HTTP", "too many headers"],
)
def test_client_raises_when_the_response_breaks_a_rule(said: list[bytes], reason: str) -> None:
    with pytest.raises(InvalidHandshake, match=reason):
        open_client(Scripted(said), opening(), None)


# A refusal


def test_client_is_told_why_it_was_refused() -> None:
    refused = rejection(REFUSAL + b"Content-Length: 5\r\nA: b\r\n\r\n", b"no", b" wayrest")
    assert (refused.status, refused.body) == (403, b"no wa")
    assert refused.headers["A"] == "b"


@pytest.mark.parametrize("status", [204, 304])
def test_client_awaits_no_body_where_there_is_none(status: int) -> None:
    refused = rejection(b"HTTP/1.1 %d Nothing\r\n\r\n" % status, OSError("read too much"))
    assert (refused.status, refused.body) == (status, b"")


def test_client_awaits_nothing_behind_an_empty_body() -> None:
    said = REFUSAL + b"Content-Length: 0\r\n\r\n"
    assert rejection(said, OSError("read too much")).body == b""


@pytest.mark.parametrize("length", [b"", b"Content-Length: -5\r\n", b"Content-Length: 1, 1\r\n"])
def test_client_reads_a_body_without_a_length_to_the_end(length: bytes) -> None:
    assert rejection(REFUSAL + length + b"\r\n", b"no ", b"way").body == b"no way"


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError()], ids=["late", "reset"])
def test_client_gets_what_came_of_a_body_that_is_cut_short(error: OSError) -> None:
    said = REFUSAL + b"Content-Length: 50\r\n\r\nso"
    assert rejection(said, b" far", error).body == b"so far"


def test_client_reads_at_most_so_much_of_a_body() -> None:
    flood: list[bytes | OSError] = [b"x" * 50_000] * 3
    said = REFUSAL + b"Content-Length: 150000\r\n\r\n"
    assert rejection(said, *flood).body == b"x" * MAX_BODY
    assert rejection(chunked(b"x" * 40_000, b"y" * 40_000)).body[40_000:] == b"y" * 25_536


def test_client_reads_a_body_in_chunks() -> None:
    said = chunked(b"no", b" ", b"way") + b"next"
    assert rejection(said, OSError("read too much")).body == b"no way"
    assert rejection(*one_by_one(said)).body == b"no way"


@pytest.mark.parametrize(
    "end",
    [b"", b"huh\r\n" + b"x" * 9000, b"-5\r\n", b"f" * 20],
    ids=["none", "word", "sign", "long"],
)
def test_client_gets_what_came_before_a_broken_chunk(end: bytes) -> None:
    assert rejection(chunked(b"so", b" far", end=end)).body == b"so far"


def test_client_gets_no_body_where_its_coding_is_malformed() -> None:
    assert rejection(REFUSAL + b"Transfer-Encoding: ;;\r\n\r\nx").body == b""


# Deadlines


def test_client_raises_when_no_response_comes_in_time() -> None:
    with pytest.raises(TimeoutError, match="the opening handshake took longer than open_timeout"):
        open_client(Scripted([b"HTTP/1.1", TimeoutError()]), opening(), monotonic() + 5)


def test_client_raises_when_the_deadline_has_passed() -> None:
    for deadline in (monotonic(), monotonic() - 5):
        with pytest.raises(TimeoutError, match="the opening handshake"):
            open_client(Scripted([]), opening(), deadline)


def test_client_raises_when_its_request_is_not_taken_in_time() -> None:
    with pytest.raises(TimeoutError, match="the opening handshake"):
        open_client(Scripted([], TimeoutError()), opening(), monotonic() + 5)


def test_client_lets_other_errors_pass() -> None:
    with pytest.raises(ConnectionResetError):
        open_client(Scripted([ConnectionResetError()]), opening(), None)
    with pytest.raises(BrokenPipeError):
        open_client(Scripted([], BrokenPipeError()), opening(), None)


def test_left_is_what_is_left() -> None:
    assert left(None, "this phase") is None
    assert 4 < (left(monotonic() + 5, "this phase") or 0) <= 5
    with pytest.raises(TimeoutError, match=str(late("this phase"))):
        left(monotonic() - 1, "this phase")


# A request


def test_server_gets_the_head_of_a_request_and_what_is_behind() -> None:
    said = opening().request() + b"\x81\x80\0\0\0\0"
    head, rest = drive(read_request(), Scripted([*one_by_one(said[:20]), said[20:]]), None)
    assert head == opening_head(said)
    assert rest == b"\x81\x80\0\0\0\0"


def test_server_raises_when_the_request_is_cut_short() -> None:
    with pytest.raises(InvalidHandshake, match="ends before the head does"):
        drive(read_request(), Scripted([b"GET / HTTP/1.1\r\n"]), None)


def opening_head(request: bytes) -> bytes:
    """Return the head without what ends it."""
    return request.partition(b"\r\n\r\n")[0]


# The log


def test_heads_are_logged_without_secrets(caplog: Any) -> None:
    asked = Opening("example.org", "/", compression=None, headers={"Authorization": "Basic abc"})
    reading = read_response(asked)
    with caplog.at_level(logging.DEBUG, "geventws.handshake"):
        next(reading)
        with pytest.raises(Rejected):
            reading.send(REFUSAL + b"Set-Cookie: a=b\r\nX: \xff\r\nContent-Length: 0\r\n\r\n")
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "> GET / HTTP/1.1" in logged
    assert "< HTTP/1.1 403 Forbidden" in logged
    assert "abc" not in logged
    assert "a=b" not in logged
    assert r"< X: \xff" in logged


def test_logged_heads_do_nothing_to_a_terminal(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "geventws.handshake"):
        log_head("<", b"HTTP/1.1 200 \x1b[2J\r\nA: \x9b\xe9\t\x07\r\nSET-COOKIE : a=b")
    (record,) = caplog.records
    assert record.getMessage() == (
        "< HTTP/1.1 200 \\x1b[2J\n< A: \\x9b\\xe9\t\\x07\n< SET-COOKIE : [redacted]"
    )


def test_heads_are_not_logged_unasked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "geventws.handshake"):
        log_head("<", b"HTTP/1.1 200 OK")
    assert caplog.records == []


@pytest.mark.parametrize("source", [None, ("127.0.0.1", 0), ("::1", 65535)])
def test_source_address_is_an_address_and_port(source: Any) -> None:
    check_way(PLACE, None, source)


@pytest.mark.parametrize("source", ["127.0.0.1", 5, ("a",), (5, "a"), ("a", 5, 5), (b"a", 5)])
def test_source_address_of_another_form_is_refused(source: Any) -> None:
    with pytest.raises(TypeError, match=r"^source_address: a pair of IP address and port"):
        check_way(PLACE, None, source)


@pytest.mark.parametrize("port", [-1, 65536])
def test_source_address_with_no_port_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match=r"^source_address: a port from 0 to 65535"):
        check_way(PLACE, None, ("127.0.0.1", port))


def test_source_address_is_refused_for_a_unix_socket() -> None:
    where = parse_uri("ws+unix:///run/it.sock")
    check_way(where, None, None)
    with pytest.raises(ValueError, match=r"^source_address: a unix socket has none$"):
        check_way(where, None, ("127.0.0.1", 0))


def test_ssl_is_refused_for_an_address_without_tls() -> None:
    check_way(parse_uri("wss://127.0.0.1/"), object(), None)
    with pytest.raises(ValueError, match=r"^ssl: only wss has TLS, and this address is not wss$"):
        check_way(PLACE, object(), None)


def test_opening_that_may_take_for_ever_has_no_deadline() -> None:
    assert deadline_of(Options(open_timeout=None)) is None
    assert (deadline_of(Options(open_timeout=5.0)) or 0) > 0
