"""Reports: the names of the figures, and what people are shown."""

from __future__ import annotations

import json

import pytest

from geventws.benchmarking.bench import Bench
from geventws.benchmarking.fleet import Fleet
from geventws.benchmarking.plan import Plan
from geventws.benchmarking.report import found, text, time_text
from geventws.benchmarking.tally import Tally
from geventws.version import __version__
from setup import ROOT

PAGE = ROOT / "docs" / "howto" / "bench.md"
PLAN = Plan(messages=("x" * 64,), connections=8, count=4, duration=None)


def tally_of(*times: float, seconds: float = 2.0, **failures: int) -> Tally:
    tally = Tally()
    for each in times:
        tally.latencies.add(each)
        tally.received += 64
    tally.seconds = tally.ran = seconds
    tally.processor = seconds / 4
    tally.failures.update(failures)
    return tally


def bench_of(*tallies: Tally, plan: Plan = PLAN) -> Bench:
    """Return a measurement that found these, one for each target."""
    bench = Bench(plan, [Fleet(f"ws://{name}/", plan, {}) for name in "ab"[: len(tallies)]])
    for target, tally in zip(bench.targets, tallies, strict=True):
        target.rounds.append(tally)
        target.tally.update(tally)
    return bench


def table(shown: str) -> dict[str, list[str]]:
    """Return the cells of each line of the table by its label."""
    lines = shown.split("\n\n")[1].splitlines()
    split = [line.split("  ", 1) for line in lines]
    return {parts[0]: parts[1].split() for parts in split}


def test_figures_have_the_names_of_the_page() -> None:
    figures = found(bench_of(tally_of(0.1, 0.2, 0.4, 0.8)))
    assert json.loads(json.dumps(figures)) == figures
    assert list(figures) == ["geventws", "interrupted", "failed", "options", "targets", "ratios"]
    assert (figures["geventws"], figures["failed"], figures["ratios"]) == (__version__, False, None)
    assert figures["options"] == {
        "connections": 8,
        "in_flight": 1,
        "rate": None,
        "size": 64,
        "binary": False,
        "echo": True,
        "duration": None,
        "count": 4,
        "warm_up": 0.0,
        "timeout": 10.0,
    }


def test_page_names_every_figure() -> None:
    figures = found(bench_of(tally_of(0.1)))
    (target,) = figures["targets"]
    names = {*figures, *figures["options"], *target, *target["latency"], *target["rounds"][0]}
    page = PAGE.read_text(encoding="utf-8")
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_figures_are_those_that_were_found() -> None:
    (target,) = found(bench_of(tally_of(0.1, 0.2, 0.4, 0.8)))["targets"]
    assert (target["url"], target["connections"], target["compressed"]) == ("ws://a/", 0, False)
    assert (target["messages"], target["seconds"]) == (4, 2.0)
    assert target["messages_per_second"] == 2.0
    assert target["bytes_sent_per_second"] == target["bytes_received_per_second"] == 128
    assert target["latency"] == pytest.approx(
        {"min": 0.1, "mean": 0.375, "p50": 0.2, "p90": 0.8, "p99": 0.8, "p99_9": 0.8, "max": 0.8},
        rel=0.004,
    )
    assert (target["sent_late"], target["unanswered"], target["failures"]) == (None, 0, {})
    assert target["busy"] == 0.25
    assert [each["messages_per_second"] for each in target["rounds"]] == [2.0]
    assert sum(row[2] for row in target["histogram"]) == 4


def test_open_loop_has_a_rate_and_tells_what_was_sent_late() -> None:
    tally = tally_of(0.1)
    tally.late.add(0.5)
    figures = found(bench_of(tally, plan=Plan(messages=(b"",), rate=50.0)))
    assert figures["targets"][0]["sent_late"]["max"] == 0.5
    options = figures["options"]
    assert (options["rate"], options["in_flight"], options["binary"]) == (50.0, None, True)


def test_ratios_are_the_second_by_the_first() -> None:
    ratios = found(bench_of(tally_of(0.1, 0.2), tally_of(0.4)))["ratios"]
    assert ratios["messages_per_second"] == 0.5
    assert ratios["bytes_sent_per_second"] == ratios["bytes_received_per_second"] == 0.5
    assert ratios["max"] == 2.0


