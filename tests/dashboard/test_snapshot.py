"""The numbers that the page is told, of real connections."""

from __future__ import annotations

import json
from collections.abc import Iterator

import gevent
import pytest

from geventws.dashboard.snapshot import SLOWEST, quantiles, snapshot
from geventws.lag import HubLag
from geventws.logs import connection_id
from geventws.manager import Manager
from geventws.testing import pair
from geventws.websocket import WebSocket
from tests.pairs import Pair, burn, tcp
from tests.pairs import pair as socket_pair
from tests.rawpeer import PATIENCE

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def lag() -> Iterator[HubLag]:
    found = HubLag()
    yield found
    found.stop()


def drop(*ends: WebSocket) -> None:
    for end in ends:
        end.drop()


def test_snapshot_of_nobody_is_all_zeros(lag: HubLag) -> None:
    found = snapshot(Manager(), lag)
    assert (found["connections"], found["opened"], found["lag"]) == (0, 0, 0.0)
    assert (found["closes"], found["refused"], found["slowest"]) == ({}, {}, [])
    assert found["latency"] is None
    assert set(found["total"].values()) == {0}
    json.dumps(found, allow_nan=False)


def test_snapshot_tells_what_was_said_to_a_manager(lag: HubLag) -> None:
    manager = Manager()
    client, server = pair()
    manager.add(server)
    client.send("hello")
    assert server.receive(timeout=PATIENCE) == "hello"
    manager.counts.refuse(403)
    found = snapshot(manager, lag)
    assert (found["connections"], found["opened"]) == (1, 1)
    assert found["total"]["messages_received"] == 1
    assert found["refused"] == {"403": 1}
    assert "hello" not in json.dumps(found)
    drop(client, server)
    found = snapshot(manager, lag)
    assert found["connections"] == 0
    assert found["total"]["messages_received"] == 1
    assert found["closes"] == {"1006": 1}


def test_snapshot_names_who_is_behind_first(lag: HubLag) -> None:
    manager = Manager(slow_peers="drop_oldest")
    quick, pinged, behind = pair(), pair(), pair(capacity=64, compression=None)
    for _, server in (quick, pinged, behind):
        manager.add(server)
    with gevent.Timeout(PATIENCE):
        pinged[1].ping()
    for number in range(3):
        manager.broadcast(b"x" * (50 + number))
    found = snapshot(manager, lag)["slowest"]
    assert [peer["connection"] for peer in found] == [
        connection_id(behind[1]),
        connection_id(pinged[1]),
    ]
    assert (found[0]["unsent"], found[0]["messages"]) == (2 + 50 + 2 + 51 - 64 + 52, 1)
    assert found[1]["latency"] == pinged[1].latency
    drop(*quick, *pinged, *behind)


def test_snapshot_names_no_more_than_a_few_slow_peers(lag: HubLag) -> None:
    manager = Manager()
    pairs = [pair() for _ in range(SLOWEST + 3)]
    for _, server in pairs:
        manager.add(server)
    pings = [gevent.spawn(server.ping) for _, server in pairs]
    assert len(gevent.joinall(pings, timeout=PATIENCE)) == len(pairs)
    assert len(snapshot(manager, lag)["slowest"]) == SLOWEST
    drop(*(end for both in pairs for end in both))


@pytest.mark.parametrize("kind", [tcp, None])
def test_snapshot_gives_the_address_of_a_slow_peer(lag: HubLag, kind: object) -> None:
    manager = Manager()
    ends: Pair = socket_pair(tcp() if kind else None)
    manager.add(ends.server)
    with gevent.Timeout(PATIENCE):
        ends.server.ping()
    [peer] = snapshot(manager, lag)["slowest"]
    if kind is None:
        assert peer["address"] == "unix socket"
    else:
        assert peer["address"] == "127.0.0.1:{1}".format(*ends.server.peer_address)
    ends.drop()


def test_snapshot_lets_others_run(lag: HubLag) -> None:
    manager = Manager()
    ran: list[int] = []
    ends = pair(server=Slow)
    manager.add(ends[1])
    gevent.spawn(ran.append, 1)
    snapshot(manager, lag)
    assert ran == [1]
    drop(*ends)


class Slow(WebSocket):
    """Takes long to look at."""

    @property
    def latency(self) -> float | None:
        """Return None, after a while."""
        burn(0.02)
        return None


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [
        ([], None),
        ([0.5], {"p50": 0.5, "p95": 0.5, "worst": 0.5}),
        ([3, 1, 2], {"p50": 2, "p95": 2, "worst": 3}),
        (list(range(101)), {"p50": 50, "p95": 95, "worst": 100}),
    ],
)
def test_quantiles_are_those_of_what_there_is(
    latencies: list[float], expected: dict[str, float] | None
) -> None:
    assert quantiles(latencies) == expected
