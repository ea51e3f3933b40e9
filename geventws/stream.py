"""What a WSGI server reads of a connection: HTTP requests, head by head and body by body.

socket -> Stream -> next_head -> check_http            Stream -> read, readline
"""

from __future__ import annotations

import errno
import re
from typing import Any, Final

import gevent
from greenlet import getcurrent

from geventws.core.errors import InvalidHandshake
from geventws.core.headers import Headers, HeadReader, has_token, parse_protocol_list

CHUNK: Final = 64 * 1024  # bytes asked for at once

_match_length = re.compile(r"[0-9]{1,18}").fullmatch
_match_host = re.compile(r"[^\s,/?#@]*").fullmatch


class Stream:
    """What a peer sends, for pywsgi to read heads and bodies from.

    Args:
        sock: a connected gevent socket.
        timeout: how many seconds to wait for the next bytes of a body, or for the next request;
            None is for ever. After that all reading raises ConnectionResetError, as if the peer had
            gone, which pywsgi passes over.
    """

    __slots__ = ("_buffer", "_socket", "_timeout", "closed")

    def __init__(self, sock: Any, timeout: float | None = None) -> None:
        self._socket = sock
        self._timeout = timeout
        self._buffer = bytearray()
        self.closed = False  # pywsgi reads no further request then

    def wait(self) -> bool:
        """Wait for a byte of the next request; return whether one came."""
        return bool(self._buffer) or self._fill()

    def next_head(self, timeout: float | None = None) -> bytes | None:
        """Wait for the next head and return it; None where the peer ends before.

        Raises:
            InvalidHandshake: as for HeadReader.next_head().
            TimeoutError: it is not here after *timeout* seconds.
        """
        reader = HeadReader()
        reader.feed(self.take())
        timer = _interrupting(timeout)
        try:
            while (head := reader.next_head()) is None:
                data = self._socket.recv(CHUNK)
                if not data:
                    return None
                reader.feed(data)
        finally:
            if timer is not None:
                timer.close()
        self._buffer += reader.rest()
        return head

    def read(self, size: int = -1) -> bytes:
        """Wait for *size* bytes and return them, or what there is before the end."""
        while (size < 0 or len(self._buffer) < size) and self._fill():
            pass
        return self._cut(len(self._buffer) if size < 0 else size)

    def readline(self, size: int = -1) -> bytes:
        """Wait for a line and return it, or *size* bytes of it, or what there is before the end."""
        seen = 0
        while (end := self._buffer.find(b"\n", seen) + 1) == 0:
            seen = len(self._buffer)
            if 0 <= size <= seen or not self._fill():
                end = len(self._buffer)
                break
        return self._cut(end if size < 0 else min(end, size))

    def take(self) -> bytes:
        """Return what was received and not read."""
        return self._cut(len(self._buffer))

    def close(self) -> None:
        """Read nothing more; the socket stays open."""
        self.closed = True
        self._buffer.clear()
        self._socket = None

    def _fill(self) -> bool:
        silence = ConnectionResetError(errno.ECONNRESET, "nothing came for too long")
        if self.closed:
            raise silence
        try:
            with gevent.Timeout(self._timeout, silence):
                data = self._socket.recv(CHUNK)
        except OSError:
            self.close()  # or the rest of this body would be the next request
            raise
        self._buffer += data
        return bool(data)

    def _cut(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


def _interrupting(seconds: float | None) -> Any:
    """Have TimeoutError raised here in *seconds*; return what is to be closed before, if anything.

    It is what gevent.Timeout does, at a tenth of the cost.
    """
    if seconds is None:
        return None
    timer = gevent.get_hub().loop.timer(seconds)
    timer.start(getcurrent().throw, TimeoutError, update=True)
    return timer


def asks_for_websocket(headers: Headers) -> bool:
    """Return whether a request wants to become a WebSocket, rightly or not."""
    return "websocket" in map(str.lower, parse_protocol_list(headers.get("Upgrade", "")))


def check_http(version: str, headers: Headers) -> None:
    """Check what could be understood in two ways: whom a request is for, and where it ends.

    Raises:
        InvalidHandshake: it could.
    """
    hosts = headers.get_all("Host")
    if len(hosts) > 1 or (not hosts and version == "HTTP/1.1") or not all(map(_match_host, hosts)):
        raise InvalidHandshake("no valid Host, or more than one (RFC 9112 3.2)")
    coding = headers.get("Transfer-Encoding")
    length = headers.get("Content-Length")
    if coding is not None and (length is not None or version != "HTTP/1.1"):
        raise InvalidHandshake("Transfer-Encoding where it may not be (RFC 9112 6.1)")
    if coding is not None and coding.lower() != "chunked":
        raise InvalidHandshake("unknown Transfer-Encoding (RFC 9112 6.1)", 501)
    if length is not None and not _match_length(length):
        raise InvalidHandshake("Content-Length is not a number (RFC 9112 6.3)")
    has_token(headers.get("Connection", ""), "close")
    asks_for_websocket(headers)
