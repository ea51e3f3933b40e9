"""Rules of single frames: lengths, masking, reserved bits, opcodes, pings and pongs."""

from __future__ import annotations

import random
from typing import Final

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from geventws.frames import NAMES
from tests.conformance.rules_words import (
    Pong,
    Rule,
    Say,
    Turn,
    binary,
    echoed,
    fails,
    ping,
    pong,
    text,
)

# both sides of each form of the length, and of the size at which a payload is not copied
LENGTHS: Final = [0, 1, 124, 125, 126, 127, 128, 255, 256, 16384, 65535, 65536, 65537, 262144]
ALPHABET: Final = "".join(map(chr, range(0x20, 0x7F)))
NOISE: Final = random.Random(6455).randbytes(max(LENGTHS))


def letters(size: int) -> str:
    """Return so many characters of ASCII."""
    return (ALPHABET * (size // len(ALPHABET) + 1))[:size]


def _lengths() -> list[Rule]:
    rules = []
    for size in LENGTHS:
        said, noise = letters(size), NOISE[:size]
        rules.append(echoed(f"text-of-{size}", "RFC 6455 5.2", [text(said)], said))
        rules.append(echoed(f"binary-of-{size}", "RFC 6455 5.2", [binary(noise)], noise))
    return rules


def _long_lengths() -> list[Rule]:
    rules = []
    for width, size in [(2, 0), (2, 1), (2, 125), (8, 0), (8, 125), (8, 126), (8, 65535)]:
        said = Say(BINARY, NOISE[:size], width=width)
        rules.append(fails(f"length-of-{size}-in-{width}-bytes", "RFC 6455 5.2", said))
    for length in [1 << 63, (1 << 64) - 1]:
        for opcode in (TEXT, BINARY):
            said = Say(opcode, missing=length, width=8)
            rules.append(fails(f"{NAMES[opcode]}-of-{length:x}-hex", "RFC 6455 5.2", said))
    return rules


def _masking() -> list[Rule]:
    rules = []
    for opcode, name in NAMES.items():
        for size in (0, 5):
            said = Say(opcode, bytes(size), astray=True)
            rules.append(fails(f"{name}-of-{size}-masked-wrongly", "RFC 6455 5.1", said))
    head = Say(TEXT, b"text", astray=True, cut=2)
    return [*rules, fails("two-bytes-of-a-frame-masked-wrongly", "RFC 6455 5.1", head)]


def _reserved_bits() -> list[Rule]:
    source = "RFC 6455 5.2"
    rules = []
    for rsv in range(1, 8):
        said = text("", rsv=rsv)
        rules.append(fails(f"text-with-rsv-{rsv:03b}", source, said))
    for rsv in (1, 2, 4):
        for opcode in (BINARY, PING, PONG, CLOSE):
            said = Say(opcode, rsv=rsv)
            rules.append(fails(f"{NAMES[opcode]}-with-rsv-{rsv:03b}", source, said))
        begun = text("in ", fin=False)
        last = Say(CONTINUATION, b"parts", rsv=rsv)
        rules.append(fails(f"continuation-with-rsv-{rsv:03b}", source, begun, last))
    large = Say(BINARY, rsv=1, missing=65536)
    return [*rules, fails("rsv-of-a-frame-yet-to-come", source, large)]


def _reserved_opcodes() -> list[Rule]:
    rules = []
    for opcode in [*range(3, 8), *range(11, 16)]:
        source = "RFC 6455 5.2"
        rules.append(fails(f"opcode-{opcode}", source, Say(opcode)))
        rules.append(fails(f"opcode-{opcode}-with-payload", source, Say(opcode, b"payload")))
        begun = text("in ", fin=False)
        rules.append(fails(f"opcode-{opcode}-in-a-message", source, begun, Say(opcode)))
    return [*rules, fails("opcode-3-in-a-first-byte-and-one", "RFC 6455 5.2", Say(3, cut=2))]


def _pings() -> list[Rule]:
    payloads = {
        "empty": b"",
        "text": b"Hello",
        "not-utf-8": bytes.fromhex("00 ff fe fd fc fb 00 ff"),
        "of-124": NOISE[:124],
        "of-125": NOISE[:125],
    }
    source = "RFC 6455 5.5.2"
    return [
        *(echoed(f"ping-{name}", source, [ping(p)], Pong(p)) for name, p in payloads.items()),
        Rule(
            "pings-in-turn",
            source,
            tuple(Turn((ping(b"%d" % n),), (Pong(b"%d" % n),)) for n in range(10)),
        ),
        echoed(
            "pings-in-one-breath",
            "RFC 6455 5.5.3",
            [ping(b"%d" % n) for n in range(10)],
            *(Pong(b"%d" % n) for n in range(10)),
        ),
        echoed("ping-before-a-message", source, [ping(b"p"), text("t")], Pong(b"p"), "t"),
        echoed("ping-after-a-message", source, [text("t"), ping(b"p")], "t", Pong(b"p")),
        Rule(
            "ping-between-messages",
            source,
            (Turn((text("a"), ping(b"p"), text("b")), ("a", Pong(b"p"), "b")),) * 2,
        ),
        Rule(
            "ping-before-a-violation",
            source,
            (Turn((ping(b"p"), Say(3)), (Pong(b"p"),)),),
            (1002,),
        ),
    ]


def _pongs() -> list[Rule]:
    source = "RFC 6455 5.5.3"
    return [
        echoed("pong-unasked-for", source, [pong()]),
        echoed("pong-unasked-for-with-payload", source, [pong(b"nobody asked")]),
        echoed("pong-unasked-for-of-125", source, [pong(bytes(125))]),
        echoed("pongs-a-hundred", source, [pong(b"%d" % n) for n in range(100)]),
        echoed("pong-then-ping", source, [pong(b"a"), ping(b"b")], Pong(b"b")),
        echoed("pong-then-message", source, [pong(b"a"), text("b")], "b"),
    ]


def _controls() -> list[Rule]:
    """Control frames are short and whole; the first two bytes tell."""
    rules = []
    for opcode in (PING, PONG, CLOSE):
        name, source = NAMES[opcode], "RFC 6455 5.5"
        start = b"\x03\xe8" if opcode == CLOSE else b""
        for size in (126, 127, 65536):
            said = Say(opcode, start + bytes(size - len(start)))
            rules.append(fails(f"{name}-of-{size}", source, said))
        rules.append(fails(f"{name}-of-126-yet-to-come", source, Say(opcode, missing=126, cut=2)))
        rules.append(fails(f"{name}-without-fin", source, Say(opcode, start, fin=False)))
        said = Say(opcode, start, width=2)
        rules.append(fails(f"{name}-with-a-long-length", source, said))
    return rules


RULES: Final = [
    *_lengths(),
    *_long_lengths(),
    *_masking(),
    *_reserved_bits(),
    *_reserved_opcodes(),
    *_pings(),
    *_pongs(),
    *_controls(),
]
