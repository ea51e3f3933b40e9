"""A constant rate: when tasks are due, and what a stall of the server does to the latencies."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event
from locust import task
from locust.env import Environment

from geventws.adapters.locust import WebSocketUser, constant_rate
from geventws.server import serve
from tests.adapters.locust.scene import Scene, visiting
from tests.rawpeer import PATIENCE
from tests.serving import LOCAL, running

STALL = 1.0  # seconds
RATE = 20  # tasks a second


def test_tasks_are_due_by_a_schedule_that_nothing_shifts() -> None:
    user = Scene(1).user
    wait_time = constant_rate(10)
    first = wait_time(user)
    assert first == pytest.approx(0.1)
    due = user.due
    gevent.sleep(0.35)
    assert [wait_time(user), wait_time(user)] == [0, 0]
    assert user.due == pytest.approx(due + 0.2)


def test_rate_works_for_task_sets() -> None:
    user = Scene(1).user
    assert constant_rate(10)(SimpleNamespace(user=user)) > 0
    assert user.due is not None


@pytest.mark.parametrize("rate", [0, -1])
def test_rate_is_greater_than_nothing(rate: float) -> None:
    with pytest.raises(ValueError, match="per_second: must be greater than 0"):
        constant_rate(rate)


def test_response_time_counts_from_when_the_task_was_due() -> None:
    with visiting() as scene:
        scene.user.due = scene.user.take_due() - 5
        scene.ws.request("late")
        scene.ws.request("in time")
        late, in_time = scene.times("WSX")
        assert late >= 5000
        assert in_time < 5000


def test_task_that_begins_early_is_not_given_time() -> None:
    with visiting() as scene:
        scene.user.due = scene.user.take_due() + 5
        scene.ws.request("early")
        assert scene.times("WSX")[0] > 0


def test_stall_of_the_server_shows_in_all_the_requests_it_delayed() -> None:
    stalled: list[Any] = []
    enough = Event()

    def serve_one(ws: Any) -> None:
        for message in ws:
            if message == "10":
                gevent.sleep(STALL)
                stalled.append(message)
            ws.send(message)

    with running(serve(serve_one, LOCAL)) as server:

        class Steady(WebSocketUser):
            host = f"ws://127.0.0.1:{server.address[1]}"
            wait_time = constant_rate(RATE)
            count = 0

            def on_start(self) -> None:
                self.ws.connect()

            @task
            def ask(self) -> None:
                self.ws.request(f"{self.count}", "ask")
                self.count += 1
                if self.count == 50:
                    enough.set()

        locust: Any = Environment(user_classes=[Steady])
        locust.create_local_runner()
        times: list[float] = []

        def note(name: str, response_time: float, **event: Any) -> None:
            if name == "ask":
                times.append(response_time)

        locust.events.request.add_listener(note)
        try:
            locust.runner.start(1, 1)
            assert enough.wait(4 * PATIENCE)
        finally:
            locust.runner.quit()
            locust.runner.greenlet.join()
    assert stalled
    slow = [each for each in times[:50] if each > STALL * 1000 / 4]
    assert len(slow) >= 3 * STALL * RATE / 4 - 2  # one, where latencies count from the sending
