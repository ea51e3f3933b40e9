"""Rules of permessage-deflate: rsv1, windows and contexts, blocks, and what is no DEFLATE.

RFC 7692 6 and 7.2; the hexadecimal examples are those of 7.2.3.
"""

from __future__ import annotations

import zlib
from typing import Final

from geventws.core.codes import CLOSE, CONTINUATION, PING, PONG, TEXT
from geventws.frames import NAMES
from tests.conformance.rules_frames import NOISE, letters
from tests.conformance.rules_words import (
    NOT_DEFLATE,
    NOT_UTF8,
    RSV1,
    VIOLATION,
    Answer,
    Compression,
    Pong,
    Rule,
    Say,
    Squeezer,
    Turn,
    binary,
    every,
    fragmented,
    more,
    ping,
    squeezed,
    text,
)
from tests.conformance.rules_words import echoed as _echoed
from tests.conformance.rules_words import fails as _fails

SOURCE: Final = "RFC 7692 7.2.2"
MARK: Final = "RFC 7692 6"
BLOCKS: Final = "RFC 7692 7.2.3"
USUAL: Final = Compression()
SIZES: Final = [0, 1, 63, 64, 125, 126, 1024, 65535, 65536, 262144]
PHRASE: Final = "one window for all that is said in one direction, as long as nobody minds; "


def echoed(
    name: str, source: str, sent: list[Say], *heard: Answer, compression: Compression = USUAL
) -> Rule:
    """Return a rule by which an end that agreed on compression answers so."""
    return _echoed(name, source, sent, *heard, compression=compression)


def fails(
    name: str,
    source: str,
    *sent: Say,
    codes: tuple[int, ...] = NOT_DEFLATE,
    compression: Compression = USUAL,
) -> Rule:
    """Return a rule by which an end that agreed on compression fails."""
    return _fails(name, source, *sent, codes=codes, compression=compression)


def small(data: bytes | str, fin: bool = True) -> Say:
    """Return a compressed first message: text for str."""
    return raw(squeezed(data.encode() if isinstance(data, str) else data), isinstance(data, str))


def raw(payload: bytes, is_text: bool = True) -> Say:
    """Return a message with rsv1 that has this *payload*."""
    return text(payload, rsv=RSV1) if is_text else binary(payload, rsv=RSV1)


def _messages() -> list[Rule]:
    rules = []
    for size in SIZES:
        said, noise = letters(size), NOISE[:size]
        rules.append(echoed(f"compressed-text-of-{size}", SOURCE, [small(said)], said))
        rules.append(echoed(f"compressed-noise-of-{size}", SOURCE, [small(noise)], noise))
    return [
        *rules,
        echoed("compressed-binary", SOURCE, [small(b"\xff" * 500)], b"\xff" * 500),
        echoed("plain-all-the-same", MARK, [text("plain"), binary(b"\0")], "plain", b"\0"),
        echoed("plain-in-parts", MARK, [text("in ", False), more(b"parts", True)], "in parts"),
    ]


def _parts() -> list[Rule]:
    whole = small("in parts " * 20)
    head, *rest = fragmented(whole, range(1, len(whole.payload)))
    said = "in parts " * 20
    large = small(letters(65536))
    return [
        echoed("compressed-in-bytes", MARK, [head, *rest], said),
        echoed("compressed-around-a-ping", MARK, [head, ping(b"p"), *rest], Pong(b"p"), said),
        echoed(
            "compressed-with-empty-parts",
            MARK,
            [
                head._replace(payload=b""),
                *(more(b""), more(whole.payload), more(b""), more(b"", True)),
            ],
            said,
        ),
        echoed(
            "compressed-character-across-parts",
            MARK,
            list(fragmented(small("é€" * 50), range(1, len(squeezed(("é€" * 50).encode()))))),
            "é€" * 50,
        ),
        *(
            echoed(
                f"compressed-in-parts-of-{size}",
                MARK,
                list(fragmented(large, every(size, large.payload))),
                letters(65536),
            )
            for size in (64, 100)
        ),
    ]


