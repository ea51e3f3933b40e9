from __future__ import annotations

import pytest

from loadtests.bench import scenarios, targets
from loadtests.bench.contenders import CALLBACK, PICOWS, RAW_GEVENT, RECEIVE
from loadtests.bench.plan import Job, Wish, fits, planned, told
from loadtests.bench.run import Length, Sample
from loadtests.bench.scenarios import NEAREST, client, echo

ECHO = echo(32, 1000)
LENGTH = Length(rounds=5, warm=0.2, seconds=0.5)
ONE = Wish(only=["^echo 32 B, 1000 connections, 1 in flight"])


def rounds_of(*names: str, count: int = 5) -> list[Sample]:
    """Return samples of so many rounds of ECHO."""
    return [Sample(ECHO.title, name, number) for name in names for number in range(count)]


def names(job: Job) -> list[str]:
    """Return who takes part."""
    return [each.name for each in job.contenders]


def test_everything_is_planned_where_nothing_is_said_and_targets_come_first() -> None:
    titles = [job.scenario.title for job in planned(Wish(), 5)]
    assert sorted(titles) == sorted(each.title for each in scenarios.ALL)
    assert set(titles[: len(targets.COMPARED)]) == set(targets.COMPARED)


def test_the_short_variant_is_less_with_fewer() -> None:
    jobs = planned(Wish(quick=True), 3)
    assert {job.scenario for job in jobs} == set(scenarios.QUICK)
    assert {
        each.crowd for job in jobs if job.scenario.mode != "client" for each in job.contenders
    } == {NEAREST}


def test_targets_are_those_who_are_compared_and_take_less_than_twenty_minutes() -> None:
    jobs = planned(Wish(targets=True), 5)
    assert {job.scenario.title: set(names(job)) for job in jobs} == targets.COMPARED
    assert sum(job.seconds(LENGTH) for job in jobs) < 20 * 60


@pytest.mark.parametrize(
    "pattern", ["echo32B,64", "ECHO 32 B, 64", "^echo 32 B, 64", "what|64 conn"]
)
def test_a_title_is_found_with_its_spaces_or_without(pattern: str) -> None:
    assert fits([pattern], echo(32, 64).title)
    assert not fits([pattern], client(32, 100).title)


def test_only_those_that_are_named_take_part() -> None:
    (job,) = planned(ONE._replace(servers=["^picows,", "callbacks$"]), 5)
    assert names(job) == [CALLBACK, PICOWS]


def test_nothing_is_measured_that_has_its_rounds() -> None:
    assert planned(ONE._replace(servers=["^picows,"]), 5, rounds_of(PICOWS)) == []


def test_what_was_interrupted_goes_on_with_the_rounds_that_are_missing() -> None:
    (job,) = planned(ONE._replace(servers=["^picows,"]), 5, rounds_of(PICOWS, count=2))
    assert job.rounds == 3


def test_who_is_new_is_measured_beside_those_it_is_compared_with() -> None:
    known = rounds_of(RECEIVE, CALLBACK, PICOWS, RAW_GEVENT)
    (job,) = planned(ONE._replace(servers=["geventws, receive", "picows", "raw"]), 5, known)
    assert {PICOWS, RAW_GEVENT} <= set(names(job))
    assert RECEIVE not in names(job)


def test_who_is_in_a_target_is_measured_beside_all_of_it() -> None:
    text = echo(16 * 1024, 64, 1, "text")
    others = targets.COMPARED[text.title] - {RECEIVE}
    known = [Sample(text.title, name, number) for name in others for number in range(5)]
    (job,) = planned(Wish(only=["^echo text"], targets=True), 5, known)
    assert set(names(job)) == {RECEIVE, *others}


def test_more_rounds_of_more_take_longer() -> None:
    (job,) = planned(ONE, 5)
    more = [
        job._replace(rounds=6),
        job._replace(contenders=job.contenders * 2),
        job._replace(scenario=client(32, 1000)),
        job._replace(scenario=echo(1024 * 1024, 1000)),
    ]
    assert all(each.seconds(LENGTH) > job.seconds(LENGTH) for each in more)


@pytest.mark.parametrize(("seconds", "said"), [(40.2, "40 s"), (89, "89 s"), (720, "12 min")])
def test_seconds_are_told_as_people_say_them(seconds: float, said: str) -> None:
    assert told(seconds) == said
