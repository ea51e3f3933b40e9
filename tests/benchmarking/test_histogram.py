"""Histograms: percentiles as precise as they say, whatever the times are."""

from __future__ import annotations

from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.benchmarking.histogram import LONGEST, NANOSECONDS, PRECISION, Histogram

TIMES = st.floats(min_value=0, max_value=LONGEST / NANOSECONDS)
PERCENTS = st.floats(min_value=0, max_value=100)


def histogram(*times: float) -> Histogram:
    made = Histogram()
    for each in times:
        made.add(each)
    return made


@given(st.lists(TIMES, min_size=1), PERCENTS)
def test_percentile_is_as_precise_as_it_says(times: list[float], percent: float) -> None:
    exact = sorted(times)[max(1, ceil(len(times) * percent / 100)) - 1]
    tolerance = exact * PRECISION + 1 / NANOSECONDS
    assert histogram(*times).percentile(percent) == pytest.approx(exact, rel=0, abs=tolerance)


@given(st.lists(TIMES, min_size=1))
def test_extremes_and_mean_are_exact(times: list[float]) -> None:
    made = histogram(*times)
    assert (made.least, made.most, made.count) == (min(times), max(times), len(times))
    assert made.percentile(100) == max(times)
    assert made.mean() == pytest.approx(sum(times) / len(times))


@given(st.lists(TIMES), st.lists(TIMES), PERCENTS)
def test_update_is_as_if_all_had_been_added(
    some: list[float], others: list[float], percent: float
) -> None:
    both, together = histogram(*some), histogram(*some, *others)
    both.update(histogram(*others))
    assert both.percentile(percent) == together.percentile(percent)
    assert (both.count, both.least, both.most) == (
        together.count,
        together.least,
        together.most,
    )


@given(st.lists(TIMES), st.integers(min_value=1, max_value=20))
def test_rows_hold_all_times(times: list[float], most: int) -> None:
    rows = histogram(*times).rows(most)
    assert len(rows) <= most
    assert sum(row.times for row in rows) == len(times)
    assert all(row.low <= row.high for row in rows)


def test_rows_reach_further_by_the_same_factor() -> None:
    rows = histogram(0.001, 0.002, 0.004, 0.5, 1.0).rows(3)
    assert [row.times for row in rows] == [3, 0, 2]
    assert [row.high for row in rows] == pytest.approx([0.01, 0.1, 1.0])


def test_equal_times_have_one_row() -> None:
    assert histogram(0.25, 0.25).rows(12) == [(0.25, 0.25, 2)]


def test_histogram_of_nothing_is_zero() -> None:
    made = histogram()
    assert (made.percentile(50), made.percentile(100), made.mean()) == (0, 0, 0)
    assert (made.rows(5), made.least, made.most) == ([], inf, 0)


def test_what_takes_longer_than_any_bucket_counts_in_the_last() -> None:
    years = histogram(1e9, 1e9, 1e9)
    assert years.percentile(50) == pytest.approx(1e9)
    assert years.most == 1e9


def test_memory_does_not_grow_with_the_count() -> None:
    made = histogram(0.0)
    size = len(made._buckets)
    for number in range(10_000):
        made.add(number / 7)
    assert len(made._buckets) == size < 10_000
