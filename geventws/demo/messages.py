"""What page and server say to each other: each message is one JSON object as text.

Its "type" says which, the others are its fields:

    page -> server   join {room, name, key}   say {text}   rename {name}
    server -> page   welcome {room, you: member, people: {member: card}, rooms: {room: number},
                              history: [said]}
                     here {room, member, card}   gone {room, member}   room {room, number}
                     said {room, who, name, text, time, id}   error {text}
                     people {room, people: {member: card}}   rooms {rooms: {room: number}}

A member is one connection, and a card {who, name, process} says what is known of it. The key is a
page's secret, and "who" is made of it: the same as long as the page keeps it, through reloads and
lost connections, and nobody else's. "time" is in seconds since 1970. What of a room comes before
its welcome belongs behind it; what is said then may be in the history too, under the same "id".
What others publish in a room arrives as it is.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

MAX_MESSAGE = 16 * 1024  # a text of nothing but escapes takes six characters of JSON for each


class Refused(Exception):
    """What was asked for cannot be had; the text says why, and is sent to who asked."""


def encode(kind: str, **fields: object) -> str:
    """Return one message of the chat as JSON."""
    return json.dumps({"type": kind, **fields}, separators=(",", ":"))


def parse(message: str | bytes) -> object:
    """Return what a message says in JSON, or raise Refused."""
    if isinstance(message, bytes) or len(message) > MAX_MESSAGE:
        raise Refused(f"expected JSON as text, at most {MAX_MESSAGE} characters")
    try:
        return json.loads(message)
    except (ValueError, RecursionError):  # the latter for a thousand brackets
        raise Refused("not JSON") from None


def checked(field: str, value: object, longest: int) -> str:
    """Return a field's text without the spaces around it, or raise Refused."""
    if not isinstance(value, str) or not value.strip():
        raise Refused(f"{field} is empty or not a string")
    if len(value) > longest:
        raise Refused(f"{field} is too long, over {longest} characters")
    return value.strip()


def line(field: str, value: object, longest: int) -> str:
    """Return a field of one line of visible characters, or raise Refused."""
    text = " ".join(checked(field, value, longest).split())
    if not text.isprintable():  # else a right-to-left mark could pass for somebody else
        raise Refused(f"{field} has characters that cannot be seen")
    return text


def who_has(key: str) -> str:
    """Return what everybody may know of who has *key*, and nobody can make *key* of."""
    return blake2b(key.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def said_in(message: str | bytes) -> dict[str, Any] | None:
    """Return what is said in a publication of a room; None where somebody else published it."""
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and _is_said(said) else None


def _is_said(said: dict[str, Any]) -> bool:
    texts = [said.get(field) for field in ("who", "name", "text", "id")]
    when = said.get("time")
    return (
        said.get("type") == "said"
        and all(isinstance(text, str) and text for text in texts)
        and isinstance(when, float)
        and 0 <= when < 1e11
    )
