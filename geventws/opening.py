"""The client's side of the opening handshake, over any transport or none (RFC 6455 4.1).

Opening.request -> transport.write    transport.read -> read_response -> Accepted | Rejected

What reads is a generator, so that doors which wait and doors which are called back can share it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

from geventws.clock import monotonic
from geventws.core.errors import InvalidHandshake, Rejected
from geventws.core.handshake import Accepted, Opening, parse_response
from geventws.core.headers import MAX_LINE, Headers, HeadReader, has_token
from geventws.options import Options
from geventws.uri import URI

# Of a refusal: enough for an error page that says why, little enough for any client.
MAX_BODY: Final = 64 * 1024
MAX_INTERIM: Final = 10  # heads in front of an answer; 103 Early Hints is sent once or twice
PHASE: Final = "the opening handshake"
SECRET: Final = {"authorization", "cookie", "proxy-authorization", "set-cookie"}

logger = logging.getLogger("geventws.handshake")

_escape = re.compile(r"[^\t -~]").sub  # what could move a terminal's cursor, or break a log's line

_match_length = re.compile(r"[0-9]{1,18}").fullmatch
# RFC 9112 7.1: the end of the chunk before, the size in hexadecimal, extensions to pass over
_match_size = re.compile(rb"(?:\r\n)?([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n").match

T = TypeVar("T")
# Yields for every portion of bytes, b"" at their end; an OSError may be thrown in instead.
Reading = Generator[None, bytes, T]
Note: TypeAlias = Callable[[Headers], None]


class CutShort(InvalidHandshake):
    """The stream ended within a head, as where a server is stopped."""


def _ignore(headers: Headers) -> None:
    """Take no note of *headers*."""


def open_client(
    transport: Any, opening: Opening, deadline: float | None, note: Note = _ignore
) -> tuple[Accepted, bytes]:
    """Send the request and read the response; return what is agreed, and the bytes behind it.

    Args:
        transport: an ITransport that nobody else uses yet.
        deadline: until when, on the monotonic clock; None waits for ever.
        note: is called with the headers of the response, whatever it says.

    Raises:
        Rejected, InvalidHandshake: as for read_response().
        TimeoutError: the deadline passed first.
        OSError: the stream is lost.
    """
    try:
        transport.write([opening.request()], left(deadline, PHASE))
    except TimeoutError:
        raise late(PHASE) from None
    return drive(read_response(opening, note), transport, deadline)


def drive(reading: Reading[T], transport: Any, deadline: float | None) -> T:
    """Feed *reading* from *transport* until it has its result."""
    try:
        next(reading)
        while True:
            try:
                data = transport.read(left(deadline, PHASE))
            except TimeoutError:
                reading.throw(late(PHASE))
            except OSError as error:
                reading.throw(error)
            else:
                reading.send(data)
    except StopIteration as done:
        result: T = done.value
        return result


def check_way(where: URI, context: object, source_address: object) -> None:
    """Raise TypeError or ValueError where these are no way to *where*: arguments of a connect().

    Args:
        context: what was given as ssl; that it is one, is for the caller to check.
        source_address: what was given as that.
    """
    if context is not None and not where.secure:
        raise ValueError("ssl: only wss has TLS, and this address is not wss")
    match source_address:
        case None:
            return
        case (str(), int(port)):
            if not 0 <= port < 65536:
                raise ValueError("source_address: a port from 0 to 65535")
        case _:
            raise TypeError("source_address: a pair of IP address and port, or None")
    if where.path is not None:
        raise ValueError("source_address: a unix socket has none")


def deadline_of(options: Options) -> float | None:
    """Return until when an opening that begins now may take; None for ever."""
    return None if options.open_timeout is None else monotonic() + options.open_timeout


def left(deadline: float | None, phase: str) -> float | None:
    """Return the seconds until *deadline*; TimeoutError naming the *phase* when it has passed."""
    if deadline is None:
        return None
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise late(phase)
    return seconds


def late(phase: str) -> TimeoutError:
    """Return what to raise when open_timeout is up in this *phase* of the opening."""
    return TimeoutError(f"{phase} took longer than open_timeout")


def log_head(mark: str, head: bytes) -> None:
    """Show *head*, which was sent (">") or received ("<"), to who debugs; secrets are left out."""
    if logger.isEnabledFor(logging.DEBUG):
        lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        logger.debug("%s", "\n".join(f"{mark} {_shown(line)}" for line in lines))


def _shown(line: str) -> str:
    name = line.partition(":")[0]
    if name.strip().lower() in SECRET:
        return f"{name}: [redacted]"
    return escaped(line)


def escaped(text: str) -> str:
    """Return *text*, which a peer may have written, as a log's line can hold it."""
    return _escape(lambda found: f"\\x{ord(found[0]):02x}", text)


