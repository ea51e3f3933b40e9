"""Numbers among the arguments, and how wrong ones are told."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

from geventws.cli.amounts import many, positive, seconds


@pytest.mark.parametrize(
    ("read", "given", "expected"),
    [
        *[(seconds, "0", 0.0), (seconds, "1.5", 1.5), (positive, "1e-3", 0.001)],
        *[(many, "1", 1), (many, "2000", 2000)],
    ],
)
def test_amount_is_read(read: Callable[[str], float], given: str, expected: float) -> None:
    assert read(given) == expected


@pytest.mark.parametrize(
    ("read", "given", "said"),
    [
        *[(seconds, given, "not a number of seconds") for given in ("-1", "nan", "inf", "soon")],
        *[(positive, given, "not a number greater than 0") for given in ("0", "-1", "nan", "x")],
        *[(many, given, "not a number from 1 on") for given in ("0", "-1", "1.5", "x", "\u0663")],
    ],
)
def test_wrong_amount_is_told(read: Callable[[str], float], given: str, said: str) -> None:
    with pytest.raises(ArgumentTypeError, match=said):
        read(given)
