"""Rules of the closing handshake: codes, reasons, and silence after it (RFC 6455 5.5.1, 7)."""

from __future__ import annotations

from typing import Final

from geventws.core.codes import CLOSE
from tests.conformance.rules_text import CUT_SHORT, IMPOSSIBLE, VALID
from tests.conformance.rules_words import (
    NO_CODE,
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
    more,
    ping,
    pong,
    text,
)

SOURCE: Final = "RFC 6455 5.5.1"
CODES: Final = "RFC 6455 7.4"
# IANA's registry, and what is left to libraries, frameworks and applications
SENDABLE: Final = [*range(1000, 1004), *range(1007, 1015), 3000, 3001, 3999, 4000, 4001, 4999]
# unused, only for reports, or nobody's yet
UNSENDABLE: Final = [0, 1, 999, 1004, 1005, 1006, *range(1015, 1018), 1100, 1999, 2000, 2999]
OUT_OF_RANGE: Final = [5000, 5001, 9999, 32768, 65535]


def _codes() -> list[Rule]:
    rules = []
    for code in SENDABLE:
        rules.append(ends(f"close-{code}", CODES, [close(code, "why")], codes=(code,)))
    for code in [*UNSENDABLE, *OUT_OF_RANGE]:
        rules.append(fails(f"close-{code}", CODES, close(code)))
    return [
        *rules,
        ends("close-without-a-reason", CODES, [close(1000)], codes=(1000,)),
        fails("close-refused-for-all-its-reason", CODES, close(1006, "why")),
    ]


def _reasons() -> list[Rule]:
    rules = [
        ends(f"reason-of-{size}", SOURCE, [close(1000, "r" * size)], codes=(1000,))
        for size in (1, 2, 122, 123)
    ]
    for name in ("nul", "10ffff", "greek", "many"):
        said = close(1000, VALID[name])
        rules.append(ends(f"reason-utf-8-{name}", SOURCE, [said], codes=(1000,)))
    wrong = ("lone-80", "overlong-c0", "surrogate-lowest", "over-10ffff", "ff")
    for name, digits in {**{name: IMPOSSIBLE[name] for name in wrong}, **CUT_SHORT}.items():
        said = Say(CLOSE, b"\x03\xe8" + bytes.fromhex(digits))
        rules.append(fails(f"reason-not-utf-8-{name}", SOURCE, said, codes=NOT_UTF8))
    return rules


def _payloads() -> list[Rule]:
    half = Say(CLOSE, b"\x03")
    return [
        ends("close-without-a-code", SOURCE, [Say(CLOSE)], codes=(NO_CODE,)),
        fails("close-with-half-a-code", SOURCE, half),
        fails("close-with-half-a-code-that-is-not-utf-8", SOURCE, Say(CLOSE, b"\xff")),
        fails("close-with-a-text-for-a-code", SOURCE, Say(CLOSE, b"bye")),
    ]


def _silence() -> list[Rule]:
    """After a close frame nothing is answered, right or wrong."""
    followers = {
        "nothing": (),
        "text": (text("t"),),
        "binary": (binary(b"b"),),
        "ping": (ping(b"p"),),
        "pong": (pong(b"p"),),
        "close": (close(1000),),
        "another-close": (close(4000, "other"),),
        "bad-close": (Say(CLOSE, b"\x03"),),
        "parts": (text("in ", False), more(b"parts", True)),
        "stray-continuation": (more(b"stray", True),),
        "reserved-opcode": (Say(3),),
        "reserved-bit": (text("t", rsv=1),),
        "not-utf-8": (text(b"\xff"),),
        "half-a-frame": (Say(CLOSE, cut=1),),
        "much": (binary(bytes(65536)),) * 4,
    }
    return [
        Rule(f"close-then-{name}", SOURCE, (Turn((close(1000), *said), ()),), (1000,))
        for name, said in followers.items()
    ]


def _order() -> list[Rule]:
    """What comes before the close frame is answered before it."""
    many = [text(f"message {number}") for number in range(40)]
    bye = close(1000)
    return [
        ends("text-then-close", SOURCE, [text("t"), bye], "t", codes=(1000,)),
        ends("many-then-close", SOURCE, [*many, bye], *_echo(many), codes=(1000,)),
        ends("ping-then-close", SOURCE, [ping(b"p"), bye], Pong(b"p"), codes=(1000,)),
        ends(
            "text-and-ping-then-close",
            SOURCE,
            [text("t"), ping(b"p"), bye],
            *("t", Pong(b"p")),
            codes=(1000,),
        ),
        ends(
            "large-then-close", SOURCE, [binary(bytes(262144)), bye], bytes(262144), codes=(1000,)
        ),
        fails("many-then-violation", SOURCE, *many, Say(3), heard=_echo(many)),
        fails("many-then-half-a-close", SOURCE, *many, Say(CLOSE, b"\x03"), heard=_echo(many)),
        fails(
            "many-then-bad-text", SOURCE, *many, text(b"\xff"), heard=_echo(many), codes=NOT_UTF8
        ),
        echoed("many", "RFC 6455 5.6", many, *_echo(many)),
    ]


def _echo(said: list[Say]) -> tuple[str, ...]:
    return tuple(each.payload.decode() for each in said)


RULES: Final = [*_codes(), *_reasons(), *_payloads(), *_silence(), *_order()]
