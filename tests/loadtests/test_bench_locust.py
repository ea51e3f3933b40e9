"""The comparison of clients in Locust, for a moment."""

from __future__ import annotations

import pytest

from loadtests.bench_locust.__main__ import (
    ALONE,
    OURS,
    PEER,
    RAW,
    arguments_of,
    main,
    rounds,
    tell_idle,
    tell_round_trips,
)

FAST = {"made": 3000.0, "seconds": 1.0, "cpu": 0.06}
SLOW = {"made": 1000.0, "seconds": 1.0, "cpu": 0.04}
BARE = {"made": 4000.0, "seconds": 1.0, "cpu": 0.04}


@pytest.mark.timeout(120)
def test_round_trips_of_every_contender_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rounds", "1", "--seconds", "0.5", "--users", "3"])
    twin, *lines = capsys.readouterr().out.splitlines()
    assert twin in ("compiled", "interpreted")
    assert [line[:18].strip() for line in lines[:3]] == [OURS, PEER, RAW]
    assert all(float(line.split()[-2]) > 0 for line in lines[:3])


@pytest.mark.timeout(120)
def test_memory_of_idle_users_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = rounds("idle", [OURS], arguments_of(["--rounds", "1", "--idle", "20"]))
    assert (found[OURS]["users"], found[OURS]["failed"]) == (20, 0)
    each = {"bytes_each": 12345.6, "users": 20.0}
    tell_idle([{ALONE: each, OURS: each, PEER: each}])
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "websocket-client     12,346 bytes a user, of 20"


def test_ratios_are_those_within_a_round(capsys: pytest.CaptureFixture[str]) -> None:
    tell_round_trips([{OURS: FAST, PEER: SLOW, RAW: BARE}])
    faster, dearer = capsys.readouterr().out.splitlines()[-2:]
    assert faster == "3.00 times the rate of websocket-client: at least 1.5 is asked"
    assert dearer.startswith("2.00 times the processor time of a raw gevent socket")


def test_round_trips_are_measured_unless_memory_is_asked_for() -> None:
    assert (arguments_of([]).idle, arguments_of(["--idle", "2000"]).idle) == (0, 2000)
