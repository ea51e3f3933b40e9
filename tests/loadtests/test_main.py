from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.bench import scenarios
from loadtests.bench.__main__ import arguments_of, chosen, memory_table, plots, write
from loadtests.bench.contenders import CALLBACK, PICOWS, RECEIVE
from loadtests.bench.run import Sample
from loadtests.bench.scenarios import GROWTH, IDLE, echo


def measured(*titles: str) -> list[Sample]:
    """Return samples of two contenders in some scenarios."""
    return [
        Sample(title, name, 0, cost, 1000.0)
        for title in titles
        for name, cost in ((RECEIVE, 1.0), (PICOWS, 2.0))
    ]


def titles(*words: str) -> list[str]:
    """Return what a command line chooses."""
    return [scenario.title for scenario, _ in chosen(arguments_of(words))]


def test_everything_is_measured_where_nothing_is_said() -> None:
    assert titles() == [each.title for each in scenarios.ALL]


def test_the_short_variant_measures_less_with_fewer() -> None:
    quick = chosen(arguments_of(["--quick"]))
    assert [scenario for scenario, _ in quick] == scenarios.QUICK
    assert all(each.shown for _, contenders in quick for each in contenders)


def test_only_the_scenarios_that_are_named_are_measured() -> None:
    assert titles("--only", "^echo 32 B, 64") == [echo(32, 64).title, echo(32, 64, 16).title]


def test_only_those_that_are_named_take_part() -> None:
    plan = chosen(arguments_of(["--only", "^echo 32 B, 64", "--among", "^picows,"]))
    assert [[each.name for each in contenders] for _, contenders in plan] == [[PICOWS]] * 2


def test_headlines_are_bars() -> None:
    assert list(plots(measured(echo(32, 64).title))) == ["echo.svg"]


def test_growth_is_lines() -> None:
    drawn = plots(measured(*(each.title for each in GROWTH)))
    assert list(drawn) == ["growing-size.svg", "growing-number.svg"]


def test_nothing_is_drawn_of_what_failed() -> None:
    assert plots([Sample(echo(32, 64).title, RECEIVE, 0, error="gone")]) == {}


def test_memory_is_judged_by_itself() -> None:
    found = [Sample(IDLE[0].title, name, 0, 5000.0) for name in (RECEIVE, CALLBACK)]
    assert memory_table(found).splitlines()[2:] == [
        f"| {IDLE[0].title} | {RECEIVE} | 9,500 | 5,000 | yes |",
        f"| {IDLE[0].title} | {CALLBACK} | 2,000 | 5,000 | **no** |",
    ]


def test_tables_and_plots_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(measured(echo(32, 64).title), "on this machine", tmp_path)
    text = (tmp_path / "tables.md").read_text()
    assert text.startswith("on this machine\n\n### Targets")
    assert "<svg" in (tmp_path / "echo.svg").read_text()
    assert capsys.readouterr().out == text + "\n"
