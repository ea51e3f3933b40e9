"""The tables behind Locust's report, once, and nothing in them that a browser would run."""

from __future__ import annotations

import os
from pathlib import Path

from geventws.adapters.locust.dashboard.report import add_tables, section_of, with_tables
from tests.adapters.locust.dashboard.board import master, report

REPORT = "<html><body>all of it</body></html>"


def test_report_gets_the_tables_once() -> None:
    with master() as scene:
        scene.take("a_1", report(2, sent=4, codes={1000: 1}, pings={2_000: 1}))
        text = with_tables(REPORT, scene.board)
        assert text.startswith('<html><body>all of it<section id="websockets">')
        assert text.endswith("</section>\n</body></html>")
        assert "<td>a #0</td><td>running</td><td>1</td><td>2</td><td>1</td><td>4</td>" in text
        assert "<td>2</td><td>0</td><td>4</td><td>2</td></tr>" not in text
        assert "<td>1000</td><td>normal closure</td><td>1</td><td>100</td>" in text
        assert with_tables(text, scene.board) == text


def test_page_without_a_body_is_left_as_it_is() -> None:
    with master() as scene:
        assert with_tables("an error", scene.board) == "an error"


def test_names_are_escaped() -> None:
    with master() as scene:
        scene.take("<script>_1", report(2))
        assert "&lt;script&gt; #0" in section_of(scene.board)
        assert "<script>" not in section_of(scene.board)


def test_file_of_this_run_gets_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(REPORT, encoding="utf-8")
    written = path.stat().st_mtime
    with master() as scene:
        add_tables(path, scene.board, written)
        assert path.read_text(encoding="utf-8") == with_tables(REPORT, scene.board)


def test_file_of_an_earlier_run_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(REPORT, encoding="utf-8")
    os.utime(path, (1000, 1000))
    with master() as scene:
        add_tables(path, scene.board, 1001)
        add_tables(tmp_path / "missing.html", scene.board, 0)
    assert path.read_text(encoding="utf-8") == REPORT
