"""What a test must not leave behind: greenlets, file descriptors, watchers of the hub's loop."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from functools import cache
from time import monotonic
from typing import NamedTuple

import gevent

from geventws.care import Caretaker

PATIENCE = 10.0  # seconds until what ends by itself must have ended
STEP = 0.01  # seconds between two looks; most of what ends by itself does so at once


class Census(NamedTuple):
    """What there is now."""

    greenlets: int  # alive ones
    descriptors: int
    watchers: int  # active ones


def census() -> Census:
    """Count what there is, after all that is due has run."""
    _freeze()
    gevent.sleep(0)
    return Census(
        len(_greenlets()), len(os.listdir("/proc/self/fd")), gevent.get_hub().loop.activecnt
    )


def settle(before: Census) -> None:
    """Let the hub run until there is no more than there was; AssertionError if that never is."""
    deadline = monotonic() + PATIENCE
    while not _is_within(now := census(), before):
        if monotonic() > deadline:
            raise AssertionError(f"left behind: {now} after {before}\n{_listing()}")
        gc.collect(0)
        gevent.sleep(STEP)


@cache  # the count of what is frozen tells nothing: Python 3.12 begins with some
def _freeze() -> None:
    """Have what there was before the first test not be looked through each time."""
    gc.freeze()


def _is_within(now: Census, before: Census) -> bool:
    return all(mine <= theirs for mine, theirs in zip(now, before, strict=True))


def _greenlets() -> list[gevent.Greenlet[..., object]]:
    # by type(), for isinstance() asks a weak proxy, which raises where its object is gone
    found = [each for each in gc.get_objects() if issubclass(type(each), gevent.Greenlet)]
    return [each for each in found if not each.dead and not _is_done(each)]


def _is_done(greenlet: gevent.Greenlet[..., object]) -> bool:
    """Return whether this is a caretaker's with nobody left: it ends within a quarter second."""
    keeper = getattr(getattr(greenlet, "_run", None), "__self__", None)
    return isinstance(keeper, Caretaker) and not len(keeper)


def _listing() -> str:
    lines = [repr(each) for each in _greenlets()]
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the listing's own is closed by now
            lines.append(f"{name} -> {os.readlink(f'/proc/self/fd/{name}')}")
    return "\n".join(lines)
