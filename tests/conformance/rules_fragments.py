"""Rules of fragmented messages, and of what may stand between fragments (RFC 6455 5.4)."""

from __future__ import annotations

from typing import Final

from geventws.core.codes import BINARY, TEXT
from geventws.frames import NAMES
from tests.conformance.rules_frames import NOISE, letters
from tests.conformance.rules_words import (
    Pong,
    Rule,
    Say,
    Turn,
    binary,
    close,
    echoed,
    ends,
    every,
    fails,
    fragmented,
    more,
    ping,
    pong,
    text,
)

SOURCE: Final = "RFC 6455 5.4"
CONTROL: Final = "RFC 6455 5.5"  # control frames may stand inside a fragmented message


def _messages() -> list[Rule]:
    begun, begun_binary = text("in ", fin=False), binary(b"\xff", fin=False)
    return [
        echoed("text-in-two", SOURCE, [begun, more(b"parts", True)], "in parts"),
        echoed("binary-in-two", SOURCE, [begun_binary, more(b"\xfe", True)], b"\xff\xfe"),
        echoed("text-in-letters", SOURCE, fragmented(text("letters"), range(1, 7)), "letters"),
        echoed("text-of-empty-parts", SOURCE, [text("", False), more(b""), more(b"", True)], ""),
        echoed("binary-of-empty-parts", SOURCE, [binary(b"", False), more(b"", True)], b""),
        echoed("empty-first", SOURCE, [text("", False), more(b"rest", True)], "rest"),
        echoed(
            "empty-between", SOURCE, [begun, *[more(b"")] * 9, more(b"parts", True)], "in parts"
        ),
        echoed("empty-last", SOURCE, [begun, more(b"parts"), more(b"", True)], "in parts"),
        echoed(
            "two-in-parts",
            SOURCE,
            [begun, more(b"parts", True), begun_binary, more(b"\xfe", True), text("whole")],
            *("in parts", b"\xff\xfe", "whole"),
        ),
    ]


def _sizes() -> list[Rule]:
    """The same message in ever smaller parts."""
    rules = []
    size = 64 * 1024
    for part in [64, 125, 126, 1000, 1024, 4096, 65535]:
        said, noise = text(letters(size)), binary(NOISE[:size])
        parts = fragmented(said, every(part, said.payload))
        rules.append(echoed(f"text-in-parts-of-{part}", SOURCE, parts, letters(size)))
        parts = fragmented(noise, every(part, noise.payload))
        rules.append(echoed(f"binary-in-parts-of-{part}", SOURCE, parts, NOISE[:size]))
    return rules


def _controls() -> list[Rule]:
    begun, end = text("in ", fin=False), more(b"parts", True)
    asked = Turn((ping(b"p"),), (Pong(b"p"),))
    return [
        echoed("ping-within", CONTROL, [begun, ping(b"p"), end], Pong(b"p"), "in parts"),
        echoed("pong-within", CONTROL, [begun, pong(b"p"), end], "in parts"),
        echoed(
            "pings-within",
            CONTROL,
            [begun, ping(b"p"), more(b"many "), ping(b"q"), end, ping(b"r")],
            *(Pong(b"p"), Pong(b"q"), "in many parts", Pong(b"r")),
        ),
        Rule(
            "ping-within-answered-at-once",
            CONTROL,
            (Turn((begun, ping(b"p")), (Pong(b"p"),)), asked, Turn((end,), ("in parts",))),
        ),
        Rule(
            "pings-within-many-parts",
            CONTROL,
            (
                Turn((begun,), ()),
                *(Turn((more(b"%d " % n), ping(b"%d" % n)), (Pong(b"%d" % n),)) for n in range(8)),
                Turn((end,), ("in 0 1 2 3 4 5 6 7 parts",)),
            ),
        ),
        ends("close-within", CONTROL, [begun, close(1000)], codes=(1000,)),
        ends("close-within-and-the-rest", CONTROL, [begun, close(1000), end], codes=(1000,)),
    ]


def _violations() -> list[Rule]:
    rules = []
    whole, begun = text("whole"), text("in ", fin=False)
    for fin in (False, True):
        how = "ending" if fin else "going-on"
        last = more(b"parts", fin)
        rules += [
            fails(f"continuation-of-nothing-{how}", SOURCE, last),
            fails(f"continuation-of-a-whole-message-{how}", SOURCE, whole, last, heard=("whole",)),
            fails(f"empty-continuation-of-nothing-{how}", SOURCE, more(b"", fin)),
            fails(f"continuation-of-a-pong-{how}", SOURCE, pong(b"p"), last),
        ]
        for opcode in (TEXT, BINARY):
            name, said = NAMES[opcode], Say(opcode, b"new", fin)
            rules += [
                fails(f"new-{name}-within-{how}", SOURCE, begun, said),
                fails(f"new-{name}-within-parts-{how}", SOURCE, begun, more(b"many "), said),
                fails(f"new-{name}-within-binary-{how}", SOURCE, binary(b"", False), said),
            ]
    long = Say(BINARY, missing=65536)
    far = more(b"")._replace(missing=65536)
    return [
        *rules,
        fails("new-message-within-yet-to-come", SOURCE, begun, long),
        fails("continuation-of-nothing-yet-to-come", SOURCE, far),
        fails(
            "continuation-after-parts",
            SOURCE,
            *(begun, more(b"parts", True), more(b"late", True)),
            heard=("in parts",),
        ),
    ]


RULES: Final = [*_messages(), *_sizes(), *_controls(), *_violations()]
