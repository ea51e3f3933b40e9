"""A WSGI application without a framework, which counts who is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import geventws

rooms = {"tea": 0}


def application(environ: Any, start_response: Any) -> list[bytes]:
    """Answer a request, or serve a WebSocket."""

    def answer(status: str, body: str) -> list[bytes]:
        start_response(status, [("Content-Type", "text/plain")])
        return [body.encode()]

    name = environ["PATH_INFO"].removeprefix("/rooms/")
    if name == "/":
        return answer("200 OK", f"{rooms['tea']} at tea")
    if environ["QUERY_STRING"] != "token=secret":
        return answer("401 Unauthorized", "who are you?")
    if name not in rooms:
        return answer("404 Not Found", "no such room")
    try:
        with present(name):
            serve(environ, start_response)
    except geventws.InvalidHandshake as error:
        return answer(f"{error.status} Refused", f"{error}")
    return []


@contextmanager
def present(name: str) -> Iterator[None]:
    """Count one more in the room."""
    rooms[name] += 1
    try:
        yield
    finally:
        rooms[name] -= 1


def serve(environ: Any, start_response: Any) -> None:
    """Send every message back."""
    ws = geventws.upgrade(environ, start_response, subprotocols=["chat"], max_size=2**23)
    with suppress(geventws.ConnectionClosed), ws:
        for message in ws:
            ws.send(message)
