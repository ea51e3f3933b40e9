"""Opening handshakes for the tests: valid ones, and what becomes of them when one thing differs."""

from __future__ import annotations

from geventws.core.handshake import Opening, Request, accept_key, parse_response
from geventws.core.headers import Headers

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ASKED = {
    **{"Host": "example.org", "Upgrade": "websocket", "Connection": "Upgrade"},
    **{"Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"},
}
ANSWERED = {"Upgrade": "websocket", "Connection": "Upgrade"}


def ask(line: str = "GET / HTTP/1.1", /, *more: str, **changes: str | None) -> Request:
    """Return a request with other values for Sec_WebSocket_Key and the like, None for none."""
    return Request(_head(line, ASKED, more, changes))


def answer(
    opening: Opening,
    line: str = "HTTP/1.1 101 Switching Protocols",
    /,
    *more: str,
    **changes: str | None,
) -> bytes:
    """Return the head that accepts *opening*, changed as ask() does it."""
    accepts = {**ANSWERED, "Sec-WebSocket-Accept": accept_key(opening.key)}
    return _head(line, accepts, more, changes)


def _head(
    line: str, headers: dict[str, str], more: tuple[str, ...], changes: dict[str, str | None]
) -> bytes:
    changed = {**headers, **{name.replace("_", "-"): value for name, value in changes.items()}}
    lines = [f"{name}: {value}" for name, value in changed.items() if value is not None]
    return "\r\n".join([line, *lines, *more]).encode("latin-1")


def read(response: bytes) -> tuple[int, str, Headers]:
    """Return status, reason and headers of a *response* that has no body."""
    assert response.endswith(b"\r\n\r\n")
    return parse_response(response[:-4])


def sent(opening: Opening) -> Request:
    """Return the request of *opening* as a server reads it."""
    assert opening.request().endswith(b"\r\n\r\n")
    return Request(opening.request()[:-4])
