"""A broker whose calls can be made to wait or to fail, to see what happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from geventws.broker import History, MemoryBroker, Position, Publication
from geventws.manager import Manager


class Gate(MemoryBroker):
    """A broker on which a call can be made to wait, or to fail.

    Attributes:
        hold: by the name of a method, what is called before it does anything; by "answer", what is
            called when history() has found what it returns.
        asked: the positions that history() was asked about.
        calls: the methods called, with their rooms.
        late: where this is a list, deliveries are put there and not made.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.hold: dict[str, Callable[[], object]] = {}
        self.calls: list[tuple[str, str]] = []
        self.asked: list[Position | None] = []
        self.late: list[Callable[[], object]] | None = None
        self._delivers: dict[Any, Any] = {}

    def subscribe(self, room: str, deliver: Any) -> None:
        self._pass("subscribe", room)

        def in_time(publication: Publication) -> None:
            if self.late is None:
                deliver(publication)
            else:
                self.late.append(lambda: deliver(publication))

        self._delivers[deliver] = in_time
        super().subscribe(room, in_time)

    def unsubscribe(self, room: str, deliver: Any) -> None:
        self._pass("unsubscribe", room)
        super().unsubscribe(room, self._delivers.pop(deliver, deliver))

    def history(self, room: str, since: Position | None = None) -> History:
        self._pass("history", room)
        self.asked.append(since)
        found = super().history(room, since)
        self.hold.get("answer", bool)()
        return found

    def deliver_now(self) -> None:
        """Make the deliveries that are late."""
        late, self.late = self.late or [], None
        for deliver in late:
            deliver()

    def _pass(self, method: str, room: str) -> None:
        self.calls.append((method, room))
        self.hold.get(method, bool)()


def fail() -> None:
    raise ConnectionError("unreachable")


def leave_nothing(manager: Manager, broker: Gate) -> None:
    """Drop everybody, and see that the broker is told."""
    for ws in manager:
        ws.drop()
    subscribed = [room for method, room in broker.calls if method == "subscribe"]
    gone = [room for method, room in broker.calls if method == "unsubscribe"]
    assert set(subscribed) <= set(gone)
    assert not broker._subscribed
    assert not broker._present
    sharing: Any = manager._sharing
    assert sharing._shared == {}


@pytest.fixture
def broker() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.close()


@pytest.fixture
def manager(broker: Gate) -> Iterator[Manager]:
    made = Manager(broker=broker)
    yield made
    broker.hold.clear()
    leave_nothing(made, broker)
