"""What a test must not leave behind: greenlets of gevent's, and file descriptors.

census() -> the test -> left_behind() -> lines that say what
"""

from __future__ import annotations

import gc
import os
from typing import Any, Final, NamedTuple
from weakref import WeakSet

import gevent

from geventws.care import Caretaker
from geventws.clock import monotonic

PATIENCE: Final = 2.0  # seconds until what ends by itself must have ended
STEP: Final = 0.01  # seconds between two looks
HUBS: Final = "anon_inode:[event"  # of descriptors that a hub makes when it first needs them
DESCRIPTORS: Final = "/proc/self/fd"  # Linux's; elsewhere descriptors are not looked for


class Census(NamedTuple):
    """What there is: the greenlets that are alive, and the descriptors with what they are of."""

    greenlets: WeakSet[Any]
    descriptors: set[tuple[str, str]]


def census() -> Census:
    """Return what there is now."""
    return Census(WeakSet(filter(_is_alive, gc.get_objects())), _descriptors())


def left_behind(before: Census, patience: float = PATIENCE) -> list[str]:
    """Wait a little for what has come since *before* to end; return what does not, a line each."""
    deadline = monotonic() + patience
    while lines := _lines(before):
        if monotonic() > deadline:
            break
        gc.collect(0)
        gevent.sleep(STEP)
    return lines


def _lines(before: Census) -> list[str]:
    now = census()
    greenlets = [f"the greenlet {each!r}" for each in now.greenlets - before.greenlets]
    opened = sorted(now.descriptors - before.descriptors)
    return greenlets + [f"the descriptor {number}, {what}" for number, what in opened]


def _is_alive(thing: object) -> bool:
    # by type(), for isinstance() asks a weak proxy, which raises where its object is gone
    if not issubclass(type(thing), gevent.Greenlet):
        return False
    greenlet: Any = thing
    return not (greenlet.dead or _is_done(greenlet))


def _is_done(greenlet: Any) -> bool:
    """Return whether this is a caretaker's with nobody left: it ends within a quarter second."""
    keeper = getattr(getattr(greenlet, "_run", None), "__self__", None)
    return isinstance(keeper, Caretaker) and not len(keeper)


def _descriptors() -> set[tuple[str, str]]:
    found = set()
    for number in os.listdir(DESCRIPTORS) if os.path.isdir(DESCRIPTORS) else ():
        what = _what(number)
        if what is not None and not what.startswith(HUBS):
            found.add((number, what))
    return found


def _what(number: str) -> str | None:
    """Return what a descriptor is of; None where it is closed, as the listing's own is by now."""
    try:
        return os.readlink(f"{DESCRIPTORS}/{number}")
    except OSError:
        return None
