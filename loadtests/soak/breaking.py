"""Hostile inputs for the core, in a process of its own: the fuzzer's targets, seeds and checks.

python -m loadtests.soak.breaking '{"count": 100000, "seed": 1}'
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from importlib import import_module
from time import process_time
from typing import Final

from loadtests.soak.processes import say
from tests.fuzz import MAX_LEN, SEEDS, TARGETS

TOLD: Final = 1000  # inputs between two words about it


def seeds(target: str) -> list[bytes]:
    """Return what the fuzzer begins with."""
    return [each.read_bytes() for each in sorted((SEEDS / target).iterdir())]


def mutated(data: bytes, others: list[bytes], dice: random.Random) -> bytes:
    """Return *data* with something changed, put in, left out, doubled or from another one."""
    made = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randint(0, len(made))
        size = dice.randint(1, 8)
        deed = dice.randrange(5)
        if deed == 0 and at < len(made):
            made[at] = dice.randrange(256)
        elif deed == 1:
            made[at:at] = dice.randbytes(size)
        elif deed == 2:
            del made[at : at + size]
        elif deed == 3:
            made[at:at] = made[max(0, at - size) : at]
        else:
            other = dice.choice(others)
            made[at:] = other[dice.randint(0, len(other)) :]
    return bytes(made[:MAX_LEN])


def main(count: int, seed: int) -> None:
    """Put *count* inputs to all targets in turn, and say which of them failed."""
    dice = random.Random(seed)
    checks: list[tuple[Callable[[bytes], object], list[bytes]]] = [
        (import_module(f"tests.fuzz.{target}").check, seeds(target)) for target in TARGETS
    ]
    failed: list[str] = []
    slowest = 0.0
    for number in range(count):
        check, known = checks[number % len(checks)]
        data = mutated(dice.choice(known), known, dice)
        begin = process_time()
        try:
            check(data)
        except Exception as error:  # it is what this looks for
            failed.append(f"{TARGETS[number % len(checks)]} {data.hex()}: {error!r}")
        slowest = max(slowest, process_time() - begin)
        if number % TOLD == 0:
            say(done=number)
    say(done=count, failed=len(failed), first=failed[:3], slowest=slowest)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
