"""Fleets: connections are opened some at a time, and what fails is counted."""

from __future__ import annotations

import resource
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.benchmarking.fleet import Fleet, allow_connections
from geventws.benchmarking.tally import Tally
from geventws.core.errors import InvalidURI
from tests.benchmarking.scene import IN_TIME, fleet_to, plan_of
from tests.servers import (
    RawServer,
    accept,
    echo,
    read_head,
    refusing_port,
    response,
    saying,
    serving,
    silent,
)

pytestmark = pytest.mark.usefixtures("leaks_nothing")

REFUSAL = response("HTTP/1.1 503 No", "Content-Length: 0")


def opened(fleet: Fleet) -> Tally:
    tally = Tally()
    with gevent.Timeout(IN_TIME):
        fleet.open(tally)
    return tally


def test_fleet_opens_as_many_as_planned() -> None:
    with fleet_to(echo, plan_of(connections=20)) as fleet:
        assert not opened(fleet).failures
        assert (len(fleet.lanes), fleet.times.count) == (20, 20)
        assert fleet.seconds >= fleet.times.most


def test_fleet_opens_some_at_a_time() -> None:
    most = now = 0

    def count(sock: Any) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        head = read_head(sock)
        gevent.sleep(0.01)
        now -= 1  # before the client can know
        sock.sendall(REFUSAL if b"refuse" in head else b"")

    with serving(count) as server:
        fleet = Fleet(f"ws://127.0.0.1:{server.port}/refuse", plan_of(connections=9), {}, (), 3)
        tally = opened(fleet)
    assert 1 < most <= 3
    assert set(tally.failures) == {"refused with 503"}


def test_fleet_connects_from_the_addresses_in_turn() -> None:
    with serving(echo) as server:
        fleet = sourced(server)
        assert not opened(fleet).failures
        fleet.close()
        assert sorted(address for address, _ in server.clients) == [
            *["127.0.0.2"] * 2,
            *["127.0.0.3"] * 2,
        ]


def sourced(server: RawServer) -> Fleet:
    url = f"ws://127.0.0.1:{server.port}/"
    return Fleet(url, plan_of(connections=4), {}, ["127.0.0.2", "127.0.0.3"])


def test_fleet_counts_who_is_refused_and_keeps_the_others() -> None:
    seen = 0

    def every_second(sock: Any) -> None:
        nonlocal seen
        seen += 1
        if seen % 2:
            accept(sock).answer_close()
        else:
            saying(REFUSAL)(sock)

    with fleet_to(every_second, plan_of(connections=10)) as fleet:
        assert opened(fleet).failures == {"refused with 503": 5}
        assert len(fleet.lanes) == 5


def test_fleet_tries_no_further_where_none_opens() -> None:
    plan = plan_of(connections=1000)
    fleet = Fleet(f"ws://127.0.0.1:{refusing_port()}/", plan, {}, (), 5)
    tally = opened(fleet)
    assert set(tally.failures) == {"cannot connect: ECONNREFUSED"}
    assert 5 <= tally.failures.total() < 1000
    assert fleet.lanes == []


def test_fleet_counts_what_takes_too_long() -> None:
    with fleet_to(silent, plan_of(connections=2), open_timeout=0.1) as fleet:
        late = "the opening handshake took longer than open_timeout"
        assert opened(fleet).failures == {late: 2}


@pytest.mark.parametrize(
    ("url", "how", "error"),
    [
        ("http://a", {}, InvalidURI),
        ("ws://a", {"headers": [("a b", "c")]}, ValueError),
        ("ws://a", {"max_size": "many"}, TypeError),
    ],
)
def test_wrong_arguments_are_raised(url: str, how: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        opened(Fleet(url, plan_of(), how))


def test_stop_ends_the_opening() -> None:
    asked = Event()

    def stall(sock: Any) -> None:
        read_head(sock)
        asked.set()
        silent(sock)

    with fleet_to(stall, plan_of(connections=500)) as fleet:
        tally = Tally()
        opening = gevent.spawn(fleet.open, tally)
        assert asked.wait(timeout=IN_TIME)
        fleet.stop()
        opening.get(timeout=IN_TIME)
        assert (fleet.lanes, tally.failures) == ([], {})


def test_close_waits_for_all_at_once() -> None:
    codes = []

    def note(sock: Any) -> None:
        peer = accept(sock)
        if frame := peer.next():
            codes.append(frame.payload)
            peer.send(8, frame.payload)

    with fleet_to(note, plan_of(connections=5)) as fleet:
        opened(fleet)
        fleet.close()
        assert codes == [b"\x03\xe8"] * 5


def test_limit_of_open_files_is_raised_as_far_as_needed() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
        allow_connections(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1024
        allow_connections(1000)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1064, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_more_connections_than_open_files_are_refused() -> None:
    with pytest.raises(ValueError, match=r"1000000000 connections need 1000000064 open files"):
        allow_connections(1_000_000_000)
