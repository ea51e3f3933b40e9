"""Round trips in greenlets, one for each connection."""

from __future__ import annotations

import os
from collections.abc import Callable

import gevent

from loadtests.bench.clients import Plan, Stretch


def measure(talk: Callable[[Plan, int], None], plan: Plan) -> None:
    """Have *talk* make round trips on every connection of *plan*, for ever, and measure them."""
    for index in plan.connections:
        gevent.spawn(talk, plan, index).link(lambda ended: os._exit(1))
    while not all(plan.counts):
        gevent.sleep(0.01)
    gevent.sleep(plan.warm)
    stretch = Stretch(plan)
    gevent.sleep(plan.seconds)
    stretch.end()
