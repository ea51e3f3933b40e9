from __future__ import annotations

import fcntl
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from geventws.adapters.threaded.pollers import (
    EPollPoller,
    KQueuePoller,
    Poller,
    PollPoller,
    SelectPoller,
    best_poller,
)
from tests.adapters.threaded.kqueue import stand_in
from tests.threads import PATIENCE, joined_threads

KINDS: list[Callable[[], Any]] = [SelectPoller, PollPoller, EPollPoller, KQueuePoller]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def poller(request: Any, monkeypatch: Any) -> Iterator[Poller]:
    if request.param is KQueuePoller:
        stand_in(monkeypatch)
    made = request.param()
    yield made
    made.release()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_poller_tells_once_of_what_is_ready(poller: Poller, pair: Any) -> None:
    near, far = pair
    poller.register(near.fileno())
    assert poller.poll(0) == []
    far.send(b"x")
    assert poller.poll(PATIENCE) == [near.fileno()]
    assert poller.poll(0) == []


def test_poller_tells_again_where_it_is_registered_again(poller: Poller, pair: Any) -> None:
    near, far = pair
    far.send(b"x")
    for _ in range(2):  # nobody reads, and so it is ready all the time
        poller.register(near.fileno())
        assert poller.poll(PATIENCE) == [near.fileno()]
    near.recv(1)
    poller.register(near.fileno())
    poller.register(near.fileno())
    assert poller.poll(0) == []


def test_poller_tells_of_the_end(poller: Poller, pair: Any) -> None:
    near, far = pair
    poller.register(near.fileno())
    far.close()
    assert poller.poll(PATIENCE) == [near.fileno()]


def test_poller_tells_of_the_end_that_this_side_makes(poller: Poller, pair: Any) -> None:
    near, _ = pair
    poller.register(near.fileno())
    near.shutdown(socket.SHUT_RDWR)
    assert poller.poll(PATIENCE) == [near.fileno()]


def test_poller_forgets_who_is_unregistered(poller: Poller, pair: Any) -> None:
    near, far = pair
    poller.register(near.fileno())
    poller.unregister(near.fileno())
    poller.unregister(near.fileno())
    far.send(b"x")
    assert poller.poll(0) == []
    poller.register(near.fileno())
    assert poller.poll(PATIENCE) == [near.fileno()]
    poller.unregister(near.fileno())


def test_poller_tells_of_all_that_are_ready(poller: Poller) -> None:
    pairs = [socket.socketpair() for _ in range(100)]
    for near, far in pairs:
        poller.register(near.fileno())
        far.send(b"x")
    ready: set[int] = set()
    while len(ready) < len(pairs):
        ready.update(poller.poll(PATIENCE) or pytest.fail("some are not told of"))
    assert ready == {near.fileno() for near, _ in pairs}
    for near, far in pairs:
        near.close()
        far.close()


def test_poller_waits_for_what_comes(poller: Poller, pair: Any) -> None:
    near, far = pair
    poller.register(near.fileno())
    with joined_threads() as threads:
        polling = threads.start(poller.poll)
        far.send(b"x")
        assert polling.result(PATIENCE) == [near.fileno()]


def test_poller_heeds_who_is_registered_while_it_waits(poller: Poller, pair: Any) -> None:
    near, far = pair
    far.send(b"x")
    with joined_threads() as threads:
        polling = threads.start(poller.poll, PATIENCE if poller.immediate else 0.01)
        poller.register(near.fileno())
        ready = polling.result(PATIENCE)
    if not ready and not poller.immediate:  # then the next time
        ready = poller.poll(PATIENCE)
    assert ready == [near.fileno()]


def test_poller_gives_its_descriptor_back(monkeypatch: Any) -> None:
    stand_in(monkeypatch)
    for kind in (EPollPoller, KQueuePoller):
        poller = kind()
        poller.release()
        with pytest.raises(ValueError, match="closed"):
            poller.poll(0)


def test_select_refuses_descriptors_past_its_limit(pair: Any) -> None:
    with high(pair[0]) as sock:
        with pytest.raises(ValueError, match=r"fd: select\(\) knows descriptors below 1024 only"):
            SelectPoller().register(sock.fileno())
        others: list[Poller] = [PollPoller(), EPollPoller()]
        for poller in others:
            poller.register(sock.fileno())
            pair[1].send(b"x")
            assert poller.poll(PATIENCE) == [sock.fileno()]
            poller.release()


def test_select_knows_every_descriptor_below_its_limit(pair: Any) -> None:
    last = fcntl.fcntl(pair[0].fileno(), fcntl.F_DUPFD, 1023)
    with socket.socket(fileno=last) as sock:
        assert sock.fileno() == 1023
        poller = SelectPoller()
        poller.register(1023)
        pair[1].send(b"x")
        assert poller.poll(PATIENCE) == [1023]


def high(sock: socket.socket) -> socket.socket:
    return socket.socket(fileno=fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD, 1024))


def test_poller_that_waits_a_year_waits_for_what_comes(poller: Poller, pair: Any) -> None:
    near, far = pair
    far.send(b"x")
    poller.register(near.fileno())
    year = 365 * 24 * 3600.0  # more than poll() can count
    assert poller.poll(year) == [near.fileno()]


@pytest.mark.parametrize(
    ("kind", "name"), [(KQueuePoller, "kqueue"), (EPollPoller, "epoll"), (PollPoller, "poll")]
)
def test_poller_is_refused_where_the_system_has_none(
    kind: Callable[[], Any], name: str, monkeypatch: Any
) -> None:
    monkeypatch.delattr(select, name, raising=False)
    with pytest.raises(OSError, match=rf"this system, or this patched process, has no {name}\(\)"):
        kind()


@pytest.mark.parametrize(
    ("missing", "kind"),
    [
        ([], EPollPoller),
        (["epoll"], KQueuePoller),
        (["epoll", "kqueue"], PollPoller),
        (["epoll", "kqueue", "poll"], SelectPoller),
    ],
)
def test_best_poller_is_the_one_that_costs_least(
    missing: list[str], kind: type, monkeypatch: Any
) -> None:
    stand_in(monkeypatch)
    for name in missing:
        monkeypatch.delattr(select, name)
    poller = best_poller()
    assert type(poller) is kind
    poller.release()
