"""The tables as CSV: to be downloaded, and in files beside those that Locust writes for --csv.

prefix_websockets.csv and prefix_websockets_closes.csv are written anew each second,
prefix_websockets_history.csv grows.
"""

from __future__ import annotations

import csv
from io import StringIO
from time import time
from typing import Any

import gevent
import locust.stats

from geventws.adapters.locust.dashboard.board import Board
from geventws.adapters.locust.dashboard.tables import (
    CLOSES,
    FILE,
    HISTORY,
    Row,
    Table,
    closes_of,
    row_of,
)


def csv_of(table: Table, rows: list[Row], head: bool = True) -> str:
    """Return *rows* with the columns of *table*."""
    text = StringIO()
    writer = csv.writer(text)
    if head:
        writer.writerow(table.head())
    writer.writerows(table.cells(row) for row in rows)
    return text.getvalue()


def connections_csv(board: Board) -> str:
    """Return the table of processes."""
    return csv_of(FILE, [row_of(line) for line in board.lines()])


def closes_csv(board: Board) -> str:
    """Return the table of close codes."""
    return csv_of(CLOSES, closes_of(board.lines()[-1].totals))


class Files:
    """Files that are up to date, as far as Locust's own are.

    Args:
        environment: whose users are counted in the history.
        board: what is written.
        prefix: what the names of the files begin with.

    Raises:
        OSError: a file cannot be written.
    """

    def __init__(self, environment: Any, board: Board, prefix: str) -> None:
        self._environment = environment
        self._board = board
        self._prefix = prefix
        self._put("_websockets_history.csv", csv_of(HISTORY, []))
        self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        """Write for the last time."""
        self._greenlet.kill()
        self._write()

    def _run(self) -> None:
        while True:
            self._write()
            gevent.sleep(locust.stats.CSV_STATS_INTERVAL_SEC)

    def _write(self) -> None:
        self._put("_websockets.csv", connections_csv(self._board))
        self._put("_websockets_closes.csv", closes_csv(self._board))
        self._put("_websockets_history.csv", csv_of(HISTORY, [self._now()], head=False), "a")

    def _now(self) -> Row:
        runner = self._environment.runner
        users = runner.user_count if runner else 0
        total = row_of(self._board.lines()[-1])
        return {**total, "timestamp": int(time()), "users": users}

    def _put(self, name: str, text: str, mode: str = "w") -> None:
        with open(self._prefix + name, mode, encoding="utf-8", newline="") as file:
            file.write(text)
