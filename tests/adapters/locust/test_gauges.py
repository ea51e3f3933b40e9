"""Counts of one process: exact over open, ended and earlier connections, and small to send."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from locust.env import Environment
from locust.rpc.protocol import Message

from geventws.adapters.locust import MeasuredWebSocket
from geventws.adapters.locust.gauges import Report, Totals, gauges_of, percentile, rounded
from tests.adapters.locust.scene import Scene, visiting
from tests.rawpeer import PATIENCE

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def flows(scene: Scene) -> dict[str, int]:
    return dict(gauges_of(scene.environment).report().totals.flows)


def codes(scene: Scene) -> dict[int, int]:
    return dict(gauges_of(scene.environment).report().totals.codes)


def test_counts_what_goes_over_open_connections() -> None:
    with visiting() as scene:
        scene.ws.request("hello")
        scene.ws.request("bytes" * 100)
        sent = {"messages_sent": 2, "bytes_sent": 505}
        received = {"messages_received": 2, "bytes_received": 505}
        assert flows(scene) == {"opened": 1, **sent, **received}
        assert gauges_of(scene.environment).report().open == 1


def test_counts_stay_when_a_connection_ends() -> None:
    with visiting() as scene:
        scene.ws.request("hello")
        scene.ws.close(4001)
        assert scene.ws.connect()
        scene.ws.request("again")
        assert flows(scene)["messages_sent"] == flows(scene)["messages_received"] == 2
        assert (flows(scene)["opened"], flows(scene)["closed"]) == (2, 1)
        assert codes(scene) == {4001: 1}


def test_counts_the_code_of_the_server_and_what_came_before_it() -> None:
    def say_and_close(ws: Any) -> None:
        for number in range(50):
            ws.send(f"{number}")
        ws.close(1011)

    with visiting(say_and_close) as scene:
        scene.wait_until_told(36)  # WS, WSC, and a WSR for all but the 16 that are kept
        gauges = gauges_of(scene.environment)
        gauges.end_test(PATIENCE)
        assert flows(scene)["messages_received"] == 50
        assert codes(scene) == {1011: 1}


def test_counts_a_connection_that_is_lost() -> None:
    with visiting(lambda ws: ws.receive()) as scene:
        scene.ws.connection.drop()
        gauges_of(scene.environment).end_test(PATIENCE)
        assert codes(scene) == {1006: 1}


def test_end_of_a_test_waits_for_those_who_have_left() -> None:
    with visiting() as scene:
        scene.ws.request("hello")
        scene.ws.leave()
        gauges = gauges_of(scene.environment)
        assert gauges.report().open == 1
        gauges.end_test(PATIENCE)
        assert gauges.report().open == 0
        assert codes(scene) == {1001: 1}


def test_end_of_a_test_waits_no_longer_than_it_is_told() -> None:
    with visiting() as scene:
        gauges = gauges_of(scene.environment)
        gauges.begin_test()
        gauges.end_test(0.01)
        report = gauges.report()
        assert (report.open, report.over) == (1, True)
        assert gauges.report().seconds == report.seconds  # the test's clock stands


def test_next_test_counts_from_zero_and_open_connections_go_on() -> None:
    with visiting() as scene:
        scene.ws.request("hello")
        other = MeasuredWebSocket(scene.user)
        assert other.connect()
        other.close()
        gauges = gauges_of(scene.environment)
        gauges.begin_test()
        assert flows(scene) == {}
        assert (gauges.report().open, gauges.report().test) == (1, 1)
        scene.ws.request("hello")
        scene.ws.close()
        assert flows(scene) == {
            **{"closed": 1, "messages_sent": 1, "messages_received": 1},
            **{"bytes_sent": 5, "bytes_received": 5},
        }
        assert codes(scene) == {1000: 1}


def test_counts_pings_that_were_answered_and_no_other_pongs() -> None:
    with visiting() as scene:
        assert scene.ws.ping().ok
        scene.ws.connection._ponged(b"unasked")
        assert scene.ws.ping().ok
        pings = gauges_of(scene.environment).report().totals.pings
        assert pings.total() == 2
        assert 0 < min(pings) < 1_000_000 * PATIENCE


def test_failed_opening_is_no_connection() -> None:
    scene = Scene(1)
    assert not scene.ws.connect()
    assert flows(scene) == {}


def test_report_is_the_same_after_a_journey() -> None:
    with visiting() as scene:
        scene.ws.request("hello")
        scene.ws.ping()
        scene.ws.close()
        report = gauges_of(scene.environment).report()
        wire: Any = Message
        sent = wire("stats", report.plain(), "worker").serialize()
        assert Report.of(wire.unserialize(sent).data) == report


def test_environments_have_gauges_of_their_own() -> None:
    one, other = Environment(), Environment()
    assert gauges_of(one) is gauges_of(one)
    assert gauges_of(one) is not gauges_of(other)


def test_totals_of_two_processes_add_up() -> None:
    one = Totals(Counter(opened=2), Counter({1000: 1, 1001: 1}), Counter({100: 3}))
    other = Totals(Counter(opened=1), Counter({1001: 2}), Counter({100: 1, 250: 1}))
    both = Totals(Counter(opened=3), Counter({1000: 1, 1001: 3}), Counter({100: 4, 250: 1}))
    assert one.plus(other) == both
    assert both.minus(other) == one


@pytest.mark.parametrize(
    ("seconds", "key"),
    [
        (0, 0),
        (4e-6, 4),
        (0.000123, 120),
        (0.0127, 13_000),
        (0.996, 1_000_000),
        (61, 61_000_000),
    ],
)
def test_latency_is_kept_to_two_digits(seconds: float, key: int) -> None:
    assert rounded(seconds) == key


def test_latencies_up_to_a_minute_have_few_keys() -> None:
    keys = {rounded(microseconds / 1e6) for microseconds in range(0, 60_000_000, 997)}
    assert len(keys) < 90 * 8


@pytest.mark.parametrize(("share", "milliseconds"), [(0.5, 0.2), (0.95, 3), (1.0, 40), (0.1, 0.1)])
def test_percentile_is_the_time_in_which_a_share_was_answered(
    share: float, milliseconds: float
) -> None:
    pings = Counter({100: 20, 200: 50, 3000: 29, 40_000: 1})
    assert percentile(pings, share) == milliseconds


def test_percentile_of_nothing_is_none() -> None:
    assert percentile(Counter(), 0.5) is None
