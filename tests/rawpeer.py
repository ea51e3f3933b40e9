"""A client that knows sockets and RFC 6455 but not this library, to say what no client would."""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
import struct
from typing import Any, NamedTuple

import gevent.socket
import gevent.ssl

PATIENCE = 10.0  # seconds; a test that waits longer has failed
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
HANDSHAKE = {
    "Host": "example.org",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


class Reply(NamedTuple):
    """What a server answered; the header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def head(first_line: str = "GET / HTTP/1.1", **headers: str | None) -> bytes:
    """Return the head of an opening handshake; header_name="value" replaces, None leaves out."""
    items: dict[str, str | None] = dict(HANDSHAKE)
    for name, value in headers.items():
        wanted = name.replace("_", "-").lower()
        known = next((each for each in items if each.lower() == wanted), name.replace("_", "-"))
        items[known] = value
    lines = [f"{name}: {value}" for name, value in items.items() if value is not None]
    return "\r\n".join([first_line, *lines, "", ""]).encode("latin-1")


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True) -> bytes:
    """Return one frame as a client sends it."""
    first = struct.pack("!B", (0x80 if fin else 0) | opcode)
    size = len(payload)
    bit = 0x80 if masked else 0
    if size < 126:
        length = struct.pack("!B", bit | size)
    elif size < 65536:
        length = struct.pack("!BH", bit | 126, size)
    else:
        length = struct.pack("!BQ", bit | 127, size)
    if not masked:
        return first + length + payload
    key = os.urandom(4)
    return first + length + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame as a client sends it."""
    return frame(CLOSE, struct.pack("!H", code) + reason.encode())


class RawPeer:
    """One connection to a server, and what it sent that nobody has looked at."""

    def __init__(self, sock: Any) -> None:
        sock.settimeout(PATIENCE)
        self.socket = sock
        self._buffer = b""

    @classmethod
    def to(cls, address: Any, tls: ssl.SSLContext | None = None) -> RawPeer:
        """Connect to *address*: a (host, port), or the path of a unix socket."""
        family = gevent.socket.AF_UNIX if isinstance(address, str) else gevent.socket.AF_INET
        sock: Any = gevent.socket.socket(family)
        sock.settimeout(PATIENCE)
        try:
            sock.connect(address)
            if family == gevent.socket.AF_INET:
                sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
            if tls is not None:
                sock = gevent.ssl.SSLSocket(sock=sock, server_hostname="localhost", _context=tls)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    def send(self, *data: bytes) -> None:
        """Send *data* in one segment."""
        self.socket.sendall(b"".join(data))

    def drip(self, data: bytes) -> None:
        """Send *data* byte by byte."""
        for byte in data:
            self.socket.sendall(bytes([byte]))

    def upgrade(self, first_line: str = "GET / HTTP/1.1", **headers: str | None) -> Reply:
        """Open a WebSocket and return the 101."""
        self.send(head(first_line, **headers))
        reply = self.read_head()
        assert reply.status == 101, reply
        assert reply.headers["sec-websocket-accept"] == ACCEPT
        return reply

    def read(self, size: int) -> bytes:
        """Wait for *size* bytes."""
        while len(self._buffer) < size:
            self._fill()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def read_head(self) -> Reply:
        """Wait for the head of a response."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        text, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first_line, *lines = text.decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        return Reply(int(first_line.split(" ")[1]), {n.lower(): v for n, v in pairs}, b"")

    def read_response(self) -> Reply:
        """Wait for a response with its body."""
        reply = self.read_head()
        return reply._replace(body=self.read(int(reply.headers["content-length"])))

    def read_frame(self) -> tuple[int, bytes]:
        """Wait for a frame that is whole and unmasked; return its opcode and payload."""
        first, second = self.read(2)
        assert first & 0x80
        assert not second & 0x80
        size = second
        if size == 126:
            size = struct.unpack("!H", self.read(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self.read(8))[0]
        return first & 0x0F, self.read(size)

    def read_close(self) -> tuple[int, str]:
        """Wait for a close frame; return its code and reason."""
        opcode, payload = self.read_frame()
        assert opcode == CLOSE, (opcode, payload)
        return struct.unpack("!H", payload[:2])[0], payload[2:].decode()

    def read_to_end(self) -> bytes:
        """Wait for the end of the stream; return all that comes before it."""
        while data := self.socket.recv(65536):
            self._buffer += data
        data, self._buffer = self._buffer, b""
        return data

    def end(self, code: int = 1000) -> None:
        """Close as RFC 6455 7.1.1 has it: close frames both ways, then the server ends TCP."""
        self.send(close_frame(code))
        assert self.read_close()[0] == code
        assert self.read_to_end() == b""

    def close(self) -> None:
        """Close the socket without a word."""
        self.socket.close()

    def _fill(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"the server closed the connection after {self._buffer!r}")
        self._buffer += data

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


assert (
    base64.b64encode(hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())
    == ACCEPT.encode()
)
