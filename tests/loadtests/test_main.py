from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.bench.__main__ import FULL, QUICK, arguments_of, length_of, main
from loadtests.bench.contenders import PICOWS, RECEIVE
from loadtests.bench.results import write
from loadtests.bench.scenarios import echo
from tests.loadtests.test_performance import sliced


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return a file with results."""
    path = tmp_path / "results.json"
    write(path, [sliced(echo(32, 1000).title)])
    return path


def test_the_short_variant_is_shorter_and_both_can_be_told_how_long() -> None:
    assert length_of(arguments_of([])) == FULL
    assert length_of(arguments_of(["--quick"])) == QUICK
    assert length_of(arguments_of(["--rounds", "9", "--seconds", "2"])) == (9, FULL.warm, 2.0)


def test_a_plan_is_told_and_nothing_measured(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = results.read_bytes()
    words = ["--only", "^echo 32 B, 1000", "^broadcast", "--servers", PICOWS, "^raw gevent"]
    assert main([*words, "--merge", str(results), "--rounds", "2", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("  echo")[2] for line in lines if "echo 32 B" in line] == [
        f" 32 B, 1000 connections, 1 in flight, 2 rounds: {PICOWS}; raw gevent",
        f" 32 B, 1000 connections, 16 in flight, 2 rounds: {PICOWS}; raw gevent",
    ]
    assert lines[-1].endswith(" in all")
    assert results.read_bytes() == before


def test_tables_plots_and_the_page_are_written_of_results(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--merge", str(results), "--into", str(tmp_path), "--docs", str(tmp_path / "docs")]
    assert main([*words, "--page"]) == 0
    text = (tmp_path / "tables.md").read_text(encoding="utf-8")
    assert text.startswith("- 2026-11-23: geventws")
    assert f"| {RECEIVE} | 2.50 | 2.00 | 3.00 | 2.00 |" in text
    assert capsys.readouterr().out == text + "\n"
    assert "<svg" in (tmp_path / "crowd.svg").read_text(encoding="utf-8")
    assert (tmp_path / "docs" / "performance.md").exists()


def test_nothing_is_measured_where_all_is_there(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = results.read_bytes()
    words = ["--only", "^echo 32 B, 1000 connections, 1 in", "--servers", "^picows,"]
    places = ["--merge", str(results), "--into", str(tmp_path)]
    assert main([*words, *places, "--rounds", "2"]) == 0
    assert f"| {PICOWS} | 1.25 |" in capsys.readouterr().out
    assert results.read_bytes() == before


def test_there_is_nothing_to_write_of_no_results(tmp_path: Path) -> None:
    assert main(["--table", "--merge", str(tmp_path / "results.json")]) == 1
