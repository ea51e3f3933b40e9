"""Rules of UTF-8 (RFC 6455 8.1, RFC 3629): what is text, and how soon an end knows what is not."""

from __future__ import annotations

from typing import Final

from geventws.core.codes import TEXT
from tests.conformance.rules_words import (
    NOT_UTF8,
    Pong,
    Rule,
    Say,
    Turn,
    binary,
    close,
    echoed,
    ends,
    fails,
    fragmented,
    more,
    ping,
    text,
)

SOURCE: Final = "RFC 6455 8.1"

# the borders of RFC 3629 4's table, and what some wrongly refuse
VALID: Final = {
    "nul": "\0",
    "7f": "\x7f",
    "80": "\x80",
    "7ff": "\u07ff",
    "800": "\u0800",
    "fff": "\u0fff",
    "1000": "\u1000",
    "cfff": "\ucfff",
    "d7ff": "\ud7ff",
    "e000": "\ue000",
    "bom": "\ufeff",
    "replacement": "\ufffd",
    "fffe": "\ufffe",
    "ffff": "\uffff",
    "10000": "\U00010000",
    "3ffff": "\U0003ffff",
    "40000": "\U00040000",
    "fffff": "\U000fffff",
    "100000": "\U00100000",
    "10ffff": "\U0010ffff",
    "noncharacters": "".join(
        chr(plane << 16 | 0xFFFE | low) for plane in range(17) for low in (0, 1)
    ),
    "greek": "κόσμε",
    "combining": "e\u0301 \u0928\u093f",
    "many": "Grüße, 日本語, 한국어, עברית, \U0001f469\u200d\U0001f680",
}

# all that is wrong with it stands in its last byte
IMPOSSIBLE: Final = {
    "lone-80": "80",
    "lone-bf": "bf",
    "second-too-many": "c3 a9 a9",
    "third-too-many": "e2 82 ac ac",
    "fourth-too-many": "f0 9f 98 80 80",
    "overlong-c0": "c0",
    "overlong-c1": "c1",
    "overlong-of-3": "e0 80",
    "overlong-of-3-highest": "e0 9f",
    "overlong-of-4": "f0 80",
    "overlong-of-4-highest": "f0 8f",
    "surrogate-lowest": "ed a0",
    "surrogate-high-last": "ed af",
    "surrogate-low-first": "ed b0",
    "surrogate-highest": "ed bf",
    "over-10ffff": "f4 90",
    "over-13ffff": "f4 bf",
    "lead-f5": "f5",
    "lead-f7": "f7",
    "lead-of-5": "f8",
    "lead-of-6": "fc",
    "fe": "fe",
    "ff": "ff",
    "lead-then-letter": "c3 41",
    "lead-then-lead": "c3 c3",
    "one-of-two-then-letter": "e2 82 41",
    "two-of-three-then-letter": "f0 9f 98 41",
    "lead-of-4-then-lead": "f0 c3",
    "after-text": "ce ba e1 bd b9 cf 83 ce bc ce b5 ff",
}

# there might be more to come, but there is not
CUT_SHORT: Final = {
    "one-of-two": "c3",
    "one-of-three": "e2",
    "two-of-three": "e2 82",
    "one-of-four": "f0",
    "two-of-four": "f0 9f",
    "three-of-four": "f0 9f 98",
    "after-text": "ce ba e1 bd",
}


def _valid() -> list[Rule]:
    rules = []
    for name, said in VALID.items():
        whole = text(said)
        parts = fragmented(whole, range(1, len(whole.payload)))
        sent = [whole, *parts, whole]
        rules.append(echoed(f"utf-8-{name}", SOURCE, sent, said, said, said))
    return rules


def _impossible() -> list[Rule]:
    rules = []
    for name, digits in IMPOSSIBLE.items():
        said = bytes.fromhex(digits)
        good, bad = said[:-1], said[-1:]
        arriving = Say(TEXT, said, missing=100)
        begun = text(b"so far: " + good, fin=False)
        late = more(bad)._replace(missing=100)
        rules += [
            fails(f"not-utf-8-{name}", SOURCE, text(said), codes=NOT_UTF8),
            fails(f"not-utf-8-{name}-yet-to-end", SOURCE, arriving, codes=NOT_UTF8),
            fails(f"not-utf-8-{name}-across-parts", SOURCE, begun, late, codes=NOT_UTF8),
        ]
    return rules


def _cut_short() -> list[Rule]:
    rules = []
    for name, digits in CUT_SHORT.items():
        said = bytes.fromhex(digits)
        whole = text(said)
        parts = fragmented(text(b"so far: " + said), [8])
        begun, end = text(said, fin=False), more(b"", True)
        asked = ping(b"p")
        rules += [
            fails(f"text-ends-{name}", SOURCE, whole, codes=NOT_UTF8),
            fails(f"text-ends-{name}-in-parts", SOURCE, *parts, codes=NOT_UTF8),
            fails(f"text-ends-{name}-in-nothing", SOURCE, begun, end, codes=NOT_UTF8),
            Rule(  # it is no mistake before the message ends
                f"text-ends-{name}-in-time",
                SOURCE,
                (Turn((begun, asked), (Pong(b"p"),)), Turn((end,), ())),
                NOT_UTF8,
            ),
        ]
    return rules


def _others() -> list[Rule]:
    euro = "€".encode()
    return [
        echoed("binary-need-not-be-utf-8", SOURCE, [binary(b"\xff\xfe\xc0")], b"\xff\xfe\xc0"),
        echoed(
            "binary-in-parts-need-not-be-utf-8",
            SOURCE,
            [binary(b"\xff", False), more(b"\xc0"), more(euro[:2], True)],
            b"\xff\xc0" + euro[:2],
        ),
        echoed(
            "ping-within-a-character",
            SOURCE,
            [text(euro[:1], False), ping(b"\xff"), more(euro[1:], True)],
            *(Pong(b"\xff"), "€"),
        ),
        echoed(
            "empty-parts-within-a-character",
            SOURCE,
            [text(euro[:1], False), more(b""), more(euro[1:2]), more(b""), more(euro[2:], True)],
            "€",
        ),
        echoed(
            "character-does-not-reach-into-the-next-message",
            SOURCE,
            [text("€"), text("a"), text("€")],
            *("€", "a", "€"),
        ),
        ends(
            "close-within-a-character",
            SOURCE,
            [text(euro[:2], fin=False), close(1000)],
            codes=(1000,),
        ),
        fails("impossible-byte-deep-in-a-text", SOURCE, *_deep(), codes=NOT_UTF8),
    ]


def _deep() -> tuple[Say, ...]:
    """Return a text whose last byte so far is impossible, with as much again to come."""
    payload = "Grüße, ".encode() * 10000 + b"\xff"
    return (Say(TEXT, payload, missing=len(payload)),)


RULES: Final = [*_valid(), *_impossible(), *_cut_short(), *_others()]
