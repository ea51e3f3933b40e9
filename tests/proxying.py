"""Proxies on real sockets, which know HTTP's CONNECT and SOCKS but not this library."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent import socket

from tests.servers import RawServer, Serve, header, read_head, serving

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"
User = tuple[str, str]


class Proxying:
    """A proxy for the length of a test.

    Attributes:
        asked: for which hosts and ports, in order.
        heads: the heads of requests, for one that speaks HTTP.
        port: where it listens.
    """

    def __init__(self, user: User | None = None, aliases: dict[str, str] | None = None) -> None:
        self.user = user
        self.aliases = aliases or {}
        self.asked: list[tuple[str, int]] = []
        self.heads: list[bytes] = []
        self.server: RawServer

    @property
    def port(self) -> int:
        return self.server.port

    def lead(self, sock: Any, host: str, port: int, opened: bytes) -> None:
        """Say *opened* on *sock* and pass bytes both ways until either end is done."""
        self.asked.append((host, port))
        with socket.create_connection((self.aliases.get(host, host), port)) as further:
            sock.sendall(opened)
            back = gevent.spawn(_pump, further, sock)
            try:
                _pump(sock, further)
                back.join(10)
            finally:
                back.kill()

    # HTTP (RFC 9110 9.3.6)

    def http(self, sock: Any) -> None:
        head = read_head(sock)
        self.heads.append(head)
        if self.user is not None and not self._is_user(head):
            sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        self.lead(sock, host.strip("[]"), int(port), OPENED)

    def _is_user(self, head: bytes) -> bool:
        wanted = "Basic " + b64encode(":".join(self.user or ()).encode()).decode()
        return b"Proxy-Authorization" in head and header(head, "Proxy-Authorization") == wanted

    # SOCKS

    def socks5(self, sock: Any) -> None:
        """Speak RFC 1928 and RFC 1929."""
        _, count = _read(sock, 2)
        wanted = 0 if self.user is None else 2
        if wanted not in _read(sock, count):
            sock.sendall(b"\5\xff")
            return
        sock.sendall(bytes([5, wanted]))
        if wanted and not self._log_in(sock):
            return
        kind = _read(sock, 4)[3]
        if kind == 3:
            host = _read(sock, _read(sock, 1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, _read(sock, size))
        (port,) = struct.unpack("!H", _read(sock, 2))
        self.lead(sock, host, port, b"\5\0\0\1\0\0\0\0\0\0")

    def _log_in(self, sock: Any) -> bool:
        user = _read(sock, _read(sock, 2)[1]).decode()
        password = _read(sock, _read(sock, 1)[0]).decode()
        is_user = (user, password) == self.user
        sock.sendall(b"\1\0" if is_user else b"\1\1")
        return is_user

    def socks4(self, sock: Any) -> None:
        """Speak SOCKS4, and 4a for names."""
        _, _, port, number = struct.unpack("!BBH4s", _read(sock, 8))
        user = _read_string(sock)
        if self.user is not None and user != self.user[0]:
            sock.sendall(b"\0\x5d" + bytes(6))
            return
        named = number[:3] == b"\0\0\0" and number[3]
        host = _read_string(sock) if named else socket.inet_ntoa(number)
        self.lead(sock, host, port, b"\0\x5a" + bytes(6))


@contextmanager
def proxying(
    speaks: str = "http",
    user: User | None = None,
    context: Any = None,
    aliases: dict[str, str] | None = None,
) -> Iterator[Proxying]:
    """Have a proxy listen that *speaks* http, socks4 or socks5, for *user* alone if that is given.

    Args:
        aliases: what it knows of names that nobody else does.
    """
    proxy = Proxying(user, aliases)
    talk: Serve = getattr(proxy, speaks)
    with serving(talk, context=context) as proxy.server:
        yield proxy


def _pump(source: Any, target: Any) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except (OSError, ValueError):  # one end has gone, and the other one will hear of it
        return


def _read(sock: Any, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionResetError("the client has left")
        data += more
    return data


def _read_string(sock: Any) -> str:
    data = b""
    while (byte := _read(sock, 1)) != b"\0":
        data += byte
    return data.decode()
