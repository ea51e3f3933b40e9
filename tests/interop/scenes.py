"""What is said between our end and other people's, and the certificates for it."""

from __future__ import annotations

import random
import ssl
from functools import cache
from typing import Any

from geventws.core.deflate import Deflate
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
PARAMETERS = (
    "server_max_window_bits",
    "client_max_window_bits",
    "server_no_context_takeover",
    "client_no_context_takeover",
)
# permessage-deflate for every message, with nothing asked of the other side
PLAIN = Deflate(server_max_window_bits=15, client_max_window_bits=15, threshold=0)
MAX_SIZE = 2 * MIB
IN_TIME = 10.0  # seconds until what was asked of the other side must be done
REFUSAL = (403, "x-why", "not today", b"go away")


def joined(fragments: list[Message]) -> Message:
    """Return the message that *fragments* make."""
    if isinstance(fragments[0], str):
        return "".join(map(str, fragments))
    return b"".join(part for part in fragments if isinstance(part, bytes))


def parameters(compression: Deflate) -> dict[str, Any]:
    """Return the parameters of permessage-deflate that *compression* sets."""
    return {name: getattr(compression, name) for name in PARAMETERS}


def cut(message: Message) -> list[Message]:
    """Return *message* in three fragments, of which the second one is empty."""
    middle = len(message) // 2
    return [message[:middle], message[:0], message[middle:]]


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