def _marks() -> list[Rule]:
    begun = text(b"in ", fin=False)
    small_begun = small("in parts " * 9)._replace(fin=False)
    last = Say(CONTINUATION, b"parts", True, RSV1)
    rules = []
    for opcode in (PING, PONG, CLOSE):
        said = Say(opcode, rsv=RSV1)
        rules.append(fails(f"compressed-{NAMES[opcode]}", MARK, said, codes=VIOLATION))
    for rsv in (1, 2, 3, RSV1 | 1, RSV1 | 2, 7):
        said = Say(TEXT, b"", rsv=rsv)
        rules.append(fails(f"compressed-and-rsv-{rsv:03b}", MARK, said, codes=VIOLATION))
    return [
        *rules,
        fails("mark-on-a-continuation", MARK, begun, last, codes=VIOLATION),
        fails("mark-on-a-compressed-continuation", MARK, small_begun, last, codes=VIOLATION),
        fails("mark-on-a-stray-continuation", MARK, last, codes=VIOLATION),
    ]


def _contexts() -> list[Rule]:
    context = "RFC 7692 7.1.1"
    squeezer = Squeezer()
    thrice = [raw(squeezer.squeeze(PHRASE.encode())) for _ in range(3)]
    alone = [small(PHRASE)] * 3
    plain = text("between them")
    both = Compression(peer_alone=True, our_alone=True)
    across = [thrice[0], plain, thrice[1], plain, thrice[2]]
    parts = [part for each in thrice for part in fragmented(each, [2])]
    said = (PHRASE,) * 3
    others = (PHRASE, "between them", PHRASE, "between them", PHRASE)
    only_peer, only_we = Compression(peer_alone=True), Compression(our_alone=True)
    return [
        echoed("context-goes-on", context, thrice, *said),
        echoed("context-goes-on-across-plain-messages", context, across, *others),
        echoed("context-goes-on-in-parts", context, parts, *said),
        echoed("context-need-not-be-used", context, alone, *said),
        echoed("context-is-ours-alone", context, alone, *said, compression=only_peer),
        echoed("context-is-the-peers-alone", context, thrice, *said, compression=only_we),
        echoed("context-is-nobodys", context, alone, *said, compression=both),
        fails(
            "context-used-that-is-gone",
            context,
            Say(TEXT, b"\xf2\x00\x11\x00\x00", rsv=RSV1),
            compression=both,
        ),
        Rule(
            "context-used-after-a-message-that-is-gone",
            context,
            (Turn(tuple(thrice[:2]), (PHRASE,)),),
            NOT_DEFLATE,
            both,
        ),
    ]


def _windows() -> list[Rule]:
    rules = []
    for bits in (9, 10, 11, 12, 15):  # of the others an end may have the peer use fewer
        squeezer = Squeezer(bits)
        said = letters(3 << bits) + NOISE[: 1 << bits].hex()
        sent = [raw(squeezer.squeeze(said.encode())), raw(squeezer.squeeze(said.encode()))]
        window = Compression(peer_bits=bits)
        rules.append(
            echoed(
                f"window-of-{bits}-bits", "RFC 7692 7.1.2", sent, *(said,) * 2, compression=window
            )
        )
    for bits in (9, 12):
        # everything comes again, at distances within that window and beyond
        said = "".join(NOISE[: 1 << size].hex() * 2 for size in range(6, 14))
        agreed = Compression(our_bits=bits)
        sent = [small(said)]
        rules.append(
            echoed(f"own-window-of-{bits}-bits", "RFC 7692 7.1.2", sent, said, compression=agreed)
        )
    return rules


