"""What SOCKS proxies are told on a socket of the caller's, and what their refusals become."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent import socket

from geventws.proxy import parse_proxy
from geventws.socks import pass_socks

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@contextmanager
def script(*steps: tuple[bytes, bytes]) -> Iterator[Any]:
    """Give a socket at whose other end a proxy hears and says each of *steps*, then leaves."""
    near, far = socket.socketpair()

    def play() -> None:
        with far:
            for heard, said in steps:
                assert far.recv(1000) == heard
                far.sendall(said)

    playing = gevent.spawn(play)
    with near, gevent.Timeout(10):
        yield near
        playing.get()


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("example.org", b"\3\x0bexample.org"),
        ("127.0.0.1", b"\1\x7f\0\0\1"),
        ("::1", b"\4" + bytes(15) + b"\1"),
    ],
)
def test_socks5_is_told_names_and_addresses(host: str, told: bytes) -> None:
    hello = (b"\5\1\0", b"\5\0")
    with script(hello, (b"\5\1\0" + told + b"\0\x50", b"\5\0\0\1\0\0\0\0\0\0")) as sock:
        pass_socks(sock, parse_proxy("socks5h://a"), host, 80)


def test_socks5_is_told_user_and_password() -> None:
    asked = (b"\5\1\0\1\x7f\0\0\1\0\x50", b"\5\0\0\1\0\0\0\0\0\0")
    with script((b"\5\2\0\2", b"\5\2"), (b"\1\1u\2pw", b"\1\0"), asked) as sock:
        pass_socks(sock, parse_proxy("socks5h://u:pw@a"), "127.0.0.1", 80)


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("127.0.0.1", b"\4\1\0\x50\x7f\0\0\1u\0"),
        ("example.org", b"\4\1\0\x50\0\0\0\1u\0example.org\0"),
    ],
)
def test_socks4_is_told_names_and_addresses(host: str, told: bytes) -> None:
    with script((told, b"\0\x5a" + bytes(6))) as sock:
        pass_socks(sock, parse_proxy("socks4a://u@a"), host, 80)


@pytest.mark.parametrize(
    ("reply", "kind", "why"),
    [
        (b"\5\2\0", PermissionError, "connection not allowed by ruleset"),
        (b"\5\4\0", ConnectionError, "host unreachable"),
        (b"\5\5\0", ConnectionError, "connection refused by destination host"),
        (b"HTTP/1.1 400", ConnectionError, "unexpected socks version number"),
        (b"", ConnectionError, "connection closed unexpectedly"),
    ],
)
def test_socks5_refuses(reply: bytes, kind: type[Exception], why: str) -> None:
    asked = (b"\5\1\0\1\x7f\0\0\1\0\x50", reply)
    with script((b"\5\1\0", b"\5\0"), asked) as sock, pytest.raises(kind) as caught:
        pass_socks(sock, parse_proxy("socks5://a"), "127.0.0.1", 80)
    assert str(caught.value).startswith(f"the proxy: {why}")


@pytest.mark.parametrize("method", [b"\xff", b"\1"])
def test_socks5_that_wants_other_credentials_is_a_permission_error(method: bytes) -> None:
    with script((b"\5\1\0", b"\5" + method)) as sock, pytest.raises(PermissionError):
        pass_socks(sock, parse_proxy("socks5://a"), "127.0.0.1", 80)


@pytest.mark.parametrize(("code", "kind"), [(0x5B, ConnectionError), (0x5D, PermissionError)])
def test_socks4_refuses(code: int, kind: type[Exception]) -> None:
    reply = bytes([0, code]) + bytes(6)
    with script((b"\4\1\0\x50\x7f\0\0\1\0", reply)) as sock, pytest.raises(kind):
        pass_socks(sock, parse_proxy("socks4://a"), "127.0.0.1", 80)
