"""Relays and taps for the length of a test, and what they wrote down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from geventws.core.errors import ConnectionClosed
from geventws.server import serve
from geventws.sessions.files import Session, read_session
from geventws.sessions.recording import Recorder, Relay, recorded
from geventws.websocket import WebSocket
from tests.rawpeer import PATIENCE
from tests.serving import LOCAL, running


class Place(NamedTuple):
    """A relay in front of a server, or a server with a tap."""

    uri: str
    directory: Path
    server: Any

    def sessions(self) -> list[Session]:
        """Return what was written down, in the order of connections."""
        paths = sorted(self.directory.iterdir(), key=lambda path: int(path.stem.split("-")[-1]))
        return [read_session(path) for path in paths]


def said(session: Session) -> list[tuple[Any, ...]]:
    """Return who said what, and how it ended."""
    return [each[1:3] if each.code is None else each[1::2] for each in session.events]


@contextmanager
def relaying(upstream: str, directory: Path, **arguments: Any) -> Iterator[Place]:
    """Have a relay run in front of the server at *upstream*."""
    relay = Relay(upstream, Recorder(directory), **arguments)
    with running(relay.server(LOCAL)) as server:
        yield Place(f"ws://127.0.0.1:{server.address[1]}", directory, server)


@contextmanager
def relayed(handler: Any, directory: Path, **arguments: Any) -> Iterator[Place]:
    """Have *handler* run behind a relay."""
    with (
        running(serve(handler, LOCAL, **arguments)) as server,
        relaying(f"ws://127.0.0.1:{server.address[1]}", directory) as place,
    ):
        yield place


@contextmanager
def tapped(handler: Any, directory: Path, **arguments: Any) -> Iterator[Place]:
    """Have *handler* run with a tap."""
    with running(serve(recorded(handler, directory), LOCAL, **arguments)) as server:
        yield Place(f"ws://127.0.0.1:{server.address[1]}", directory, server)


def end_of(ws: WebSocket) -> tuple[int, str, bool]:
    """Wait for the end of *ws* and return its code and reason, and whether it was clean."""
    with pytest.raises(ConnectionClosed) as caught:
        ws.receive(timeout=PATIENCE)
    return caught.value.code, caught.value.reason, caught.value.clean
