"""The users of one locustfile, run by Locust in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import gevent
from gevent.event import Event
from locust.argument_parser import get_empty_argument_parser
from locust.env import Environment
from locust.util.load_locustfile import is_user_class

from tests.rawpeer import PATIENCE


def options_of(module: Any, *words: str) -> Any:
    """Return what a locustfile makes of a command line."""
    parser = get_empty_argument_parser()
    module.add_arguments(parser)
    return parser.parse_args(words)


class Swarm:
    """Users that run, and what they report."""

    def __init__(self, module: ModuleType, url: str, *words: str) -> None:
        options = options_of(module, *words)
        self.kind: Any = next(each for each in vars(module).values() if is_user_class(each))
        self.environment: Any = Environment(
            user_classes=[self.kind], host=url, parsed_options=options
        )
        self.environment.stop_timeout = PATIENCE
        self.rows: Counter[str] = Counter()
        self.events: list[dict[str, Any]] = []
        self._news = Event()
        requests: Any = self.environment.events.request
        requests.add_listener(self._take)

    def _take(self, **event: Any) -> None:
        self.events.append(event)
        self.rows[f"{event['request_type']} {event['name']}"] += 1
        self._news.set()

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until *condition* holds after something was reported."""
        with gevent.Timeout(2 * PATIENCE, AssertionError(f"only {self.rows}")):
            while not condition():
                self._news.clear()
                self._news.wait()

    def until_told(self, row: str, count: int = 1) -> None:
        """Wait until *row* was reported so often."""
        self.until(lambda: self.rows[row] >= count)

    def times(self, row: str) -> list[Any]:
        """Return the response times of one row."""
        return [
            each["response_time"]
            for each in self.events
            if f"{each['request_type']} {each['name']}" == row
        ]

    @property
    def user(self) -> Any:
        """One of the users."""
        return next(iter(self.environment.runner.user_greenlets)).args[0]

    @property
    def failures(self) -> set[str]:
        """What failed, as Locust's tables have it."""
        return {str(each["exception"]) for each in self.events if each["exception"] is not None}


@contextmanager
def swarming(module: ModuleType, url: str, *words: str, users: int = 3) -> Iterator[Swarm]:
    """Have users run, and stop them in the end as the command line does."""
    swarm = Swarm(module, url, *words)
    runner = swarm.environment.create_local_runner()
    try:
        runner.start(users, users)
        yield swarm
    finally:
        runner.quit()
        runner.greenlet.join()