def _blocks() -> list[Rule]:
    said = letters(3000)
    stored = Squeezer(level=0).squeeze(said.encode())
    fixed = Squeezer(strategy=zlib.Z_FIXED).squeeze(said.encode())
    rle = Squeezer(strategy=zlib.Z_RLE).squeeze(said.encode())
    examples = {
        "of-the-rfc": "f2 48 cd c9 c9 07 00",
        "stored": "00 05 00 fa ff 48 65 6c 6c 6f 00",
        "final": "f3 48 cd c9 c9 07 00 00",
        "two": "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",
    }
    return [
        *(
            echoed(f"block-{name}", BLOCKS, [raw(bytes.fromhex(digits))], "Hello")
            for name, digits in examples.items()
        ),
        *(
            echoed(f"block-{name}-in-bytes", BLOCKS, _bytes(bytes.fromhex(digits)), "Hello")
            for name, digits in examples.items()
        ),
        echoed(
            "block-that-shares-a-window",
            "RFC 7692 7.2.3.2",
            [raw(bytes.fromhex("f2 48 cd c9 c9 07 00")), raw(bytes.fromhex("f2 00 11 00 00"))],
            *("Hello", "Hello"),
        ),
        echoed("blocks-stored", BLOCKS, [raw(stored)], said),
        echoed("blocks-of-fixed-codes", BLOCKS, [raw(fixed)], said),
        echoed("blocks-of-runs", BLOCKS, [raw(rle)], said),
        echoed("blocks-flushed", BLOCKS, [raw(_flushed(zlib.Z_SYNC_FLUSH))], PHRASE * 3),
        echoed("blocks-flushed-fully", BLOCKS, [raw(_flushed(zlib.Z_FULL_FLUSH))], PHRASE * 3),
        echoed("block-empty", "RFC 7692 7.2.3.6", [raw(b"\0")], ""),
        echoed("block-final-twice", BLOCKS, [raw(bytes.fromhex(_TWICE))], "HelloHello"),
        echoed("block-final-in-each-part", "RFC 7692 7.2.3.4", _finals(), PHRASE * 40),
        echoed(
            "context-goes-on-behind-a-final-block",
            BLOCKS,
            [raw(bytes.fromhex(examples["final"])), raw(bytes.fromhex("f2 00 11 00 00"))],
            *("Hello", "Hello"),
        ),
    ]


_TWICE: Final = "f3 48 cd c9 c9 07 00 f3 48 cd c9 c9 07 00 00"


def _bytes(payload: bytes) -> list[Say]:
    return list(fragmented(raw(payload), range(1, len(payload))))


def _finals() -> list[Say]:
    """Return a message of 40 parts, each of which ends with a final block."""
    deflaters = [zlib.compressobj(wbits=-15) for _ in range(40)]
    parts = [each.compress(PHRASE.encode()) + each.flush() for each in deflaters]
    first, *others = parts
    rest = [more(part) for part in others]
    return [raw(first)._replace(fin=False), *rest, more(b"\0", True)]


def _flushed(how: int) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    out = b"".join(deflater.compress(PHRASE.encode()) + deflater.flush(how) for _ in range(3))
    return out[:-4]


def _garbage() -> list[Rule]:
    garbage = {
        "reserved-block": b"\x07",
        "ff": b"\xff" * 20,
        "stored-lengths-at-odds": bytes.fromhex("00 05 00 00 00 48 65 6c 6c 6f 00"),
        "distance-before-the-start": b"\xf2\x00\x11\x00\x00",
        "bad-code-lengths": b"\x04\xff\xff\xff\xff\xff",
    }
    cut = squeezed(letters(500).encode())
    rules = []
    for name, payload in garbage.items():
        arriving = raw(payload)._replace(missing=100)
        rules.append(fails(f"garbage-{name}", SOURCE, raw(payload)))
        rules.append(fails(f"garbage-{name}-yet-to-end", SOURCE, arriving))
    return [
        *rules,
        fails("deflate-cut-in-half", SOURCE, raw(cut[: len(cut) // 2])),
        fails("deflate-cut-in-a-stored-block", SOURCE, raw(bytes.fromhex("00 05 00 fa ff 48"))),
        fails("text-that-was-not-compressed", SOURCE, raw(b"this is plain text")),
        fails("inflates-to-bad-text", SOURCE, raw(squeezed(b"\xc0\xaf")), codes=NOT_UTF8),
        fails("inflates-to-half-a-character", SOURCE, raw(squeezed(b"\xc3")), codes=NOT_UTF8),
        fails(
            "inflates-to-bad-text-yet-to-end",
            SOURCE,
            raw(squeezed(b"bad: \xff" + letters(99).encode()) + b"\xff")._replace(missing=100),
            codes=NOT_UTF8,
        ),
        echoed("inflates-to-binary", SOURCE, [small(b"\xc0\xaf")], b"\xc0\xaf"),
    ]


RULES: Final = [
    *_messages(),
    *_parts(),
    *_marks(),
    *_contexts(),
    *_windows(),
    *_blocks(),
    *_garbage(),
]
