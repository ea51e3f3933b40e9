"""The scenarios of the soak, each tiny: what they count, and not how long it took."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from loadtests.soak import broadcasts, cycles, drain, hostile, neighbours, page, steady, workers
from loadtests.soak.__main__ import SCENARIOS, arguments_of, save, show
from loadtests.soak.figures import Figure, Plan, growth, percentile
from loadtests.soak.rows import TABLES
from setup import ROOT

TINY = Plan(seconds=0.5, scale=0.005)
TIMES = (
    *("take", "worst", "seconds", "memory", "within", "as long", "slowest", "ends after"),
    "processor",
)
ROWS = [row for rows in TABLES.values() for row in rows]


def counted(figures: list[Figure]) -> list[Figure]:
    """Return the figures that are the same on every machine."""
    return [each for each in figures if not any(word in each.what for word in TIMES)]


def judge(figures: list[Figure]) -> None:
    """Assert that everything counted is within its bounds."""
    bounded = [each for each in counted(figures) if each.most is not None]
    assert bounded
    assert [each for each in bounded if not each.good] == []


@pytest.mark.parametrize(
    ("scenario", "scale"),
    [(steady, 0.002), (hostile, 0.0005), (broadcasts, 0.005), (workers, 0.005)],
)
def test_scenario_finds_nothing_amiss(scenario: ModuleType, scale: float) -> None:
    judge(scenario.run(TINY._replace(scale=scale)))


def test_cycles_find_nothing_left() -> None:
    found = cycles.run(TINY._replace(scale=0.002))
    judge(found)
    assert found[0].found == 220


def test_neighbours_lose_nobody_a_message() -> None:
    judge(list(neighbours.measure("openings", neighbours.drips, TINY)))


def test_drain_finds_nothing_amiss_and_tells_how_far_it_is() -> None:
    told: list[float] = []
    judge(drain.run(TINY._replace(progress=told.append)))
    assert told == [0.5]


def test_figure_is_good_within_its_bound() -> None:
    assert Figure("a", 5).good
    assert Figure("a", 5, 5).good
    assert not Figure("a", 5.1, 5).good


def test_growth_is_from_beginning_to_end_whatever_is_between() -> None:
    assert growth([1.0, 1.0, *[50.0] * 16, 3.0, 3.0]) == 2.0
    assert growth([4.0]) == 0.0


def test_percentile_is_a_value_that_so_many_do_not_exceed() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([3.0, 1.0, 2.0], 100) == 3.0


def test_every_scenario_runs_where_none_is_named() -> None:
    assert arguments_of([]).names == []
    assert list(SCENARIOS) == [
        *("steady", "hostile", "broadcasts", "workers", "drain", "neighbours", "cycles")
    ]


def test_scenario_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments_of(["steady", "nothing"])
    assert "no scenario: nothing" in capsys.readouterr().err


def test_page_has_what_is_known_and_marks_what_is_over(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    save(results, "drain", [Figure("lost", 2, 0), Figure("took", 1.25, None, "s")], 600.0, 1.0)
    save(results, "steady", [Figure("lost", 0, 0)], 5.0, 0.5)
    text = page.page(json.loads(results.read_text()), SCENARIOS)
    assert "`python -m loadtests.soak drain --seconds 600`" in text
    assert "| lost | **2** | 0 |" in text
    assert "| took | 1.25 s |  |" in text
    assert "`python -m loadtests.soak steady --seconds 5 --scale 0.5`" in text
    assert "cycles --seconds" not in text


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    show("drain", 0.0, 0.5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row_of_the_fault_model_is_shown_by_what_is_there(row: Any) -> None:
    assert row.tests or row.scenarios
    assert set(row.scenarios) <= set(SCENARIOS)
    for each in row.tests:
        file, _, part = each.partition("::")
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert any(line.startswith("def test_") and part in line for line in text.splitlines()) or (
            not part and "def main" in text
        )


def test_every_row_of_the_fault_model_is_there_but_those_of_redis() -> None:
    wanted = [*(f"L{n}" for n in range(1, 9)), *(f"F{n}" for n in range(1, 19))]
    wanted += [f"B{n}" for n in range(1, 12)]
    assert {row.name for row in ROWS} == set(wanted) - {"F8", "F9", "B5"}
