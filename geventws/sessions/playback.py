"""Playing sessions over plain connections, and counting what comes of it.

Steps -> Playback -> connect(), send() -> server -> Ear -> Playback -> Results
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final, NamedTuple, TypeVar

import gevent
from gevent.event import Event

from geventws.benchmarking.histogram import Histogram
from geventws.benchmarking.report import time_text
from geventws.client import connect
from geventws.core.errors import ConnectionClosed, HandshakeError
from geventws.failures import failure_text
from geventws.sessions.player import KEPT, Player, ReplayFailed, play
from geventws.sessions.steps import NOTHING, Message, Step, Takes, fits
from geventws.websocket import WebSocket

PERCENTILES: Final = {"p50": 50, "p90": 90, "p99": 99, "max": 100}

T = TypeVar("T")


class Results:
    """What came of all sessions.

    Attributes:
        played: how many were played to their ends.
        failures: how many were not, by the text of what failed.
        sent, received: messages.
        answers: how long answers took.
    """

    def __init__(self) -> None:
        self.played = 0
        self.failures: Counter[str] = Counter()
        self.sent = 0
        self.received = 0
        self.answers = Histogram()

    def text(self) -> str:
        """Return this for people."""
        failed = self.failures.total()
        lines = [
            f"sessions  {self.played + failed:,}, of which {failed:,} failed",
            f"messages  {self.sent:,} sent, {self.received:,} received",
        ]
        if self.answers.count:
            lines.append(f"answers   {self.answers.count:,}, in {self._times()}")
        lines += [f"failed    {count:,}: {what}" for what, count in self.failures.most_common()]
        return "\n".join(lines)

    def _times(self) -> str:
        times = {name: self.answers.percentile(each) for name, each in PERCENTILES.items()}
        return ", ".join(f"{name} {time_text(each)}" for name, each in times.items())


class Heard(NamedTuple):
    """A message, which one it was, and when it came."""

    number: int
    message: Message
    at: float


class Ear:
    """Hears what is said on one connection, from now to its end.

    Args:
        ws: the connection.
        told: called with each that was heard.
        keeping: how many are kept; of more the oldest is forgotten.

    Attributes:
        count: how many messages came.
        kept: those that find() has not taken out.
        end: how the connection ended; None while it has not.
    """

    def __init__(self, ws: WebSocket, told: Callable[[Heard], None], keeping: int = KEPT) -> None:
        self.count = 0
        self.kept: deque[Heard] = deque(maxlen=keeping)
        self.end: ConnectionClosed | None = None
        self._ws = ws
        self._told = told
        self._news = Event()
        self._greenlet = gevent.spawn(self._hear)

    def wait(self, look: Callable[[], T | None], name: str, seconds: float) -> T:
        """Wait until *look* finds something, and return that.

        Raises:
            ReplayFailed: the connection ended first, or the time is up; it says *name*.
        """
        late = ReplayFailed(f"{name}: nothing in {seconds:g} s")
        with gevent.Timeout(seconds, late):
            while (found := look()) is None:
                if self.end is not None:
                    raise ReplayFailed(f"{name}: {failure_text(self.end)}")
                self._news.clear()
                self._news.wait()
        return found

    def find(self, takes: Takes, after: int = 0) -> Heard | None:
        """Take out the first message that *takes* fit, of those after the one of that number."""
        for heard in self.kept:
            if heard.number > after and fits(heard.message, takes):
                self.kept.remove(heard)
                return heard
        return None

    def join(self) -> None:
        """Wait until the connection has ended."""
        self._greenlet.join()

    def _hear(self) -> None:
        try:
            while True:
                message = self._ws.receive()
                self.count += 1
                heard = Heard(self.count, message, monotonic())
                self.kept.append(heard)
                self._told(heard)
                self._news.set()
        except ConnectionClosed as closed:
            self.end = closed
            self._news.set()


class Playback(Player):
    """Plays one session over a connection of its own.

    Args:
        results: where everything is counted.
        arguments: of connect(); what they say goes before what the session asks for.
        values: those of the variables.
        speed: how many times as fast as recorded.
        timeout: seconds that the server may take for a message.
    """

    def __init__(
        self,
        results: Results,
        arguments: Mapping[str, Any],
        values: Mapping[str, str],
        *,
        speed: float = 1.0,
        timeout: float = 10.0,
    ) -> None:
        self.values = dict(values)
        self.speed = speed
        self._results = results
        self._arguments = arguments
        self._timeout = timeout
        self._keeping = KEPT
        self._asked: dict[int, float] = {}  # when, by the number of the answer
        self._ws: Any = None
        self._ear: Any = None

    def play(self, steps: Sequence[Step]) -> bool:
        """Play *steps* and return whether that went well; what failed is counted.

        Raises:
            TypeError, ValueError: an argument of connect() is wrong.
        """
        if any(step.verb == "until" for step in steps):  # by the clock, where nobody waits for them
            self._keeping = 0
        try:
            play(self, steps)
        except ReplayFailed as failed:
            self._results.failures[str(failed)] += 1
            return False
        finally:
            if self._ws is not None:
                self._ws.drop()
                self._ear.join()
        self._results.played += 1
        return True

    # The steps, as Player has them

    def open(self, uri: str, headers: Iterable[tuple[str, str]], offered: Iterable[str]) -> None:
        """Connect, and hear all that comes from then on."""
        arguments = self.asking(self._arguments, headers, offered)
        with _blaming("open"):
            self._ws = connect(str(self.fill(uri)), **arguments)
        self._ear = Ear(self._ws, self._note, self._keeping)
        self.begin()

    def ask(self, message: Message, name: str, takes: Takes = NOTHING, after: float = 0.0) -> None:
        """Send *message*, and wait for the first one after that which *takes* fit."""
        before, start = self._ear.count, monotonic()
        self.say(message, name)
        heard = self._wait(lambda: self._ear.find(takes, before), name, after)
        self._results.answers.add(heard.at - start)
        self.take(heard.message, takes)

    def say(self, message: Message, name: str, answer: int = 0) -> None:
        """Send *message*; the one of number *answer* answers it, where that is not 0."""
        asked_at = self.asked_at()
        if answer:
            self._asked[answer] = asked_at
        with _blaming(name):
            self._ws.send(self.fill(message))
        self._results.sent += 1

    def hear(self, name: str, takes: Takes = NOTHING, after: float = 0.0) -> None:
        """Wait for the first message that *takes* fit and that no other step has had."""
        self.take(self._wait(lambda: self._ear.find(takes), name, after).message, takes)

    def settle(self, count: int) -> None:
        """Wait until *count* messages have come."""
        self._wait(lambda: self._ear.count >= count or None, "settle")

    def close(self, code: int, reason: str = "") -> None:
        """Close."""
        self._ws.close(code, reason)
        self._ear.join()
        if not self._ear.end.clean:
            raise ReplayFailed(f"close: {failure_text(self._ear.end)}")

    def part(self, code: int, after: float = 0.0) -> None:
        """Wait until the server closes, and check that it does so with *code*."""
        end = self._wait(lambda: self._ear.end, "part", after)
        if end.code != code:
            raise ReplayFailed(f"part: {failure_text(end)}, recorded was {code}")

    def _wait(self, look: Callable[[], T | None], name: str, after: float = 0.0) -> T:
        found: T = self._ear.wait(look, name, self._timeout + after / self.speed)
        return found

    def _note(self, heard: Heard) -> None:
        self._results.received += 1
        self.overhear(heard.message)
        asked = self._asked.pop(heard.number, None)
        if asked is not None:
            self._results.answers.add(heard.at - asked)


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Have what the network or the server does wrong in a block be the failure of step *name*."""
    try:
        yield
    except ValueError:  # InvalidURI is one, too: the caller's mistake
        raise
    except (HandshakeError, ConnectionClosed, OSError) as error:
        raise ReplayFailed(f"{name}: {failure_text(error)}") from error


def play_all(
    sessions: list[list[Step]],
    make: Callable[[int], Playback],
    users: int,
    ramp: float = 0.0,
) -> None:
    """Have *users* play at once, each one of *sessions* in turn; return when all have ended.

    Args:
        sessions: the steps of each.
        make: makes the Playback of the user with that number, from 0 on.
        users: how many.
        ramp: seconds that the beginnings are spread over.

    Raises:
        TypeError, ValueError: an argument of connect() is wrong.
    """
    playing = [
        gevent.spawn_later(
            ramp * number / users, make(number).play, sessions[number % len(sessions)]
        )
        for number in range(users)
    ]
    try:
        gevent.joinall(playing, raise_error=True)
    finally:
        gevent.killall(playing)
