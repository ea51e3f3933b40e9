"""The process of one target that atheris drives; `python -m tests.fuzz` starts it.

    python -P -m tests.fuzz.fuzzing TARGET [libFuzzer's flags and corpora]

Where there is a twin to compare, each input and its description go to the standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import atheris

from tests.fuzz import COMPARED
from tests.fuzz.twins import load, put, require


def telling(check: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """Return a *check* that tells the standard output what it found."""

    def told(data: bytes) -> None:
        found = repr(check(data)).encode()
        put(sys.stdout.buffer, data)
        put(sys.stdout.buffer, found)
        sys.stdout.buffer.flush()  # libFuzzer ends this process without a word to Python

    return told


def main(target: str, *arguments: str) -> None:
    """Fuzz until the flags say that it is enough, which ends the process."""
    with atheris.instrument_imports(include=["geventws"]):
        check = load(target).check
    require("interpreted")
    atheris.Setup([sys.argv[0], *arguments], telling(check) if target in COMPARED else check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
