"""Playing a session again: what every player has, whatever it plays over.

Steps -> play() -> a Player, which does them with the values of its variables
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from time import monotonic
from typing import Any, Final

import gevent

from geventws.sessions.files import Session, read_session
from geventws.sessions.har import read_har
from geventws.sessions.openings import asking
from geventws.sessions.steps import NOTHING, VARIABLE, Message, Step, Takes, taken

KEPT: Final = 10_000  # messages that may come before a step waits for them; of more the oldest goes


class ReplayFailed(Exception):
    """The server does not do what it did in the recording; the text has nothing that varies."""


class Player:
    """What does the steps of a session; a subclass says how.

    It has these methods, which raise where the session cannot go on:

        watch(takes)                    from now on take from whatever comes
        open(uri, headers, offered)     connect
        ask(message, name[, takes[, after]])    send a message and wait for its answer
        say(message, name[, answer])    send one; its answer is the message of that number
        hear(name[, takes[, after]])    wait for a message
        settle(count)                   wait until so many messages have come in all
        close(code[, reason])           close
        part(code[, after])             wait for the server to close, with that code

    *takes* are variables and the regular expressions that find them in what comes, *after* the
    seconds that it took in the recording, where those are many.

    Attributes:
        values: the variables, which fill() puts in.
        speed: how many times as fast as recorded.
    """

    values: dict[str, str]
    speed: float = 1.0
    _opened_at: float = 0.0
    _due: float | None = None
    _watched: Takes = NOTHING

    def begin(self) -> None:
        """Begin the time that until() counts from."""
        self._opened_at = monotonic()

    def think(self, seconds: float) -> None:
        """Pause for so many seconds of the recording."""
        gevent.sleep(seconds / self.speed)

    def until(self, at: float) -> None:
        """Pause until the recording was *at* so many seconds; not at all where it is later."""
        self._due = self._opened_at + at / self.speed
        left = self._due - monotonic()
        if left > 0:
            gevent.sleep(left)

    def asked_at(self) -> float:
        """Return when the message that is sent now was due; who is late is not to look fast."""
        due, self._due = self._due, None
        return monotonic() if due is None else due

    def asking(
        self,
        arguments: Mapping[str, Any],
        headers: Iterable[tuple[str, str]],
        offered: Iterable[str],
    ) -> dict[str, Any]:
        """Return *arguments* for connect() with what the session asked for, filled."""
        given = [(name, filled(value, self.values)) for name, value in headers]
        return asking(arguments, given, [filled(each, self.values) for each in offered])

    def fill(self, message: Message) -> Message:
        """Return *message* with the values of variables in the place of their names in braces."""
        return filled(message, self.values) if isinstance(message, str) else message

    def watch(self, takes: Takes) -> None:
        """Have overhear() take what *takes* find."""
        self._watched = takes

    def overhear(self, message: Message) -> None:
        """Keep what is to be taken from a *message* that no step waits for."""
        if self._watched:
            self.take(message, self._watched)

    def take(self, message: Message, takes: Takes) -> None:
        """Keep as values what *takes* find in *message*."""
        self.values |= taken(message, takes)


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with values in the place of names in braces; unknown names stay."""
    return VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def play(player: Player, steps: Iterable[Step]) -> None:
    """Have *player* do *steps*; what it raises ends that."""
    for verb, arguments in steps:
        getattr(player, verb)(*arguments)


# What is played


def read_sessions(path: str | PathLike[str]) -> list[Session]:
    """Return the sessions of the file at *path*: a session file's one, or those of a *.har.

    Raises:
        ValueError, OSError: as read_session() and read_har().
    """
    return read_har(path) if Path(path).suffix.lower() == ".har" else [read_session(path)]


def check_values(session: Session, values: Mapping[str, str]) -> None:
    """Raise ValueError where *values* lack a variable that stands for what was redacted."""
    lacking = [name for name in session.opening.redacted if name not in values]
    if lacking:
        raise ValueError(f"{session.name}: redacted, so a value is to be set: {', '.join(lacking)}")
