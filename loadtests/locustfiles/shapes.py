"""Shapes: how many users there are over the time of a run, together with any of the locustfiles.

    locust -f loadtests/locustfiles/echo.py,loadtests/locustfiles/shapes.py \\
        --shape step --users 1000 --run-time 10m --headless

--users is the most there will be, --run-time how long it takes, --shape-rate how many users come or
go in a second, where not all at once; --spawn-rate is not looked at. The shapes:

- ramp: more and more, until four fifths of the time are over; then all stay. Where does it break?
- step: --shape-steps plateaus of the same length. How much can it do without getting slower?
- soak: all within the first twentieth, and gone within the last. Does anything leak or tire?
- burst: --shape-floor of the users, and all of them for --shape-burst seconds in every four times
  that long. Does it recover?
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any, Final, NamedTuple

from locust import LoadTestShape, events

MINUTE: Final = 60.0


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_arguments(parser: Any) -> None:
    """Say what can be chosen."""
    add = parser.add_argument
    add("--shape", choices=list(SHAPES), default="ramp", help="how the number of users goes [ramp]")
    add("--shape-rate", type=float, default=0.0, help="users that come a second; 0: at once [0]")
    add("--shape-steps", type=int, default=5, help="plateaus of a step [5]")
    add("--shape-burst", type=float, default=15.0, help="seconds of a burst [15]")
    add("--shape-floor", type=float, default=0.1, help="share of users between bursts [0.1]")


class Plan(NamedTuple):
    """What was chosen: the most users, the seconds of the run, and the shapes' own figures."""

    users: int
    seconds: float = MINUTE
    steps: int = 5
    burst: float = 15.0
    floor: float = 0.1


def ramp(now: float, plan: Plan) -> int:
    """Return how many users there are *now*, of more and more."""
    return ceil(plan.users * min(1.0, now / (0.8 * plan.seconds)))


def step(now: float, plan: Plan) -> int:
    """Return how many users there are *now*, on one of the plateaus."""
    return ceil(plan.users * min(plan.steps, int(now / plan.seconds * plan.steps) + 1) / plan.steps)


def soak(now: float, plan: Plan) -> int:
    """Return how many users there are *now*, of as many as possible all the time."""
    edge = plan.seconds / 20
    return ceil(plan.users * min(1.0, now / edge, max(0.0, plan.seconds - now) / edge))


def burst(now: float, plan: Plan) -> int:
    """Return how many users there are *now*, of few between bursts of all."""
    bursting = now % (4 * plan.burst) >= 3 * plan.burst
    return plan.users if bursting else ceil(plan.users * plan.floor)


SHAPES: Final[dict[str, Callable[[float, Plan], int]]] = {
    "ramp": ramp,
    "step": step,
    "soak": soak,
    "burst": burst,
}


class Shape(LoadTestShape):
    """The shape that --shape names."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """Return how many users there are to be, and how fast they come; None at the end."""
        assert self.runner is not None
        options: Any = self.runner.environment.parsed_options
        users = options.num_users or 1
        seconds = float(options.run_time or MINUTE)
        now: float = self.get_run_time()  # type: ignore[no-untyped-call]
        if now >= seconds:
            return None
        own = (options.shape_steps, options.shape_burst, options.shape_floor)
        return SHAPES[options.shape](now, Plan(users, seconds, *own)), options.shape_rate or users
