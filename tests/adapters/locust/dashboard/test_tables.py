"""Rows: all there is to tell of a line, and of each close code."""

from __future__ import annotations

from collections import Counter

import pytest

from geventws.adapters.locust.dashboard.board import Line
from geventws.adapters.locust.dashboard.tables import (
    FILE,
    LIVE,
    REPORTED,
    Table,
    closes_of,
    row_of,
)
from geventws.adapters.locust.gauges import NOTHING
from tests.adapters.locust.dashboard.board import totals

RATES = Counter({"messages_sent": 2.25, "bytes_sent": 2250.0})
AVERAGES = Counter({"messages_received": 0.5, "bytes_received": 512.0})
LINE = Line("a #0", "running", 3, totals(5, 4, {1000: 2}, {120: 9, 3400: 1}), RATES, AVERAGES)


def test_row_has_live_rates_for_the_page() -> None:
    cells = ["a #0", "running", 3, 3, 2, 5, 4, 2.2, 0, 2.2, 0.0, 0.12, 3.4, 3.4]
    assert LIVE.cells(row_of(LINE)) == cells


def test_row_has_averages_for_the_report() -> None:
    cells = ["a #0", "running", 3, 3, 2, 5, 4, 0, 0.5, 0.0, 0.5, 0.12, 3.4, 3.4]
    assert REPORTED.cells(row_of(LINE)) == cells


def test_row_has_bytes_for_the_file() -> None:
    cells = ["a #0", "running", 3, 3, 2, 5, 4, 5000, 4000, 0, 0.5, 0, 512.0, 10, 0.12, 3.4, 3.4]
    assert FILE.cells(row_of(LINE)) == cells


def test_row_of_a_worker_without_pings_has_no_latency() -> None:
    row = row_of(Line("a", "lost", None, NOTHING, Counter(), Counter()))
    assert (row["open"], row["pings"], row["ping_median"], row["ping_max"]) == (None, 0, None, None)


@pytest.mark.parametrize("table", [LIVE, REPORTED, FILE])
def test_titles_are_different(table: Table) -> None:
    assert len(set(table.head())) == len(table.columns)


def test_close_codes_are_told_with_their_meaning_the_most_frequent_first() -> None:
    rows = closes_of(totals(codes={1006: 1, 1000: 6, 4001: 2}))
    assert [tuple(row.values()) for row in rows] == [
        (1000, "normal closure", 6, 66.7),
        (4001, "of the application", 2, 22.2),
        (1006, "connection lost", 1, 11.1),
    ]


def test_no_close_codes_are_no_rows() -> None:
    assert closes_of(NOTHING) == []
