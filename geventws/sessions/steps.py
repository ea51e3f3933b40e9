"""What a recorded client did, as steps that can be done again, or written out as a program.

Session, takes -> steps_of() -> Steps
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from geventws.core.codes import GOING_AWAY, NO_STATUS_RECEIVED, NORMAL_CLOSURE, sendable
from geventws.sessions.files import CLIENT, Event, Session
from geventws.sessions.openings import moved

Message = str | bytes
Takes = Mapping[str, str]

NOTHING: Final[Takes] = {}
SHORT: Final = 0.001  # seconds; a pause below that is none
LONG: Final = 1.0  # seconds; who waited longer has to be as patient again

VARIABLE: Final = re.compile(r"\{([A-Za-z_][\w.-]*)\}")


class Step(NamedTuple):
    """One thing for a Player to do: a method, and its arguments."""

    verb: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.verb}({', '.join(map(repr, self.arguments))})"


def steps_of(
    session: Session, takes: Takes = NOTHING, *, to: str | None = None, by_the_clock: bool = False
) -> list[Step]:
    """Return what is to be done to play *session*.

    Args:
        session: what was recorded.
        takes: for each variable a regular expression. What it finds in a recorded message of the
            server is taken from the message in its place, and is put in where the client repeated
            it, as a whole word.
        to: another server, as ws://host:port, which is asked for the recorded path.
        by_the_clock: send at the recorded times, whatever the server says by then; else each
            message of the server's is awaited before the client goes on.

    Raises:
        ValueError: one of *takes*, or *to*, is wrong.
    """
    check_takes(takes)
    opening = moved(session.opening, to) if to else session.opening
    first = Step("open", (opening.uri, list(opening.headers), list(opening.offered)))
    *events, end = _ended(session.events)
    scribe = _Scribe(takes)
    if not by_the_clock:
        return [first, *scribe.by_answers(events, end)]
    watch = [Step("watch", (dict(takes),))] if takes else []
    return [*watch, first, *scribe.by_the_clock(events, end)]


def _ended(events: list[Event]) -> list[Event]:
    """Return *events* with an end: a client's own where none was recorded."""
    if events and events[-1].code is not None:
        return events
    at = events[-1].at if events else 0.0
    return [*events, Event(at, CLIENT, None, NORMAL_CLOSURE)]


class _Scribe:
    """Writes down the steps of one session."""

    def __init__(self, takes: Takes) -> None:
        self._takes = takes
        self._repeated: dict[str, str] = {}  # what the client may repeat, and its variable
        self._number = 0

    def by_answers(self, events: Iterable[Event], end: Event) -> Iterator[Step]:
        """Yield the steps of a client that waits for answers."""
        before = 0.0
        left = deque(events)
        while left:
            event = left.popleft()
            if event.sender != CLIENT:
                yield self._hearing(event, before)
            elif left and left[0].sender != CLIENT:
                yield from _thinking(event.at - before)
                asked, event = event, left.popleft()
                yield self._asking(asked, event)
            else:
                yield from _thinking(event.at - before)
                yield Step("say", (self._said(event), self._name()))
            before = event.at
        if end.sender == CLIENT:
            yield from _thinking(end.at - before)
            yield _closing(end)
        else:
            yield _step("part", end.code, _patience(end.at - before))

    def by_the_clock(self, events: list[Event], end: Event) -> Iterator[Step]:
        """Yield the steps of a client that does things at their times."""
        heard = 0
        for event, following in pairwise([*events, end]):
            if event.sender != CLIENT:
                heard += 1
                self._taking(event)
                continue
            yield Step("until", (event.at,))
            answered = following.sender != CLIENT and following.code is None
            yield _step("say", self._said(event), self._name(), answered and heard + 1)
        yield Step("until", (end.at,))
        if heard:
            yield Step("settle", (heard,))
        yield _closing(end) if end.sender == CLIENT else Step("part", (end.code,))

    def _name(self) -> str:
        self._number += 1
        return f"step {self._number}"

    def _hearing(self, event: Event, before: float) -> Step:
        return _step("hear", self._name(), self._taking(event), _patience(event.at - before))

    def _asking(self, asked: Event, answer: Event) -> Step:
        said, name, takes = self._said(asked), self._name(), self._taking(answer)
        return _step("ask", said, name, takes, _patience(answer.at - asked.at))

    def _taking(self, event: Event) -> dict[str, str]:
        """Return those of takes that find something in *event*; note what the client saw there."""
        found = taken(event.message or "", self._takes)
        self._repeated.update({value: name for name, value in found.items() if value})
        return {name: self._takes[name] for name in found}

    def _said(self, event: Event) -> Any:
        """Return the message with variables where it repeats, as whole words, what was taken."""
        repeated, message = self._repeated, event.message
        if not repeated or not isinstance(message, str):
            return message
        words = "|".join(map(re.escape, sorted(repeated, key=len, reverse=True)))
        pattern = rf"(?<!\w)({words})(?!\w)"
        return re.sub(pattern, lambda found: f"{{{repeated[found[1]]}}}", message)


def _step(verb: str, *arguments: Any) -> Step:
    """Return a step without those of its last arguments that say nothing."""
    said = list(arguments)
    while said and not said[-1]:
        said.pop()
    return Step(verb, tuple(said))


def _thinking(seconds: float) -> Iterator[Step]:
    if seconds >= SHORT:
        yield Step("think", (round(seconds, 3),))


def _patience(seconds: float) -> float:
    return round(seconds, 1) if seconds >= LONG else 0.0


def _closing(end: Event) -> Step:
    if end.code == NO_STATUS_RECEIVED:
        return Step("close", (NORMAL_CLOSURE,))
    return _step("close", end.code if sendable(end.code or 0) else GOING_AWAY, end.reason)


def check_takes(takes: Takes) -> None:
    """Raise ValueError where one of *takes* is no name with a regular expression."""
    for name, pattern in takes.items():
        if not VARIABLE.fullmatch(f"{{{name}}}"):
            raise ValueError(f"take: {name!r} is no name of letters, digits, dots and dashes")
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"take {name}: {error}") from None


def taken(message: Message, takes: Takes) -> dict[str, str]:
    """Return what each of *takes* finds in a text, by name: its group, or all where it has none."""
    if isinstance(message, bytes):
        return {}
    found = {name: re.search(pattern, message) for name, pattern in takes.items()}
    return {name: each[min(each.re.groups, 1)] or "" for name, each in found.items() if each}


def fits(message: Message, takes: Takes) -> bool:
    """Return whether all of *takes* find something in *message*."""
    return len(taken(message, takes)) == len(takes)
