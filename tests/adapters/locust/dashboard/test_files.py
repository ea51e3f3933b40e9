"""CSV files: written anew, or a line longer, and up to date in the end."""

from __future__ import annotations

from pathlib import Path

import gevent
import locust.stats
import pytest

from geventws.adapters.locust.dashboard.board import Board
from geventws.adapters.locust.dashboard.files import Files, closes_csv, connections_csv
from tests.adapters.locust.dashboard.board import master, report
from tests.adapters.locust.scene import visiting
from tests.rawpeer import PATIENCE


def test_unknown_is_an_empty_cell() -> None:
    with master() as scene:
        scene.take("a_1", report(2, sent=4))
        scene.join("a_1", "missing")
        head, worker, total = connections_csv(scene.board).splitlines()
        assert head.startswith("Worker,State,Open,Opened,Closed,Messages Sent,Messages Received,")
        assert worker == "a #0,missing,,1,0,4,0,4000,0,2.0,0,2000.0,0,0,,,"
        assert total == "Aggregated,1 of 1 lost,0,1,0,4,0,4000,0,2.0,0,2000.0,0,0,,,"


def test_close_codes_are_a_table_of_their_own() -> None:
    with master() as scene:
        scene.take("a_1", report(2, codes={1000: 3, 1006: 1}))
        assert closes_csv(scene.board).splitlines() == [
            "Close Code,Meaning,# Connections,% of Closed",
            "1000,normal closure,3,75.0",
            "1006,connection lost,1,25.0",
        ]


def test_files_are_up_to_date_when_they_are_closed(tmp_path: Path) -> None:
    with visiting() as scene:
        files = Files(scene.environment, Board(scene.environment), str(tmp_path / "run"))
        scene.ws.request("hello")
        files.close()
        rows = (tmp_path / "run_websockets.csv").read_text().splitlines()
        assert [row.split(",")[5] for row in rows] == ["Messages Sent", "1", "1"]
        assert (tmp_path / "run_websockets_closes.csv").read_text().count("\n") == 1


def test_history_grows_by_itself(tmp_path: Path) -> None:
    history = tmp_path / "run_websockets_history.csv"
    with visiting() as scene:
        files = Files(scene.environment, Board(scene.environment), str(tmp_path / "run"))
        with gevent.Timeout(PATIENCE + 2 * locust.stats.CSV_STATS_INTERVAL_SEC):
            while history.read_text().count("\n") < 3:
                gevent.sleep(0.1)
        files.close()
        head, *rows = history.read_text().splitlines()
        assert head.startswith("Timestamp,User Count,Open,Messages Sent/s,")
        assert all(row.split(",")[1:3] == ["0", "1"] for row in rows)


def test_file_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    with visiting() as scene, pytest.raises(FileNotFoundError):
        Files(scene.environment, Board(scene.environment), str(tmp_path / "no" / "run"))
