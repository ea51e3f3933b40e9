"""Histogram keys: fine where WebSockets are fast, Locust's own above, and in its statistics."""

from __future__ import annotations

import subprocess
import sys

import pytest

from geventws.adapters.locust import fine_bucket
from setup import ROOT

PROGRAM = """
from geventws.adapters.locust import install_fine_buckets
from locust.stats import RequestStats

install_fine_buckets()
stats = RequestStats()
for tenths in range(1, 101):
    stats.log_request("WSX", "echo", tenths / 100, 5)
entry = stats.get("echo", "WSX")
print(entry.get_response_time_percentile(0.5), entry.get_response_time_percentile(0.99))
"""


@pytest.mark.parametrize(
    ("response_time", "key"),
    [
        *((0, 0), (0.123, 0.12), (0.999, 1.0), (1.04, 1.0), (9.87, 9.9)),
        *((10.4, 10), (99.4, 99), (147, 150), (3432, 3400), (58760, 59000)),
    ],
)
def test_bucket_is_as_fine_as_the_time_is_short(response_time: float, key: float) -> None:
    assert fine_bucket(response_time) == key


def test_buckets_under_ten_milliseconds_are_few() -> None:
    keys = {fine_bucket(microseconds / 1000) for microseconds in range(10_000)}
    assert len(keys) == 191


def test_installed_buckets_give_percentiles_below_a_millisecond() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0.51 1.0\n"  # as Locust counts percentiles
