"""Recorded sessions, written out as a locustfile that people can edit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from geventws.sessions.files import Session
from geventws.sessions.steps import Step
from geventws.websocket import QUIET

LINE: Final = 100  # columns
HEAD: Final = '''\
"""What was recorded, as a load test: locust -f this file."""

from geventws.adapters.locust import ReplayUser, install_fine_buckets

install_fine_buckets()'''


def locustfile(
    sessions: Sequence[Session],
    played: Sequence[Sequence[Step]],
    values: Mapping[str, str],
    speed: float = 1.0,
) -> str:
    """Return a locustfile with a user for each of *sessions*, which does the steps *played*.

    *values* are those of variables; one that was redacted and has none is left to who edits it.
    """
    lines = [HEAD]
    for number, (session, steps) in enumerate(zip(sessions, played, strict=True), 1):
        name = "Replay" if len(sessions) == 1 else f"Replay{number}"
        lacking = [each for each in session.opening.redacted if each not in values]
        lines += ["", "", f"class {name}(ReplayUser):", f"    # {session.name}"]
        lines += _attributes(steps, {**values, **dict.fromkeys(lacking, "")}, speed)
        lines += ["", "    def play(self):", *_calls(steps)]
    return "\n".join(lines) + "\n"


def _attributes(steps: Sequence[Step], values: Mapping[str, str], speed: float) -> Iterator[str]:
    host, _ = _split(_opening(steps).arguments[0])
    if host:
        yield f"    host = {host!r}"
    if values:
        yield f"    variables = {dict(values)!r}"
    if speed != 1:
        yield f"    speed = {speed!r}"
    if any(step.verb == "until" for step in steps):
        yield "    by_the_clock = True"
    codes = {step.arguments[0] for step in steps if step.verb == "part"}
    if codes - QUIET:
        yield f"    expected_close_codes = {sorted(QUIET | codes)!r}"


def _opening(steps: Sequence[Step]) -> Step:
    return next(step for step in steps if step.verb == "open")


def _split(uri: str) -> tuple[str, str]:
    """Return the host of *uri* and what to ask it for; of a unix socket all is the latter."""
    parts = urlsplit(uri)
    if not parts.netloc:
        return "", uri
    return f"{parts.scheme}://{parts.netloc}", uri.partition(parts.netloc)[2] or "/"


def _calls(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        arguments = list(step.arguments)
        if step.verb == "open":
            arguments[0] = _split(arguments[0])[1]
        while arguments and arguments[-1] in ([], ""):
            arguments.pop()
        yield from _call(f"        self.{step.verb}(", list(map(repr, arguments)))


def _call(begin: str, arguments: Sequence[str]) -> Iterator[str]:
    """Yield a call in one line, or in one for each argument where that would be too long."""
    line = f"{begin}{', '.join(arguments)})"
    if len(line) <= LINE or len(arguments) < 2:
        yield line
        return
    yield begin
    yield from (f"            {argument}," for argument in arguments)
    yield "        )"