# Reading, without I/O


def read_request() -> Reading[tuple[bytes, bytes]]:
    """Return the head of a request, and the bytes behind it; for servers.

    Raises:
        InvalidHandshake: it breaks a rule, is too long or cut short.
    """
    reader = HeadReader()
    head = yield from read_head(reader)
    return head, reader.rest()


def read_response(opening: Opening, note: Note = _ignore) -> Reading[tuple[Accepted, bytes]]:
    """Return what is agreed, and the bytes behind the response, whose headers *note* is given.

    An OSError that comes into the body of a refusal cuts that short.

    Raises:
        Rejected: the server answered with something else than 101; with at most MAX_BODY of it.
        InvalidHandshake: the response is malformed, too long, cut short, or does not accept
            what was asked for.
    """
    log_head(">", opening.request())
    reader = HeadReader()
    head, status, headers = yield from read_answer(reader)
    if status == 101:
        accepted = opening.check(head)
        note(headers)
        return accepted, reader.rest()
    note(headers)
    body = bytearray()
    with suppress(OSError, InvalidHandshake):
        yield from _read_body(body, bytearray(reader.rest()), status, headers)
    raise Rejected(status, headers, bytes(body))


def read_answer(reader: HeadReader) -> Reading[tuple[bytes, int, Headers]]:
    """Return the head, status and headers of the next answer, past what comes in front of it.

    Raises:
        InvalidHandshake: as for read_head(), or too much comes in front.
    """
    for _ in range(MAX_INTERIM + 1):
        head = yield from read_head(reader)
        status, _, headers = parse_response(head)
        if status == 101 or status >= 200:  # RFC 9110 15.2: others of 1xx come before the answer
            return head, status, headers
    raise InvalidHandshake(f"more than {MAX_INTERIM} answers of 1xx (RFC 9110 15.2)")


def read_head(reader: HeadReader) -> Reading[bytes]:
    """Return the next head.

    Raises:
        CutShort: the stream ends before it does.
        InvalidHandshake: it is too long, or its lines do not end as they must.
    """
    while (head := reader.next_head()) is None:
        data = yield
        if not data:
            raise CutShort("the stream ends before the head does (RFC 9112 8)")
        reader.feed(data)
    log_head("<", head)
    return head


def _read_body(body: bytearray, raw: bytearray, status: int, headers: Headers) -> Reading[None]:
    """Fill *body* from *raw* and what follows it, up to where it ends (RFC 9112 6.3)."""
    if status in (204, 304):
        return
    if has_token(headers.get("Transfer-Encoding", ""), "chunked"):
        while len(body) < MAX_BODY and (size := (yield from _read_size(raw))):
            yield from _take(body, raw, size)
    else:
        length = headers.get("Content-Length", "")
        yield from _take(body, raw, int(length) if _match_length(length) else MAX_BODY)


def _take(body: bytearray, raw: bytearray, size: int) -> Reading[None]:
    """Move *size* bytes to *body*, or as many as there are and fit."""
    missing = min(size, MAX_BODY - len(body))
    while len(raw) < missing:
        body += raw
        missing -= len(raw)
        raw.clear()
        if not (yield from _more(raw)):
            return
    body += raw[:missing]
    del raw[:missing]


def _read_size(raw: bytearray) -> Reading[int]:
    """Return the size of the next chunk; 0 when there is none."""
    while (found := _match_size(raw)) is None:
        if len(raw) > MAX_LINE or not (yield from _more(raw)):
            return 0
    size = int(found[1], 16)
    del raw[: found.end()]
    return size


def _more(raw: bytearray) -> Reading[bool]:
    """Add the next portion to *raw*; return whether there was one."""
    data = yield
    raw += data
    return bool(data)
