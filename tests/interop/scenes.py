"""What is said between our end and other people's, and the certificates for it."""

from __future__ import annotations

import random
import ssl
from functools import cache

from tests.servers import authority

HOST = "localhost"
SUBPROTOCOL = "chat"
MIB = 1024 * 1024
ALPHABET = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA1, 0x250), 0x20AC, 0x1F600]))

Message = str | bytes

MESSAGES: dict[str, Message] = {
    "text": "Gr\xfc\xdfe, \u20ac und \U0001f600",
    "binary": bytes(range(256)),
    "empty-text": "",
    "empty-binary": b"",
    "126": b"x" * 126,
    "65536": "x" * 65536,
    "1-MiB-text": ALPHABET * (MIB // len(ALPHABET.encode())),
    "1-MiB-zeros": bytes(MIB),
    "1-MiB-random": random.Random(6455).randbytes(MIB),
}
FRAGMENTS: dict[str, list[Message]] = {
    "text": ["frag", "", "mented \u20ac"],
    "binary": [b"frag", b"x" * 70000, b""],
    "one": ["whole"],
}
# what each side may say when it closes, and what the other one then hears
CLOSES = [
    (1000, ""),
    (1000, "done"),
    (1001, "\u20ac"),
    (1011, ""),
    (3000, "x" * 123),
    (4999, "mine"),
]
REFUSAL = (403, "x-why", "not today", b"go away")


def joined(fragments: list[Message]) -> Message:
    """Return the message that *fragments* make."""
    if isinstance(fragments[0], str):
        return "".join(map(str, fragments))
    return b"".join(part for part in fragments if isinstance(part, bytes))


@cache
def server_context() -> ssl.SSLContext:
    """Return the context of a server called HOST."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(HOST).configure_cert(context)
    return context


@cache
def client_context() -> ssl.SSLContext:
    """Return a client's context that trusts that server."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context
