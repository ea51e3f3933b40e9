"""Token buckets, on a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from geventws.rates import Bucket, Rate, rate_of


@pytest.mark.parametrize(
    ("given", "rate"),
    [(5, Rate(5, 50)), (0.01, Rate(0.01, 1)), ((5, 20), Rate(5, 20)), ((0.5, 1), Rate(0.5, 1))],
)
def test_rate_has_a_burst_of_ten_seconds_unless_it_is_given(given: Any, rate: Rate) -> None:
    assert rate_of("byte_rate", given) == rate


def test_rate_may_be_none() -> None:
    assert rate_of("byte_rate", None) is None


@pytest.mark.parametrize("given", ["5", True, (5,), (5, 6, 7), (5, None), [5, 20]])
def test_rate_is_a_number_or_a_pair(given: Any) -> None:
    with pytest.raises(TypeError, match=r"^byte_rate: a number per second, a pair "):
        rate_of("byte_rate", given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0, "must be greater than 0 and finite"),
        ((5, -1), "must be greater than 0 and finite"),
        (float("inf"), "must be greater than 0 and finite"),
        ((5, 0.5), "a burst of at least 1"),
    ],
)
def test_rate_names_a_wrong_value(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^byte_rate: {message}$"):
        rate_of("byte_rate", given)


def test_bucket_has_its_burst_at_once_and_its_rate_after() -> None:
    bucket = Bucket(Rate(2, 3), 100.0)
    assert [bucket.spend(1, 100.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.spend(1, 100.5)
    assert bucket.spend(1, 101.5)


def test_bucket_holds_no_more_than_its_burst() -> None:
    bucket = Bucket(Rate(2, 3), 100.0)
    assert not bucket.spend(4, 1000.0)


def test_bucket_that_is_empty_says_how_long_to_wait_and_takes_nothing() -> None:
    bucket = Bucket(Rate(2, 1), 100.0)
    assert bucket.take(100.0) == 0.0
    assert bucket.take(100.0) == 0.5
    assert bucket.take(100.25) == 0.25
    assert bucket.take(100.5) == 0.0


def test_bucket_is_full_again_after_a_while() -> None:
    bucket = Bucket(Rate(2, 3), 100.0)
    assert bucket.is_full(100.0)
    bucket.spend(3, 100.0)
    assert not bucket.is_full(101.0)
    assert bucket.is_full(101.5)
