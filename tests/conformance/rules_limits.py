"""Rules of limits (RFC 6455 10.4): all that a limit allows passes, and one more fails at once."""

from __future__ import annotations

from typing import Final

from geventws.core.codes import BINARY, CONTINUATION, TEXT
from geventws.frames import NAMES
from tests.conformance.doors import MAX_SIZE
from tests.conformance.rules_compression import raw, small
from tests.conformance.rules_frames import letters
from tests.conformance.rules_words import (
    TOO_BIG,
    TOO_MANY,
    Compression,
    Rule,
    Say,
    Squeezer,
    binary,
    echoed,
    every,
    fails,
    fragmented,
    more,
    squeezed,
    text,
)

SOURCE: Final = "RFC 6455 10.4"
SMALL: Final = 1000  # max_size, where the core is asked
FRAGMENTS: Final = 1024  # that a message of SMALL bytes may come in


def _large() -> list[Rule]:
    """What a limit of 16 MiB lets pass, and what it stops without having it come."""
    largest = bytes(MAX_SIZE)
    half = binary(bytes(MAX_SIZE // 2), fin=False)
    parts = fragmented(binary(largest), every(MAX_SIZE // 64, largest))
    rules = [
        echoed("16-mib-binary", SOURCE, [binary(largest)], largest),
        echoed("16-mib-in-64-parts", SOURCE, parts, largest),
        fails(
            "one-byte-over-16-mib-in-parts",
            SOURCE,
            *(half, more(b"")._replace(missing=MAX_SIZE // 2 + 1)),
            codes=TOO_BIG,
        ),
    ]
    for length in (MAX_SIZE + 1, 1 << 32, (1 << 63) - 1):
        for opcode in (TEXT, BINARY):
            said = Say(opcode, missing=length)
            name = f"{NAMES[opcode]}-of-{length:x}-hex-declared"
            rules.append(fails(name, SOURCE, said, codes=TOO_BIG))
    return rules


def _bombs() -> list[Rule]:
    agreed = Compression()
    largest = bytes(MAX_SIZE)
    bomb = raw(squeezed(largest + b"\0"), is_text=False)
    return [
        echoed("inflates-to-16-mib", SOURCE, [small(largest)], largest, compression=agreed),
        fails("inflates-to-a-byte-over", SOURCE, bomb, codes=TOO_BIG, compression=agreed),
        fails(
            "inflates-to-a-byte-over-in-parts",
            SOURCE,
            *fragmented(bomb, every(4096, bomb.payload)),
            codes=TOO_BIG,
            compression=agreed,
        ),
        fails(
            "inflates-to-a-byte-over-yet-to-end",
            SOURCE,
            bomb._replace(missing=100),
            codes=TOO_BIG,
            compression=agreed,
        ),
    ]


def _small() -> list[Rule]:
    said = letters(SMALL)
    whole, over = text(said), text(letters(SMALL + 1))
    parts = fragmented(whole, every(100, whole.payload))
    euros = "€" * (SMALL // 3)
    squeezer = Squeezer()
    twice = [raw(squeezer.squeeze(said.encode())), raw(squeezer.squeeze(said.encode()))]
    agreed = Compression()
    late = Say(CONTINUATION, missing=1)
    return [
        echoed("limit-whole", SOURCE, [whole] * 2, said, said, max_size=SMALL),
        echoed("limit-in-parts", SOURCE, [*parts] * 2, said, said, max_size=SMALL),
        echoed("limit-counts-bytes", SOURCE, [text(euros)], euros, max_size=SMALL),
        fails("limit-passed", SOURCE, over, codes=TOO_BIG, max_size=SMALL),
        fails(
            "limit-passed-by-bytes",
            SOURCE,
            text(euros + "€"),
            codes=TOO_BIG,
            max_size=SMALL,
        ),
        fails(
            "limit-passed-in-parts",
            SOURCE,
            *(whole._replace(fin=False), late),
            codes=TOO_BIG,
            max_size=SMALL,
        ),
        echoed("limit-inflated", SOURCE, twice, said, said, compression=agreed, max_size=SMALL),
        fails(
            "limit-passed-inflated",
            SOURCE,
            raw(squeezed(over.payload)),
            codes=TOO_BIG,
            compression=agreed,
            max_size=SMALL,
        ),
    ]


def _many() -> list[Rule]:
    """Empty fragments cost as well: there is a limit on how many may continue a message."""
    begun, end = binary(b"", fin=False), more(b"", True)
    allowed = [begun, *[more(b"")] * (FRAGMENTS - 1)]
    return [
        echoed("fragments-all-allowed", SOURCE, [*allowed, end] * 2, b"", b"", max_size=SMALL),
        fails(
            "fragments-one-too-many",
            SOURCE,
            *(*allowed, more(b""), more(b"")),
            codes=TOO_MANY,
            max_size=SMALL,
        ),
    ]


RULES: Final = [*_large(), *_bombs(), *_small(), *_many()]
