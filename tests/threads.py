"""What the tests of threads share: pairs of plain sockets, and threads that are joined."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from threading import Thread
from typing import Any, TypeVar

import pytest
import trustme

PATIENCE = 10.0  # seconds; a test that waits longer has failed
BIG = bytes(range(256)) * 16384  # 4 MiB, more than any socket's buffer takes at once

T = TypeVar("T")
Sockets = tuple[Any, Any]  # the client's and the server's
Kind = Callable[[], Sockets]


# Threads


class Threads:
    """Starts threads, and joins them at the end of a test."""

    def __init__(self) -> None:
        self._threads: list[Thread] = []

    def start(self, work: Callable[..., T], *args: Any) -> Future[T]:
        """Have a thread do *work*; return what becomes of it."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work(*args))
            except BaseException as error:
                future.set_exception(error)

        thread = Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()
        return future

    def join(self) -> None:
        """Wait for all of them."""
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a thread does not end"


@contextmanager
def joined_threads() -> Iterator[Threads]:
    """Give a Threads that is joined at the end."""
    threads = Threads()
    yield threads
    threads.join()


# Sockets


def tcp() -> Sockets:
    """Return two sockets connected over the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    for sock in (client, server):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, server


def unix() -> Sockets:
    """Return a pair of Unix sockets."""
    return socket.socketpair()


def tls(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Sockets:
    """Return two TLS sockets, the handshake done."""
    theirs, ours = contexts(version)
    raw_client, raw_server = tcp()
    with joined_threads() as threads:
        server = threads.start(lambda: ours.wrap_socket(raw_server, server_side=True))
        client = theirs.wrap_socket(raw_client, server_hostname="localhost")
        return client, server.result(PATIENCE)


@cache
def contexts(
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a client's and a server's context that trust each other."""
    authority = trustme.CA()
    theirs = ssl.create_default_context()
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(theirs)
    authority.issue_cert("localhost").configure_cert(ours)
    for context in (theirs, ours):
        context.minimum_version = context.maximum_version = version
    return theirs, ours


each_kind = pytest.mark.parametrize("kind", [tcp, unix, tls], ids=["tcp", "unix", "tls"])