def test_there_is_no_ratio_to_nothing() -> None:
    ratios = found(bench_of(tally_of(), tally_of(0.4)))["ratios"]
    assert set(ratios.values()) == {None}


def test_nothing_that_came_back_has_no_times() -> None:
    bench = bench_of(tally_of(**{"closed with 1011": 2}))
    bench.targets[0].tally.processor = bench.targets[0].tally.ran = 1e-6
    (target,) = found(bench)["targets"]
    assert set(target["latency"].values()) == {target["busy"]} == {None}
    shown = text(bench)
    assert "no time to spare" not in shown
    assert (table(shown)["latency p50"], table(shown)["processor used here"]) == (["-"], ["-"])


def test_text_shows_one_target() -> None:
    shown = text(bench_of(tally_of(0.1, 0.2, 0.4, 0.8)))
    title = "ws://a/\n8 connections, 1 in flight on each, 64 bytes of text\n\n"
    assert shown.startswith(title)
    rows = table(shown)
    assert rows["messages answered"] == ["4"]
    assert rows["messages/s"] == ["2.00"]
    assert rows["latency max"] == ["800", "ms"]
    assert rows["processor used here"] == ["25%"]
    assert "failures" not in shown
    assert "note:" not in shown


def test_text_shows_two_targets_and_their_ratio() -> None:
    shown = text(bench_of(tally_of(0.1, 0.2), tally_of(0.4)))
    assert shown.startswith("1  ws://a/\n2  ws://b/\n8 connections")
    assert table(shown)["messages/s"] == ["1.00", "0.500", "0.50"]
    assert table(shown)["latency max"] == ["200", "ms", "400", "ms", "2.00"]
    assert "latencies of 1\n" in shown
    assert "latencies of 2\n" in shown


def test_text_shows_failures_the_most_frequent_first() -> None:
    tally = tally_of(0.1, **{"closed with 1011": 2, "wrong answer": 3000})
    tally.unanswered = 7
    assert (
        "\nfailures\n"
        "     3,000  wrong answer\n"
        "         2  closed with 1011\n"
        "         7  messages unanswered on connections that ended\n"
    ) in text(bench_of(tally))


def test_text_shows_the_rate_and_what_was_sent_late() -> None:
    tally = tally_of(0.1)
    tally.late.add(0.0005)
    shown = text(bench_of(tally, plan=Plan(messages=(b"",), rate=50.0)))
    assert "10 connections, 50 messages/s in all, 0 bytes of binary\n" in shown
    assert table(shown)["sent late p50"] == ["500", "us"]


def test_text_says_that_it_was_interrupted() -> None:
    bench = bench_of(tally_of(0.1))
    bench.stop()
    assert "\ninterrupted\n" in text(bench)


def test_text_notes_where_this_program_had_no_time_to_spare() -> None:
    tally = tally_of(0.1)
    tally.processor = 1.99
    assert "\nnote: this program had no time to spare" in text(bench_of(tally))


def test_bars_are_as_long_as_there_are_times() -> None:
    shown = text(bench_of(tally_of(*[0.001] * 80, *[0.5] * 20, 1.0)))
    lines = shown.partition("latencies\n")[2].splitlines()
    assert len(lines) == 12
    bars = [line.partition("#")[1:] for line in lines]
    assert [len("".join(bar)) for bar in bars] == [40, *[0] * 9, 10, 1]
    assert lines[0].startswith(" 1.00 ms to  1.78 ms         80  ###")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0 us"),
        (2.5e-9, "0.00250 us"),
        (0.000_123_4, "123 us"),
        (0.001, "1.00 ms"),
        (0.020_04, "20.0 ms"),
        (0.999_8, "1.00 s"),
        (12.34, "12.3 s"),
        (3600.0, "3,600 s"),
    ],
)
def test_times_have_three_digits(seconds: float, shown: str) -> None:
    assert time_text(seconds) == shown


def test_credentials_are_not_shown() -> None:
    bench = Bench(PLAN, [Fleet("ws://user:secret@a:80/?to=b@c", PLAN, {})])
    assert "ws://a:80/?to=b@c\n" in text(bench)
    assert "secret" not in json.dumps(found(bench))
