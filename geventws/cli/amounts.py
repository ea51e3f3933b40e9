"""Numbers among the arguments, as argparse wants them read."""

from __future__ import annotations

from argparse import ArgumentTypeError
from contextlib import suppress
from math import inf


def seconds(text: str) -> float:
    """Return the seconds that *text* says; 0 is allowed.

    Raises:
        ArgumentTypeError: it says none.
    """
    with suppress(ValueError):
        if 0 <= (number := float(text)) < inf:
            return number
    raise ArgumentTypeError("not a number of seconds")


def positive(text: str) -> float:
    """Return the number greater than 0 that *text* is.

    Raises:
        ArgumentTypeError: it is none.
    """
    with suppress(ValueError):
        if 0 < (number := float(text)) < inf:
            return number
    raise ArgumentTypeError("not a number greater than 0")


def many(text: str) -> int:
    """Return how many *text* says, at least one.

    Raises:
        ArgumentTypeError: it says nothing of that kind.
    """
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentTypeError("not a number from 1 on")
    return int(text)
