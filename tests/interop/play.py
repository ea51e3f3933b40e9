"""The cases, as any client plays them, ours or theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import geventws
from geventws.core.deflate import Deflate
from tests.interop.scenes import FRAGMENTS, IN_TIME, MESSAGES, Message, cut, joined

CASES = {
    "text": ["text", "text"],  # again: now there is a context
    "binary": ["binary", "binary"],
    "fragmented": [],
    "empty": ["empty-text", "empty-binary", "text", "empty-text"],
    "1 MiB": ["1-MiB-text", "1-MiB-random"],
}


class Talker(Protocol):
    """A connected client, ours or theirs."""

    can_fragment: bool

    def send(self, message: Message) -> None: ...
    def send_fragments(self, fragments: list[Message]) -> None: ...
    def receive(self) -> Message: ...
    def close(self) -> None: ...


class OurClient:
    """Our client with the face of theirs."""

    can_fragment = True

    def __init__(self, uri: str, compression: Deflate | None) -> None:
        self._ws = geventws.connect(uri, compression=compression)

    def send(self, message: Message) -> None:
        self._ws.send(message)

    def send_fragments(self, fragments: list[Message]) -> None:
        self._ws.send(iter(fragments))

    def receive(self) -> Message:
        message: Message = self._ws.receive(timeout=IN_TIME)
        return message

    def close(self) -> None:
        self._ws.close()


def path_of(case: str) -> str:
    """Return what the server is to be asked for: where to cut is its part of *case*."""
    return "cut" if case == "fragmented" else "echo"


def answer(ws: geventws.WebSocket) -> None:
    """Do our server's part of every case."""
    assert ws.request is not None
    for message in ws:
        ws.send(iter(cut(message)) if ws.request.path == "/cut" else message)


def play(case: str, talker: Talker) -> None:
    """Send the messages of *case*; each must come back."""
    for name in CASES[case]:
        talker.send(MESSAGES[name])
        check(talker, MESSAGES[name], name)
    for name, fragments in FRAGMENTS.items() if case == "fragmented" else ():
        if talker.can_fragment:
            talker.send_fragments(fragments)
        else:
            talker.send(joined(fragments))
        check(talker, joined(fragments), name)


def check(talker: Talker, message: Message, name: str) -> None:
    """Receive *message*."""
    received = talker.receive()
    if received != message:
        raise ValueError(f"{name}: another message came back, {received[:20]!r}")


def attempt(case: str, uri: str, connect: Callable[[str], Talker]) -> str:
    """Play *case* on a new connection to *uri*; return what went wrong, or nothing."""
    try:
        talker = connect(f"{uri}/{path_of(case)}")
        play(case, talker)
        talker.close()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
