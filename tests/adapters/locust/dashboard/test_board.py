"""Reports of many workers: exact sums, rates of the workers' own clocks, nothing lost unsaid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from locust.env import Environment

from geventws.adapters.locust.dashboard.board import Board
from geventws.adapters.locust.gauges import gauges_of
from tests.adapters.locust.dashboard.board import Master, master, report, totals
from tests.adapters.locust.scene import visiting


@pytest.fixture
def scene() -> Iterator[Master]:
    with master() as scene:
        yield scene


def test_last_line_is_the_sum_of_the_workers(scene: Master) -> None:
    scene.take("a_1", report(3, sent=5, received=4, codes={1000: 2}, pings={120: 3}))
    scene.take("b_2", report(3, open=7, sent=1, codes={1000: 1, 1006: 1}, pings={120: 1, 90: 1}))
    assert scene.shown("messages_sent", "messages_received") == [
        ("a #0", "running", 1, 5, 4),
        ("b #1", "running", 7, 1, 0),
        ("Aggregated", "", 8, 6, 4),
    ]
    total = scene.board.lines()[-1].totals
    assert (total.codes, total.pings) == ({1000: 3, 1006: 1}, {120: 4, 90: 1})


def test_report_replaces_the_one_before(scene: Master) -> None:
    for at in (3, 6, 6, 9):  # one came twice
        scene.take("a_1", report(at, sent=10 * at))
    assert scene.shown("messages_sent") == [("a #0", "running", 1, 90), ("Aggregated", "", 1, 90)]


def test_lines_are_in_the_order_of_the_workers_numbers(scene: Master) -> None:
    for number in range(12):
        scene.join(f"host_{number}")
    for number in reversed(range(12)):
        scene.take(f"host_{number}", report(3))
    names = [line.worker for line in scene.board.lines()[:-1]]
    assert names == [f"host #{number}" for number in range(12)]


def test_rates_are_of_the_workers_clocks(scene: Master) -> None:
    scene.take("a_1", report(100, sent=50))
    scene.take("a_1", report(103, sent=110))
    scene.take("b_2", report(7, received=3))
    scene.take("b_2", report(9, received=13))
    a, b, total = scene.board.lines()
    assert (a.rates["messages_sent"], a.rates["bytes_sent"]) == (20, 20_000)
    assert (b.rates["messages_sent"], b.rates["messages_received"]) == (0, 5)
    assert (total.rates["messages_sent"], total.rates["messages_received"]) == (20, 5)
    assert a.averages["messages_sent"] == pytest.approx(110 / 103)


def test_rates_are_taken_over_a_second_at_least(scene: Master) -> None:
    for at, sent in ((1, 0), (2, 100), (2.5, 120), (2.6, 500)):
        scene.take("a_1", report(at, sent=sent))
    assert scene.board.lines()[0].rates["messages_sent"] == pytest.approx(500 / 1.6)


def test_first_report_has_no_rates(scene: Master) -> None:
    scene.take("a_1", report(3, sent=5))
    assert scene.board.lines()[-1].rates == {}


def test_missing_worker_keeps_its_counts_and_is_said_to_be_missing(scene: Master) -> None:
    scene.take("a_1", report(3, open=4, sent=5))
    scene.take("a_1", report(6, open=4, sent=8))
    scene.take("b_2", report(3, sent=1))
    scene.join("a_1", "missing")
    assert scene.shown("messages_sent") == [
        ("a #0", "missing", None, 8),
        ("b #1", "running", 1, 1),
        ("Aggregated", "1 of 2 lost", 1, 9),
    ]
    assert scene.board.lines()[0].rates == {}


@pytest.mark.parametrize(
    ("over", "state", "open", "total"),
    [(False, "lost", None, "1 of 1 lost"), (True, "stopped", 0, "")],
)
def test_worker_that_went_is_lost_unless_its_users_had_stopped(
    scene: Master, over: bool, state: str, open: int | None, total: str
) -> None:
    scene.take("a_1", report(3, open=0, over=over, sent=5))
    del scene.runner.clients["a_1"]
    assert scene.shown("messages_sent") == [("a #0", state, open, 5), ("Aggregated", total, 0, 5)]


def test_worker_without_a_last_report_is_lost_in_the_end(scene: Master) -> None:
    scene.take("a_1", report(3, sent=5))
    scene.take("b_2", report(3, open=0, over=True))
    scene.board.finish()
    assert [line.state for line in scene.board.lines()] == ["lost", "stopped", "1 of 2 lost"]


def test_next_test_begins_at_zero_and_late_reports_are_of_the_last_one(scene: Master) -> None:
    scene.take("a_1", report(3, sent=5))
    scene.board.begin_test()
    scene.take("a_1", report(6, sent=9))
    assert scene.shown("messages_sent") == [("Aggregated", "", 0, 0)]
    scene.take("a_1", report(1, test=2, sent=2))
    assert scene.shown("messages_sent")[-1] == ("Aggregated", "", 1, 2)


def test_report_on_a_new_test_replaces_those_on_the_last(scene: Master) -> None:
    scene.take("a_1", report(30, test=0))
    scene.take("a_1", report(3, test=1, sent=5))
    assert scene.shown("messages_sent")[-1] == ("Aggregated", "", 1, 5)
    assert scene.board.lines()[-1].rates == {}


def test_reset_shows_what_comes_after_it(scene: Master) -> None:
    scene.take("a_1", report(3, sent=5, codes={1000: 1}, pings={90: 1}))
    scene.board.reset()
    assert scene.board.lines()[-1].totals == ({}, {}, {})
    scene.take("a_1", report(5, sent=25, codes={1000: 1, 1001: 2}, pings={90: 2}))
    line = scene.board.lines()[0]
    assert line.totals == totals(20, 0, {1001: 2}, {90: 1})._replace(flows=line.totals.flows)
    assert line.totals.flows["messages_sent"] == 20
    assert line.averages["messages_sent"] == 10


def test_only_process_is_read_when_it_is_looked_at() -> None:
    with visiting() as scene:
        board = Board(scene.environment)
        scene.ws.request("hello")
        line, total = board.lines()
        assert (line.worker, line.state, line.open) == ("local", "", 1)
        assert line.totals.flows["messages_sent"] == total.totals.flows["messages_sent"] == 1
        board.reset()
        assert board.lines()[-1].totals.flows == {}


def test_only_process_has_the_state_of_its_runner() -> None:
    environment: Any = Environment()
    runner = environment.create_local_runner()
    try:
        board = Board(environment)
        gauges_of(environment).begin_test()
        assert board.lines()[0].state == "ready"
    finally:
        runner.quit()
