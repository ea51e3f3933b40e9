"""The process that compares the compiled twin with the interpreted one, input by input.

    python -P -m tests.fuzz.fuzzing TARGET ... | python -P -m tests.fuzz.comparing TARGET FILE

FILE holds the input that is being looked at, so that it is there even where it killed this process;
it is removed when all inputs have passed. A pipe that many inputs fit in stands between the two, so
that neither waits for the other at each of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tests.fuzz.twins import described, load, require, take


def compare(check: Callable[[bytes], object], told: IO[bytes], file: Path) -> str:
    """Return how many of the inputs that are *told* have the description *check* gives them.

    Raises:
        AssertionError: one has not; it is in *file*.
    """
    compared = 0
    with file.open("wb", buffering=0) as kept:
        while (data := take(told)) is not None and (ours := take(told)) is not None:
            kept.seek(0)
            kept.truncate()
            kept.write(data)
            theirs = described(check, data)
            assert theirs == ours.decode(), f"interpreted: {ours.decode()}\ncompiled: {theirs}"
            compared += 1
    file.unlink()
    return f"compared: {compared}"


def main(target: str, file: str) -> None:
    """Compare all that comes on the standard input."""
    require("compiled")
    print(compare(load(target).check, sys.stdin.buffer, Path(file)))


if __name__ == "__main__":
    main(*sys.argv[1:])
