"""A constant rate that a slow server cannot slow down unnoticed.

A user that waits for one answer before it sends the next request asks a stalled server few
questions, so the stall hardly shows in the percentiles: "coordinated omission". At a constant rate
every request has a time at which it is due, and its latency counts from there.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any


def constant_rate(per_second: float) -> Callable[[Any], float]:
    """Return a wait_time for tasks that begin *per_second* times a second, by a fixed schedule.

    A task that took too long is followed by others without a wait until the schedule is caught up
    with. In each task the response time of the first request() counts from when the task was due,
    not from when it could be sent at last. The schedule of a user begins when its first task ends.
    It is for a WebSocketUser, and for TaskSets of one.

    Raises:
        ValueError: *per_second* is not greater than 0.
    """
    if per_second <= 0:
        raise ValueError("per_second: must be greater than 0")
    interval = 1 / per_second

    def wait_time(instance: Any) -> float:
        user = getattr(instance, "user", instance)  # a TaskSet has one
        now = perf_counter()
        user.due = (now if user.last_due is None else user.last_due) + interval
        user.last_due = user.due
        return max(user.due - now, 0.0)  # type: ignore[no-any-return]

    return wait_time
