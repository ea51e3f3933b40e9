"""A user with its server, and all that it reports to Locust."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment

from geventws.adapters.locust import WebSocketUser
from geventws.server import serve
from tests.rawpeer import PATIENCE
from tests.servers import serving
from tests.serving import LOCAL, echo, running


class Scene:
    """One user that nobody runs, so that a test does what its tasks would do."""

    def __init__(self, port: int, kind: type[WebSocketUser] = WebSocketUser, **own: Any) -> None:
        self.environment: Any = Environment()
        self.events: list[dict[str, Any]] = []
        self.errors: list[Exception] = []  # that its code raised
        self._news = Event()
        events: Any = self.environment.events
        events.request.add_listener(self._take)
        events.user_error.add_listener(self._take_error)
        members = {"host": f"ws://127.0.0.1:{port}", "reply_timeout": PATIENCE, **own}
        self.user = type("Tester", (kind,), members)(self.environment)
        self.ws = self.user.ws

    def _take(self, **event: Any) -> None:
        self.events.append(event)
        self._news.set()

    def _take_error(self, user_instance: Any, exception: Exception, tb: Any) -> None:
        assert (user_instance, tb) == (self.user, exception.__traceback__)
        self.errors.append(exception)
        self._news.set()

    @property
    def told(self) -> list[str]:
        """What was reported, in the order of events: "WSX echo", "WSX echo: no reply in 1 s"."""
        return [text_of(event) for event in self.events]

    def wait_until_told(self, count: int) -> list[str]:
        """Wait until so many events were reported and return them."""
        self._wait(lambda: len(self.events) >= count)
        return self.told

    def wait_until_raised(self, count: int) -> None:
        """Wait until its code raised so many errors."""
        self._wait(lambda: len(self.errors) >= count)

    def _wait(self, condition: Callable[[], bool]) -> None:
        with gevent.Timeout(2 * PATIENCE):
            while not condition():
                self._news.clear()
                self._news.wait()

    def times(self, kind: str) -> list[Any]:
        """Return the response times of the events of one *kind*."""
        return [each["response_time"] for each in self.events if each["request_type"] == kind]


def text_of(event: dict[str, Any]) -> str:
    """Return one event in words."""
    words = f"{event['request_type']} {event['name']}"
    return words if event["exception"] is None else f"{words}: {event['exception']}"


@contextmanager
def visiting(handler: Any = echo, kind: type[WebSocketUser] = WebSocketUser, **own: Any) -> Any:
    """Give a user that is connected to a server of ours with *handler*."""
    with running(serve(handler, LOCAL)) as server:
        scene = Scene(int(server.address[1]), kind, **own)
        try:
            assert scene.ws.connect()
            yield scene
        finally:
            scene.user._leave(None)


@contextmanager
def facing(talk: Callable[[Any], None], **own: Any) -> Iterator[Scene]:
    """Give a user whose server does *talk*, byte by byte; it is not connected yet."""
    with serving(talk) as server:
        scene = Scene(server.port, **own)
        try:
            yield scene
        finally:
            scene.user._leave(None)
