from __future__ import annotations

import pytest

from loadtests.bench.contenders import PICOWS, RAW_GEVENT
from loadtests.bench.report import (
    Bound,
    Target,
    bound_table,
    figure,
    judged,
    ratio,
    rows,
    scenario_table,
    table,
    tables,
    target_table,
)
from loadtests.bench.run import Sample
from loadtests.bench.scenarios import FLOOD, HANDSHAKE, Scenario, echo

ECHO = echo(32, 64)
OURS = "geventws"


def samples(**costs: list[float | None]) -> list[Sample]:
    """Return samples of ECHO, from the costs in each round."""
    names = {"picows": PICOWS, "raw": RAW_GEVENT}
    return [
        Sample(ECHO.title, names.get(name, name), number, cost, rate=1000.0)
        for name, rounds in costs.items()
        for number, cost in enumerate(rounds)
    ]


def test_a_ratio_is_the_median_of_those_of_each_round() -> None:
    found = samples(geventws=[1.0, 4.0, 9.0], picows=[1.0, 2.0, 3.0])
    assert ratio(found, OURS, PICOWS) == 2.0


def test_a_ratio_leaves_out_rounds_that_one_of_both_failed_in() -> None:
    found = samples(geventws=[1.0, None, 6.0], picows=[None, 2.0, 3.0])
    assert ratio(found, OURS, PICOWS) == 2.0


def test_there_is_no_ratio_to_who_took_no_part() -> None:
    assert ratio(samples(geventws=[1.0]), OURS, PICOWS) is None


def test_there_is_no_ratio_to_nothing() -> None:
    assert ratio(samples(geventws=[1.0], picows=[0.0]), OURS, PICOWS) is None


def test_rows_are_the_cheapest_first_and_failures_last() -> None:
    found = samples(broken=[None, None], dear=[3.0, 5.0], cheap=[1.0, 2.0])
    assert [row.name for row in rows(found)] == ["cheap", "dear", "broken"]


def test_a_row_has_median_best_and_worst() -> None:
    (row,) = rows(samples(geventws=[3.0, 1.0, 2.0, None]))
    assert (row.median, row.best, row.worst, row.rate) == (2.0, 1.0, 3.0, 1000.0)


def test_a_row_says_each_error_once() -> None:
    errors = ["no answer", "gone", "no answer"]
    found = [Sample(ECHO.title, OURS, number, error=why) for number, why in enumerate(errors)]
    (row,) = rows(found)
    assert row.errors == ["no answer", "gone"]


def test_a_scenario_s_table_names_who_failed_and_why() -> None:
    failed = Sample(ECHO.title, "ws4py", 0, error="did not start: a|b")
    text = scenario_table(ECHO, [*samples(geventws=[2.0], picows=[1.0]), failed])
    assert text.splitlines()[4:] == [
        f"| {PICOWS} | 1.00 | 1.00 | 1.00 | 1.00 | - | 1,000 |  |",
        "| geventws | 2.00 | 2.00 | 2.00 | 2.00 | - | 1,000 |  |",
        "| ws4py | - | - | - | - | - | - | did not start: a/b |",
    ]


def test_a_flood_s_table_says_how_long_the_slowest_handshake_took() -> None:
    found = [
        Sample(FLOOD.title, OURS, number, 1.0, 10.0, took) for number, took in [(0, 1), (1, 2)]
    ]
    text = scenario_table(FLOOD, found)
    assert "slowest handshake, s" in text
    assert "| geventws | 1.00 | 1.00 | 1.00 | - | - | 10.0 | 2.00 |  |" in text


def test_a_target_is_judged_against_the_best_of_the_others() -> None:
    found = samples(geventws=[2.0, 2.0], one=[4.0, 4.0], other=[1.0, 1.0])
    verdict = judged(found, Target(ECHO.title, OURS, ("one", "other"), 1.0))
    assert verdict is not None
    assert (verdict.other, verdict.ratio, verdict.is_met) == ("other", 2.0, False)


