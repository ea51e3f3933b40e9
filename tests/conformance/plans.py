"""Which cases of the Autobahn test suite are asked of which end, and how many those are."""

from __future__ import annotations

from typing import Final, NamedTuple


class Plan(NamedTuple):
    """Some of the suite's cases, as it takes them, and their number: none may get lost."""

    cases: list[str]
    number: int


_UP_TO_7_AND_10: Final = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
# of each payload and agreement the messages of up to 1 KiB, and those of 8 KiB in fragments
_SIZES: Final = [1, 2, 3, 4, 11]
_COMPRESSED: Final = [
    *(f"12.{payload}.{size}" for payload in range(1, 6) for size in _SIZES),
    *(f"13.{agreement}.{size}" for agreement in range(1, 8) for size in _SIZES),
]

WHOLE: Final = Plan(["*"], 517)
# The rest takes an hour a door, and is the core's alone.
DOOR: Final = Plan([*_UP_TO_7_AND_10, "9.*", *_COMPRESSED], 301 + len(_COMPRESSED))
# with the two messages of 65,536 fragments
QUICK: Final = Plan([*_UP_TO_7_AND_10, "9.3.1", "9.4.1"], 249)

# The ends that the suite is run against whole, on both twins.
MAIN: Final = ["native", "pywsgi"]


def plan_of(door: str) -> Plan:
    """Return what the end behind *door* is asked."""
    return WHOLE if door in MAIN else DOOR
