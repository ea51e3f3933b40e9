from __future__ import annotations

from pathlib import Path
from typing import Any

from loadtests.bench.contenders import PICOWS, RECEIVE
from loadtests.bench.performance import PARTS, facts, noise, write
from loadtests.bench.results import Slice
from loadtests.bench.run import Sample
from loadtests.bench.scenarios import ALL, GROWTH, IDLE, echo

FACTS: dict[str, Any] = {
    "date": "2026-11-23",
    "geventws": "0.1.0",
    "compiled": True,
    "python": "CPython 3.11.7",
    "system": "Linux 6.18",
    "processor": "Some CPU",
    "cores": 2,
    "rounds": 2,
    "seconds": 0.5,
    "versions": {"gevent": "26.9.0"},
}


def sliced(*titles: str) -> Slice:
    """Return what two contenders cost in two rounds, the second dearer by a half."""
    costs = (RECEIVE, 0, 2.0), (PICOWS, 0, 1.0), (RECEIVE, 1, 3.0), (PICOWS, 1, 1.5)
    return Slice(FACTS, [Sample(title, *each) for title in titles for each in costs])


def written(place: Path, *slices: Slice) -> str:
    """Return the page of *slices*, written into *place*."""
    write(slices, place)
    return (place / "performance.md").read_text(encoding="utf-8")


def test_the_page_says_how_far_it_is(tmp_path: Path) -> None:
    page = written(tmp_path, sliced(echo(32, 64).title))
    assert "0 of 2 that\nwere measured are met" in page
    assert f"| {echo(32, 64).title} | {RECEIVE} | {PICOWS} | 1.00 | 2.00 | 2.00 | **no** |" in page


def test_the_page_shows_its_plots(tmp_path: Path) -> None:
    page = written(tmp_path, sliced(echo(32, 64).title, *(each.title for each in GROWTH)))
    drawn = {each.name for each in (tmp_path / "images").iterdir()}
    assert {f"performance-{name}.svg" for name in ("echo", "echo-doors", "growing-size")} <= drawn
    assert all(page.count(f"(images/{name})") == 1 for name in drawn)


def test_the_page_leaves_out_what_was_not_measured(tmp_path: Path) -> None:
    page = written(tmp_path, sliced(IDLE[1].title))
    assert [line for line in page.splitlines() if line.startswith("##")] == [
        *("## How it is measured", "## Where the time goes", "## What you can do"),
        *("## All figures", "### Memory", f"#### {IDLE[1].title}", "## Versions"),
    ]


def test_every_scenario_has_a_part_of_the_page() -> None:
    assert {each.title for part in PARTS.values() for each in part} == {each.title for each in ALL}


def test_facts_are_told_once_for_slices_that_share_them() -> None:
    other = Slice({**FACTS, "compiled": False}, [])
    lines = facts([sliced(), sliced(), other]).splitlines()
    assert lines == [
        "- 2026-11-23: geventws 0.1.0, compiled, CPython 3.11.7, Linux 6.18, Some CPU, 2 cores; "
        "rounds of 0.5 s: 2",
        lines[0].replace("compiled", "interpreted"),
    ]


def test_noise_is_how_much_rounds_of_the_same_differ() -> None:
    assert "cost 1.50 times its cheapest" in noise(sliced(echo(32, 64).title).samples)
    assert noise(sliced(IDLE[0].title).samples) == ""
