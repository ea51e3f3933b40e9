"""ReplayUser: a user that plays a recorded session, each step measured.

session file -> steps_of() -> Steps -> play() -> ReplayUser -> MeasuredWebSocket
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, partial
from itertools import count
from time import monotonic
from typing import Any, ClassVar, Final

import gevent
from gevent.event import Event
from locust import task

from geventws.adapters.locust.matching import Match
from geventws.adapters.locust.response import Response, size_of
from geventws.adapters.locust.user import WebSocketUser
from geventws.adapters.locust.websocket import MeasuredWebSocket
from geventws.core.codes import NORMAL_CLOSURE
from geventws.sessions.files import Session
from geventws.sessions.player import KEPT, Player, ReplayFailed, check_values, play, read_sessions
from geventws.sessions.steps import NOTHING, Message, Step, Takes, fits, steps_of

Headers = Iterable[tuple[str, str]]

_numbers: Final = count()


class ReplayUser(Player, WebSocketUser):
    """A user whose task is to play a recorded session, again and again.

    What a step of the recording does is reported as what it is: ask() and hear() as WSX, say() as
    WSS. By the clock the answer to say() is reported as WSX too, with the time since the message
    was due. A step that fails ends the session; the next one begins with a new connection.

    Attributes:
        session: the path of a session file, or of a HAR file, of which each user plays one of the
            WebSockets. Without it override play().
        takes: variables, and the regular expressions that find them in what the server says.
        variables: the values of others; {user} is the number of the user, in its process.
        by_the_clock: send at the recorded times, whatever the server says by then.
        speed: how many times as fast as recorded.
        host: the server; without one it is that of the recording.
        values: those of the variables, in the session that is being played.
    """

    abstract = True

    session: ClassVar[str | None] = None
    takes: ClassVar[Takes] = NOTHING
    variables: ClassVar[Mapping[str, str]] = {}
    by_the_clock: ClassVar[bool] = False
    unread_limit: ClassVar[int] = KEPT

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.number = next(_numbers)
        self.values = {}
        self._heard = 0
        self._news = Event()
        self._asked: dict[int, tuple[str, float]] = {}  # the step and when, by number of the answer

    def name_step(self, name: str, message: Message) -> str:
        """Return the name of a step in the statistics, one of a few; else it is "step 1" and so on.

        Args:
            name: that.
            message: what the step sends; empty where it only waits.
        """
        return name

    @task
    def replay(self) -> None:
        """Play the session once."""
        self.values = {"user": str(self.number), **self.variables}
        try:
            self.play()
        except ReplayFailed:  # who found it has reported it
            self.ws.leave()

    def play(self) -> None:
        """Do the steps of the session; a locustfile may have them written out in its place.

        Raises:
            ReplayFailed: one of them failed, and was reported.
            ValueError: there is no session, it cannot be read, or a variable has no value.
        """
        if self.session is None:
            raise ValueError("session: the path of a session file, or override play()")
        sessions = _sessions(self.session)
        number = self.number % len(sessions)
        check_values(sessions[number], self.variables)
        to = self.address_of("/") if self.ws_host or self.host else None
        steps = _steps(self.session, tuple(self.takes.items()), to, self.by_the_clock)[number]
        codes = [step.arguments[0] for step in steps if step.verb == "part"]
        vars(self)["expected_close_codes"] = {*self.expected_close_codes, *codes}
        play(self, steps)

    # The steps, as Player has them

    def open(self, uri: str, headers: Headers = (), offered: Iterable[str] = ()) -> None:
        """Connect to *uri*, or to the host where it is a path only."""
        self.ws.leave()
        self._heard = 0
        self._asked.clear()
        arguments = self.asking(self.ws_options, headers, offered)
        _check(self.ws.connect(str(self.fill(uri)), **arguments), "open")
        self.begin()

    def ask(self, message: Message, name: str, takes: Takes = NOTHING, after: float = 0.0) -> None:
        """Send *message*, and wait for the next one that *takes* fit."""
        named = self.name_step(name, message)
        timeout = self._patience(after)
        self._have(self.ws.request(self.fill(message), named, _match(takes), timeout), name, takes)

    def say(self, message: Message, name: str, answer: int = 0) -> None:
        """Send *message*; the one of number *answer* answers it, where that is not 0."""
        named, asked_at = self.name_step(name, message), self.asked_at()
        if answer:
            self._asked[answer] = named, asked_at
        _check(self.ws.send(self.fill(message), named), name)

    def hear(self, name: str, takes: Takes = NOTHING, after: float = 0.0) -> None:
        """Wait for a message that *takes* fit, or have one that was kept."""
        named = self.name_step(name, "")
        self._have(self.ws.expect(_match(takes), named, self._patience(after)), name, takes)

    def settle(self, count: int) -> None:
        """Wait until *count* messages have come; reported as WSM."""
        late = ReplayFailed(f"not all messages in {self.reply_timeout:g} s")
        with self.ws.measure("settle"), gevent.Timeout(self.reply_timeout, late):
            while self._heard < count:
                self._news.clear()
                self._news.wait()

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close."""
        self.ws.close(code, reason)

    def part(self, code: int, after: float = 0.0) -> None:
        """Wait until the server closes with *code*; reported as WSM."""
        seconds = self._patience(after)
        late = ReplayFailed(f"not closed in {seconds:g} s")
        with self.ws.measure("part"), gevent.Timeout(seconds, late):
            for _ in self.ws.listen():
                pass
            found = self.ws.connection and self.ws.connection.close_code
            if found != code:
                raise ReplayFailed(f"closed with {found}, recorded was {code}")

    # What comes while no step waits for it

    def messages_to_keep(self) -> int:
        """Return the unread_limit; 0 by the clock, where nobody waits for messages."""
        return 0 if self.by_the_clock else self.unread_limit

    def on_message(self, ws: MeasuredWebSocket, message: Message) -> None:
        """Count *message* for settle(), take what watch() said, and report what it answers."""
        self._heard += 1
        if asked := self._asked.pop(self._heard, None):
            self._report_answer(message, *asked)
        self._news.set()
        self.overhear(message)

    def _report_answer(self, message: Message, name: str, asked_at: float) -> None:
        self.environment.events.request.fire(
            request_type="WSX",
            name=name,
            response_time=(monotonic() - asked_at) * 1000,
            response_length=size_of(message),
            exception=None,
            context=self.context(),
            url=self.ws.url,
        )

    def _patience(self, after: float) -> float:
        return self.reply_timeout + after / self.speed

    def _have(self, response: Response, name: str, takes: Takes) -> None:
        _check(response.ok, name)
        self.take(response.message or "", takes)


def _check(well: bool, name: str) -> None:
    if not well:
        raise ReplayFailed(f"{name} failed")


def _match(takes: Takes) -> Match:
    return partial(fits, takes=takes) if takes else None


@cache
def _sessions(path: str) -> list[Session]:
    """Return what the file at *path* has; all users share it."""
    return read_sessions(path)


@cache
def _steps(
    path: str, takes: tuple[tuple[str, str], ...], to: str | None, clock: bool
) -> list[list[Step]]:
    return [steps_of(each, dict(takes), to=to, by_the_clock=clock) for each in _sessions(path)]
