"""One connection under load, and the messages on it whose answers have not come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import cycle
from typing import Any, Final

from gevent.queue import SimpleQueue

from geventws.benchmarking.plan import Plan
from geventws.core.errors import ConnectionClosed
from geventws.websocket import WebSocket

# Bytes in flight that all socket buffers hold: above that, who sends has to be another one than
# who receives, or both ends might wait to be read.
HELD: Final = 32 * 1024


class Lane:
    """A connection, and when the messages that wait for an answer were due, the oldest first.

    A lane that is over has ended, and why has been told.
    """

    __slots__ = ("_expected", "_line", "_messages", "over", "waiting", "ws")

    def __init__(self, ws: WebSocket, plan: Plan, number: int) -> None:
        self.ws = ws
        self.over = False
        self.waiting: deque[float] = deque()
        start = number % len(plan.messages)  # what is meant for another lane should look wrong
        messages = plan.messages[start:] + plan.messages[:start]
        self._messages = cycle(messages)
        self._expected = cycle(messages) if plan.echo else None
        has_sender = plan.rate is not None or plan.in_flight * plan.size > HELD
        self._line: Any = SimpleQueue() if has_sender else None

    @property
    def has_sender(self) -> bool:
        """Whether send_asked() has to run somewhere, for ask() only tells it."""
        return self._line is not None

    def ask(self, due: float) -> None:
        """Send the next message, which was due then, or tell who does.

        Raises:
            ConnectionClosed: the connection is closed.
        """
        self.waiting.append(due)
        if self._line is None:
            self.ws.send(next(self._messages))
        else:
            self._line.put(due)

    def send_asked(self, sending: Callable[[float], None]) -> None:
        """Send what is asked for, telling *sending* when it was due, until the connection ends."""
        get, send, messages = self._line.get, self.ws.send, self._messages
        try:
            while True:
                sending(get())
                send(next(messages))
        except ConnectionClosed:
            return  # who receives tells

    def is_right(self, answer: str | bytes) -> bool:
        """Return whether *answer* is that to the oldest message, which is then answered."""
        return self._expected is None or answer == next(self._expected)

    def pass_over(self) -> None:
        """Receive what has come without having been asked for, such as a greeting."""
        try:
            while True:
                self.ws.receive(timeout=0)
        except (TimeoutError, ConnectionClosed):
            return
