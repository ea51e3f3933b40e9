"""Each subcommand of the scale runs, tiny: nodes in processes of their own over a real Redis."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.scale import results
from loadtests.scale.__main__ import main
from loadtests.scale.measure import ALL

TINY = ["--seconds", "0.02", "--rounds", "1", "--clients", "5", "--rooms", "10", "--sizes", "128"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a tiny measurement."""
    path = tmp_path_factory.mktemp("scale") / "results.json"
    assert main(["measure", *TINY, "--out", str(path)]) == 0
    return path


def test_measure_has_every_contender_hear_all(measured: Path) -> None:
    found = results.samples(results.read(measured))
    assert {each.contender for each in found} == {each.name for each in ALL}
    assert all(each.publications and not each.lost for each in found)
    assert all(each.deliveries == 10 * each.publications for each in found)


def test_simulate_says_what_a_fleet_needs(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["simulate", "--nodes", "10", "--connections", "100000", "--out", str(measured)])
    said = capsys.readouterr().out
    assert "What 10 nodes with 100,000 connections need" in said
    assert "| Redis servers |" in said
    assert (measured.parent / "scale-cores.svg").exists()


def test_page_is_written_with_its_plots(measured: Path, tmp_path: Path) -> None:
    main(["page", "--place", str(tmp_path), "--out", str(measured)])
    text = (tmp_path / "scale.md").read_text("utf-8")
    plots = [each for each in text.split("](") if each.startswith("images/")]
    assert plots
    assert all((tmp_path / each.partition(")")[0]).exists() for each in plots)


def test_stream_through_a_restart_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.json"
    assert main(["stream", "--messages", "4000", "--restart", "--out", str(path)]) == 0
    found = results.read(path)["streams"]["restart"]
    assert (found["published"], found["taken"], found["lost"]) == (4000, 8000, 0)
    assert (found["restarts"], found["connections"] > found["members"]) == (3, True)
    assert "  lost: 0\n" in capsys.readouterr().out
