"""The whole of it, with workers that are processes, is in tests/loadtests/test_load.py."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from locust.env import Environment

from loadtests.locustfiles import finish


class Master:
    """What a master has of its workers: some end when they are told to."""

    def __init__(self, workers: list[str], deaf: tuple[str, ...] = ()) -> None:
        self.clients = SimpleNamespace(all=[SimpleNamespace(id=name) for name in workers])
        self.environment = SimpleNamespace(stop_timeout=0.05 - finish.GRACE)
        self.server = self
        self.told: list[tuple[str, str]] = []
        self._deaf = deaf

    def send_to_client(self, message: Any) -> None:
        self.told.append((message.type, message.node_id))
        if message.node_id not in self._deaf:
            self.clients.all = [each for each in self.clients.all if each.id != message.node_id]


@pytest.mark.parametrize(("deaf", "said"), [((), ""), (("b",), "1 workers have not ended")])
def test_workers_are_told_and_waited_for(
    deaf: tuple[str, ...], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    master = Master(["a", "b"], deaf)
    with caplog.at_level(logging.ERROR):
        finish.wait_for_workers(master)
    assert master.told == [("quit", "a"), ("quit", "b")]
    assert said in caplog.text
    assert bool(caplog.text) == bool(said)


def test_who_is_no_master_does_not_wait() -> None:
    environment: Any = Environment(parsed_options=SimpleNamespace(headless=True))
    runner = environment.create_local_runner()
    listeners = list(environment.events.test_stop._handlers)
    finish.prepare(environment, runner)
    assert environment.events.test_stop._handlers == listeners
    runner.quit()
    runner.greenlet.join()
