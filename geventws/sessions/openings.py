"""How a session began: what a client asked for, and how that is asked for again.

the request of a client -> Opening -> asking() -> the arguments of connect()
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from geventws.core.handshake import HANDSHAKE
from geventws.core.headers import Headers

MAX_SIZE: Final = 64 * 1024 * 1024  # of a message: more than any default, for all is passed on
ORIGINS: Final = {"ws": "http", "wss": "https"}

# What is about one connection alone (RFC 9110 7.6.1); names that begin with a colon are no headers
# but look like them in HTTP/2 (RFC 9113 8.3).
HOP: Final = re.compile(
    rf"{HANDSHAKE.pattern}|host|keep-alive|proxy-.*|te|trailer|accept-encoding|:.*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a client asked for, and what was agreed.

    Args:
        uri: where, with the query; a value that was redacted is the name of a variable in braces.
        offered: the subprotocols that the client offered.
        subprotocol: the one agreed on, or None.
        headers: those of the request that say more than that it is a WebSocket's.
        redacted: the names of the variables that stand for what was redacted.
    """

    uri: str
    offered: tuple[str, ...] = ()
    subprotocol: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    redacted: tuple[str, ...] = ()


def worth_replaying(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return those of a request's *headers* that are not about its one connection alone."""
    return tuple((name, value) for name, value in headers if not HOP.fullmatch(name.lower()))


def asking(
    arguments: Mapping[str, Any], headers: Iterable[tuple[str, str]], offered: Iterable[str]
) -> dict[str, Any]:
    """Return the *arguments* for connect() with *headers* and *offered* where they say nothing."""
    own = list(Headers(arguments.get("headers", ())).items())
    taken = {name.lower() for name, _ in own}
    if arguments.get("origin") is not None:
        taken.add("origin")
    kept = [(name, value) for name, value in headers if name.lower() not in taken]
    return {
        "max_size": MAX_SIZE,
        **arguments,
        "headers": [*kept, *own],
        "subprotocols": arguments.get("subprotocols") or list(dict.fromkeys(offered)),
    }


def moved(opening: Opening, to: str) -> Opening:
    """Return *opening* at the server *to*; an Origin that was the server's own stays its own.

    Raises:
        ValueError: *to* is no such address, or the session is one of a unix socket.
    """
    old, new = urlsplit(opening.uri), urlsplit(to)
    if old.scheme.endswith("+unix") or not (new.netloc and new.scheme in ORIGINS):
        raise ValueError("to: not of the form ws://host:port, or the session's is a unix socket")
    own = f"{ORIGINS.get(old.scheme, '')}://{old.netloc}"
    there = f"{ORIGINS[new.scheme]}://{new.netloc}"
    return replace(
        opening,
        uri=old._replace(scheme=new.scheme, netloc=new.netloc).geturl(),
        headers=tuple(
            (name, there if name.lower() == "origin" and value == own else value)
            for name, value in opening.headers
        ),
    )