def test_a_target_is_met_at_its_limit() -> None:
    verdict = judged(samples(geventws=[1.0], one=[2.0]), Target(ECHO.title, OURS, ("one",), 0.5))
    assert verdict is not None
    assert verdict.told() == "yes"


def test_a_target_that_is_met_tells_where_not_all_were_measured() -> None:
    target = Target(ECHO.title, OURS, ("one", "other"), 1.0)
    verdict = judged(samples(geventws=[1.0], one=[2.0]), target)
    assert verdict is not None
    assert verdict.told() == "yes, beside 1 of 2"


def test_a_target_is_not_met_where_nobody_else_was_measured() -> None:
    verdict = judged(samples(geventws=[1.0]), Target(ECHO.title, OURS, ("one", "other"), 1.0))
    assert verdict is not None
    assert (verdict.other, verdict.told()) == ("one / other", "**no**, beside 0 of 2")


def test_a_verdict_has_the_ratio_of_the_cheapest_rounds_too() -> None:
    found = samples(geventws=[2.0, 6.0, 8.0], one=[1.0, 2.0, 2.0])
    verdict = judged(found, Target(ECHO.title, OURS, ("one",), 1.0))
    assert verdict is not None
    assert (verdict.ratio, verdict.least) == (3.0, 2.0)


def test_who_failed_has_missed_its_target() -> None:
    failed = [Sample(ECHO.title, OURS, 0, error="gone"), *samples(one=[1.0])]
    verdict = judged(failed, Target(ECHO.title, OURS, ("one",), 1.0))
    assert verdict is not None
    assert (verdict.ratio, verdict.least, verdict.told()) == (None, None, "**no**")


@pytest.mark.parametrize(("scenario", "ours"), [(HANDSHAKE, OURS), (ECHO, "another")])
def test_a_target_is_not_judged_where_ours_was_not_measured(scenario: Scenario, ours: str) -> None:
    target = Target(scenario.title, ours, (PICOWS,), 1.0)
    assert judged(samples(geventws=[1.0]), target) is None
    assert target_table(samples(geventws=[1.0]), [target]) == ""


def test_a_bound_is_judged_by_the_median_or_by_the_slowest_of_all() -> None:
    found = [Sample(FLOOD.title, OURS, number, 5.0 * number, 1.0, number) for number in range(3)]
    bounds = [
        Bound(FLOOD.title, OURS, 5.0, "us"),
        Bound(FLOOD.title, OURS, 1.5, "s", slowest=True),
        Bound(HANDSHAKE.title, OURS, 1.0, "us"),
    ]
    assert bound_table(found, bounds).splitlines()[2:] == [
        f"| {FLOOD.title} | {OURS} | 5.00 us | 5.00 | yes |",
        f"| {FLOOD.title} | {OURS} | 1.50 s | 2.00 | **no** |",
    ]
    assert bound_table(found, bounds[2:]) == ""


def test_a_target_has_a_row() -> None:
    text = target_table(
        samples(geventws=[3.0], picows=[2.0]), [Target(ECHO.title, OURS, (PICOWS,), 1.0)]
    )
    row = f"| {ECHO.title} | geventws | {PICOWS} | 1.00 | 1.50 | 1.50 | **no** |"
    assert text.splitlines()[2:] == [row]


def test_there_are_tables_of_what_was_measured_alone() -> None:
    text = tables([HANDSHAKE, ECHO], samples(geventws=[3.0]), "##")
    assert [line for line in text.splitlines() if line.startswith("#")] == [f"## {ECHO.title}"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0.0, "0.000"),
        (0.0912, "0.091"),
        (4.571, "4.57"),
        (13.31, "13.3"),
        (45578.2, "45,578"),
    ],
)
def test_a_figure_has_the_digits_that_mean_something(value: float | None, shown: str) -> None:
    assert figure(value) == shown


def test_a_table_is_text_and_then_numbers() -> None:
    assert table(["", "x"], [["a", "1"]]) == "|  | x |\n| --- | ---: |\n| a | 1 |\n"
