"""A worker of prefork: what it tells its parent, and what ends it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import gevent
import pytest
from gevent.os import tp_read

from geventws.forked import CODE, LISTENS, Link, work
from geventws.listening import listen
from geventws.server import serve
from tests.rawpeer import RawPeer
from tests.serving import LOCAL, echo, in_time


class Working(NamedTuple):
    """A worker in this process, and what its parent would have."""

    address: Any
    says: int
    hears: int
    greenlet: Any


@contextmanager
def working(make: Callable[[Any], Any]) -> Iterator[Working]:
    """Have a worker serve what *make* returns."""
    says, hears = os.pipe(), os.pipe()
    with listen(LOCAL) as listener:
        greenlet = gevent.spawn(work, lambda: make(listener), Link(hears[0], says[1]), 20.0)
        try:
            yield Working(listener.getsockname(), says[0], hears[1], greenlet)
        finally:
            os.close(hears[1])
            greenlet.join(20)
            for end in (*says, hears[0]):
                os.close(end)


def echoing(listener: Any) -> Any:
    return serve(echo, listener)


@pytest.mark.parametrize("code", [1001, 1012])
def test_worker_drains_with_the_code_it_hears(code: int) -> None:
    with working(echoing) as worker:
        assert in_time(tp_read, worker.says, 100) == LISTENS
        with RawPeer.to(worker.address) as peer:
            peer.upgrade()
            os.write(worker.hears, CODE.pack(code))
            assert peer.read_close()[0] == code
        assert in_time(worker.greenlet.get) == 0


def test_worker_drains_when_its_parent_is_gone() -> None:
    says, hears = os.pipe(), os.pipe()
    with listen(LOCAL) as listener:
        address = listener.getsockname()
        link = Link(hears[0], says[1])
        greenlet = gevent.spawn(work, lambda: echoing(listener), link, 20.0)
        in_time(tp_read, says[0], 100)
        with RawPeer.to(address) as peer:
            peer.upgrade()
            os.close(hears[1])
            assert peer.read_close()[0] == 1001
        assert in_time(greenlet.get) == 0
    for end in (*says, hears[0]):
        os.close(end)


def test_worker_drains_once_however_often_it_is_told() -> None:
    with working(echoing) as worker:
        in_time(tp_read, worker.says, 100)
        with RawPeer.to(worker.address) as peer:
            peer.upgrade()
            os.kill(os.getpid(), signal.SIGTERM)
            assert peer.read_close()[0] == 1001
            os.kill(os.getpid(), signal.SIGTERM)
            os.write(worker.hears, CODE.pack(1012))
            gevent.sleep(0.05)
            assert not worker.greenlet.ready()
        assert in_time(worker.greenlet.get) == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("--app: no such module"), b"--app: no such module"),
        (OSError(98, "Address already in use"), b"Address already in use"),
        (KeyError(), b"KeyError"),
    ],
    ids=["text", "os", "no-text"],
)
def test_worker_says_why_it_cannot_serve(error: Exception, said: bytes) -> None:
    def fail(listener: Any) -> Any:
        raise error

    with working(fail) as worker:
        assert in_time(worker.greenlet.get) == 1
        assert os.read(worker.says, 4096) == said
