from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.locustfiles import shapes
from loadtests.locustfiles.shapes import SHAPES, Plan, Shape
from tests.loadtests.locustfiles.swarm import options_of

PLAN = Plan(users=100, seconds=100, steps=4, burst=5, floor=0.2)


class Clock(Shape):
    """A shape whose time is told."""

    def __init__(self, now: float, **options: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = now
        # Locust itself says 1 where no --spawn-rate is given
        chosen = {"num_users": 100, "spawn_rate": 1, "run_time": 100, **options}
        words = options_of(shapes, *chosen.pop("words", ()))
        environment = SimpleNamespace(parsed_options=SimpleNamespace(**vars(words), **chosen))
        self.runner: Any = SimpleNamespace(environment=environment)

    def get_run_time(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("shape", "counts"),
    [
        ("ramp", {0: 0, 1: 2, 40: 50, 80: 100, 99: 100}),
        ("step", {0: 25, 24.9: 25, 25: 50, 50: 75, 75: 100, 99.9: 100}),
        ("soak", {0: 0, 2.5: 50, 5: 100, 50: 100, 95: 100, 97.5: 50, 100: 0}),
        ("burst", {0: 20, 14.9: 20, 15: 100, 19.9: 100, 20: 20, 35: 100}),
    ],
)
def test_shape_has_its_users_at_its_times(shape: str, counts: dict[float, int]) -> None:
    assert {now: SHAPES[shape](now, PLAN) for now in counts} == counts


def test_tick_is_the_shape_that_was_chosen() -> None:
    assert Clock(40).tick() == (50, 100)
    assert Clock(40, words=["--shape", "step", "--shape-steps", "2"]).tick() == (50, 100)
    assert Clock(16, words=["--shape", "burst", "--shape-burst", "5"]).tick() == (100, 100)


def test_rate_is_kept_where_one_is_given() -> None:
    assert Clock(40, words=["--shape-rate", "7.5"]).tick() == (50, 7.5)


def test_run_ends_at_its_time() -> None:
    assert Clock(99.9).tick() is not None
    assert Clock(100).tick() is None
    assert Clock(59.9, run_time=None).tick() is not None
    assert Clock(60, run_time=None).tick() is None


def test_one_user_comes_where_no_number_is_given() -> None:
    assert Clock(90, num_users=None).tick() == (1, 1)
