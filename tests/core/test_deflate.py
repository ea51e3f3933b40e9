"""permessage-deflate between two of ours, and between ours and another's (RFC 7692)."""

from __future__ import annotations

import os
import random
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions import permessage_deflate as theirs
from websockets.frames import Frame, Opcode

from geventws.core.codes import Side
from geventws.core.deflate import Agreed, Deflate, Deflater, Inflater
from geventws.core.errors import InvalidHandshake, MessageTooBig, ProtocolError

NAME = "permessage-deflate"
S_BITS, C_BITS = "server_max_window_bits", "client_max_window_bits"
S_ALONE, C_ALONE = "server_no_context_takeover", "client_no_context_takeover"
WIDE = Deflate(server_max_window_bits=15, client_max_window_bits=15)
FIELDS = (S_BITS, C_BITS, S_ALONE, C_ALONE, "level", "mem_level")
SETTINGS = product([9, 12, 15], [9, 12, 15], [False, True], [False, True], [3], [7])
WISHES = [Deflate(**dict(zip(FIELDS, values, strict=True))) for values in SETTINGS]  # type: ignore[arg-type]


def params_of(element: str) -> list[tuple[str, str | None]]:
    """Return the parameters of one element of Sec-WebSocket-Extensions."""
    pairs = [param.partition("=") for param in element.split(";")[1:]]
    return [(name[1:], value if equals else None) for name, equals, value in pairs]


def answer_to(element: str, server: Deflate) -> tuple[str, Agreed]:
    """Return how *server* accepts the only offer."""
    accepted = server.accept([(NAME, params_of(element))])
    assert accepted is not None
    return accepted


def inflated(inflater: Inflater, pieces: list[bytes], limit: int | None = None) -> bytes:
    """Return what a message inflates to that comes in these pieces."""
    out = b""
    for piece in pieces[:-1]:
        out += inflater.inflate(piece, limit and limit - len(out), False)
    return out + inflater.inflate(memoryview(pieces[-1]), limit and limit - len(out), True)


def steps(data: bytes, size: int) -> list[bytes]:
    """Return *data* in pieces of that *size*."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """Return *data* cut at these places, which are taken modulo its length."""
    places = sorted(place % (len(data) + 1) for place in at)
    return [data[a:b] for a, b in pairwise([0, *places, len(data)])]


def mixed(size: int) -> bytes:
    """Return bytes that make stored, fixed and dynamic blocks."""
    dice, out = random.Random(size), bytearray()
    words = [dice.randbytes(dice.randrange(1, 12)) for _ in range(64)]
    while len(out) < size:
        out += b"".join(dice.choices(words, k=200)) + dice.randbytes(300) + bytes(100)
    return bytes(out[:size])


def final(data: bytes, bits: int = 15, context: bytes = b"", level: int = 6) -> bytes:
    """Return *data* deflated, the last block marked final."""
    deflater = zlib.compressobj(level, zlib.DEFLATED, -bits, 8, zlib.Z_DEFAULT_STRATEGY, context)
    return deflater.compress(data) + deflater.flush()


@contextmanager
def traced() -> Iterator[list[int]]:
    """Give the bytes of memory that the block came to hold, and held at most."""
    memory: list[int] = []
    tracemalloc.start()
    yield memory
    memory += tracemalloc.get_traced_memory()
    tracemalloc.stop()


MESSAGES = [b"", b"", b"Hello", mixed(5000), b"Hello" * 50, b"", mixed(40000), mixed(5000)]


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [(S_BITS, 9, 15), (C_BITS, 9, 15), ("level", 0, 9), ("mem_level", 1, 9), ("threshold", 0, 999)],
)
def test_deflate_checks_its_numbers(field: str, low: int, high: int) -> None:
    fields: list[dict[str, int]] = [{field: low}, {field: high}]
    assert Deflate(**fields[0]) != Deflate(**fields[1])  # type: ignore[arg-type]
    for number in (low - 1, 2**64):
        with pytest.raises(ValueError, match=field):
            Deflate(**{field: number})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", FIELDS)
def test_deflate_checks_its_types(field: str) -> None:
    for value in (None, "9", 9.0, 1 if field in (S_ALONE, C_ALONE) else True):
        with pytest.raises(TypeError, match=field):
            Deflate(**{field: value})  # type: ignore[arg-type]


def first_offer(wishes: Deflate) -> str:
    return wishes.offer().split(", ")[0]


def test_client_offers_what_it_wants() -> None:
    assert first_offer(Deflate()) == f"{NAME}; {C_BITS}=12; {S_BITS}=12"
    assert WIDE.offer() == f"{NAME}; {C_BITS}"
    assert first_offer(WISHES[3]) == f"{NAME}; {C_BITS}=9; {S_BITS}=9; {S_ALONE}; {C_ALONE}"


def test_client_offers_to_do_without_windows_where_a_server_knows_none() -> None:
    assert Deflate().offer().split(", ")[1:] == [f"{NAME}; {C_BITS}=12"]
    agreed = Deflate().confirm(params_of(f"; {S_ALONE}; {C_ALONE}"))
    assert agreed[:4] == (15, 12, True, True)


@pytest.mark.parametrize(
    ("offer", "answer", "bits"),
    [
        ("", f"; {S_BITS}=12", (12, 15)),
        (f"; {C_BITS}", f"; {C_BITS}=12; {S_BITS}=12", (12, 12)),
        (f"; {C_BITS}=15; {S_BITS}=15", f"; {C_BITS}=12; {S_BITS}=12", (12, 12)),
        (f"; {C_BITS}=8; {S_BITS}=9", f"; {C_BITS}=8; {S_BITS}=9", (9, 8)),
    ],
)
def test_server_answers_the_narrower_windows(offer: str, answer: str, bits: object) -> None:
    element, agreed = answer_to(NAME + offer, Deflate())
    assert (element, agreed[:2]) == (NAME + answer, bits)


def test_server_answers_no_more_than_it_must_where_it_has_no_wishes() -> None:
    assert answer_to(NAME, WIDE)[0] == NAME
    assert answer_to(first_offer(WISHES[0]), WIDE)[0] == first_offer(WISHES[0])


@pytest.mark.parametrize("server", WISHES[:4], ids=Deflate.offer)
@pytest.mark.parametrize("client", WISHES[:4], ids=Deflate.offer)
def test_server_ends_contexts_where_either_side_wants_it(client: Deflate, server: Deflate) -> None:
    element, agreed = answer_to(first_offer(client), server)
    for name in (S_ALONE, C_ALONE):
        wanted = getattr(client, name) or getattr(server, name)
        assert getattr(agreed, name) is wanted
        assert (name in element) is wanted


BAD_VALUES = ["=", "=0", "=7", "=16", "=99", "=09", "=012", "=+9", "=1_0", "= 9", "=1\u0662", "=x"]
BAD = [
    *(f"; {name}{value}" for name in (S_BITS, C_BITS) for value in BAD_VALUES),
    *(f"; {name}; {name}" for name in (S_ALONE, C_ALONE)),
    *(f"; {name}=12; {name}=11" for name in (S_BITS, C_BITS)),
    *(f"; {name}=true" for name in (S_ALONE, C_ALONE)),
    *("; unknown", "; Server_max_window_bits=12", f"; {S_BITS}", f"; {C_ALONE}="),
]


@pytest.mark.parametrize("params", [*BAD, f"; {S_BITS}=8"])
def test_server_declines_an_offer_that_is_bad_or_impossible(params: str) -> None:
    assert Deflate().accept([(NAME, params_of(params))]) is None


@pytest.mark.parametrize("params", [*BAD, f"; {C_BITS}"])
def test_client_refuses_an_answer_outside_the_grammar(params: str) -> None:
    with pytest.raises(InvalidHandshake, match=r"\(RFC 7692 7\.1\)$"):
        WIDE.confirm(params_of(params))


def test_server_accepts_the_first_acceptable_offer() -> None:
    offers = [f"; {S_BITS}=8", "; unknown", f"; {S_BITS}=11", f"; {S_BITS}=10"]
    ours = [(NAME, params_of(offer)) for offer in offers]
    accepted = Deflate().accept([("x-other", []), (NAME.upper(), []), *ours])
    assert (accepted or ("",))[0] == f"{NAME}; {S_BITS}=11"
    assert Deflate().accept([("x-other", [])]) is None


def test_client_obeys_an_answer_that_fits() -> None:
    for wishes, answer, agreed in (
        (Deflate(), f"; {S_BITS}=12", (12, 12, False, False)),
        (Deflate(), f"; {S_BITS}=8; {C_BITS}=8", (8, 8, False, False)),
        (Deflate(), f"; {S_BITS}=12; {S_ALONE}; {C_ALONE}", (12, 12, True, True)),
        (WIDE, "", (15, 15, False, False)),
        (WIDE, f"; {S_BITS}=9", (9, 15, False, False)),
        (WISHES[1], f"; {S_BITS}=9", (9, 9, False, True)),
    ):
        assert wishes.confirm(params_of(answer))[:4] == agreed


def test_client_refuses_an_answer_that_does_not_fit() -> None:
    for answer, rule in (
        ("", rf"{S_ALONE} .*7\.1\.1\.1"),
        (f"; {S_BITS}=9; {C_ALONE}", rf"{S_ALONE} .*7\.1\.1\.1"),
    ):
        with pytest.raises(InvalidHandshake, match=rule):
            WISHES[2].confirm(params_of(answer))


def test_client_keeps_to_its_own_window_whatever_the_answer_allows() -> None:
    assert Deflate().confirm(params_of(f"; {C_BITS}=15; {S_BITS}=14"))[:2] == (14, 12)


@pytest.mark.parametrize("client", WISHES, ids=Deflate.offer)
def test_sides_agree_whatever_they_want(client: Deflate) -> None:
    for server in WISHES:
        element, agreed = answer_to(first_offer(client), server)
        assert client.confirm(params_of(element))[:4] == agreed[:4]
        assert agreed[4:] == (server.level, server.mem_level, server.threshold)


@pytest.mark.parametrize("wishes", WISHES, ids=Deflate.offer)
def test_sides_understand_each_other_whatever_is_agreed(wishes: Deflate) -> None:
    agreed = wishes.confirm(params_of(answer_to(first_offer(wishes), wishes)[0]))
    for sender, receiver in (Side.CLIENT, Side.SERVER), (Side.SERVER, Side.CLIENT):
        deflater, inflater = agreed.deflater(sender), agreed.inflater(receiver)
        for message in MESSAGES:
            payload = deflater.deflate(message, True)
            assert inflater.inflate(payload, len(message), True) == message


def exchange(peer: theirs.PerMessageDeflate, agreed: Agreed, side: Side) -> None:
    """Send fragments and messages to another's extension and back."""
    deflater, inflater, opcode = agreed.deflater(side), agreed.inflater(side), Opcode.BINARY
    for message, fin in [(b"He", False), (b"", False), (b"", True), *((m, True) for m in MESSAGES)]:
        payload = deflater.deflate(message, fin)
        assert peer.decode(Frame(opcode, payload, fin, opcode is Opcode.BINARY)).data == message
        encoded = peer.encode(Frame(opcode, message, fin))
        assert inflater.inflate(encoded.data, len(message), fin) == message
        opcode = Opcode.BINARY if fin else Opcode.CONT


THEIRS = [(False, False, None, 15), (True, True, 12, 9), (False, True, 9, 12)]


@pytest.mark.parametrize("ours", [Deflate(), WISHES[0], WISHES[-1]], ids=Deflate.offer)
@pytest.mark.parametrize("wishes", THEIRS)
def test_both_sides_understand_another_library(
    ours: Deflate, wishes: tuple[bool, bool, int | None, int]
) -> None:
    client = theirs.ClientPerMessageDeflateFactory(*wishes)
    element, agreed = ours.accept([(NAME, client.get_request_params())]) or ("", WIDE.confirm([]))
    exchange(client.process_response_params(params_of(element), []), agreed, Side.SERVER)
    server = theirs.ServerPerMessageDeflateFactory(*wishes)
    params, peer = server.process_request_params(params_of(first_offer(ours)), [])
    exchange(peer, ours.confirm(params), Side.CLIENT)


RFC = ["f248cdc9c90700", "000500faff48656c6c6f00", "f348cdc9c9070000", "f24805000000ffffcac9c90700"]


@pytest.mark.parametrize("takeover", [False, True])
@pytest.mark.parametrize("data", RFC, ids=["7.2.3.1", "7.2.3.3", "7.2.3.4", "7.2.3.5"])
def test_inflater_reads_the_examples_of_the_rfc(data: str, takeover: bool) -> None:
    inflater, payload = Inflater(15, takeover), bytes.fromhex(data)
    for size in (1, 3, 99):
        assert inflated(inflater, steps(payload, size), 5) == b"Hello"
        assert inflater.inflate(b"\x00", 0, True) == b""


PLACES = st.lists(st.integers(0, 10000), max_size=5)
MESSAGE = st.one_of(st.binary(max_size=300), st.integers(0, 6000).map(mixed))
WAYS = st.tuples(st.integers(8, 15), st.booleans(), st.integers(0, 9), st.integers(1, 9))


@given(messages=st.lists(st.tuples(MESSAGE, PLACES, PLACES), max_size=6), way=WAYS)
@settings(deadline=None)
def test_inflater_undoes_deflater_whatever_the_cuts(
    messages: list[tuple[bytes, list[int], list[int]]], way: tuple[int, bool, int, int]
) -> None:
    deflater, inflater = Deflater(*way), Inflater(*way[:2])
    for message, cuts, fragments in messages:
        *first, last = cut(message, fragments)
        payload = b"".join(deflater.deflate(bytearray(data), False) for data in first)
        payload += deflater.deflate(memoryview(last), True)
        assert inflated(inflater, cut(payload, cuts), len(message)) == message


@pytest.mark.parametrize("size", [1, 64, 10000])
@pytest.mark.parametrize("limit", [1, 4999])
def test_inflater_stops_at_the_first_byte_over_the_limit(limit: int, size: int) -> None:
    payload = Deflater(12, True, 6, 5).deflate(mixed(5000), True)
    assert len(inflated(Inflater(12, True), steps(payload, size), 5000)) == 5000
    with pytest.raises(MessageTooBig):
        inflated(Inflater(12, True), steps(payload, size), limit)
    with pytest.raises(MessageTooBig):
        Inflater(12, True).inflate(payload, 0, False)


def test_inflater_makes_little_of_a_bomb() -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(160)) + deflater.flush()
    with traced() as memory, pytest.raises(MessageTooBig):
        Inflater(15, True).inflate(bomb, 1 << 20, True)
    assert memory[1] < 4 << 20


def test_inflater_holds_two_windows_at_most() -> None:
    inflater, payload = Inflater(9, True), Deflater(9, True, 6, 5).deflate(mixed(200000), True)
    inflated(Inflater(9, True), steps(payload, 100))  # or what coverage notes of it would count
    with traced() as memory:
        inflated(inflater, steps(payload, 100))
    assert memory[0] < 2048


@pytest.mark.parametrize(
    "data",
    ["", "ff", "06", "00010000007800", "f200110000", "f248cdc9c907000000ffff", "f348cdc9c90700"],
    ids=["empty", "type", "tree", "stored", "7.2.3.2-no-window", "7.2.1-tail", "7.2.3.4-no-block"],
)
def test_inflater_refuses_bad_data(data: str) -> None:
    with pytest.raises(ProtocolError, match="RFC 7692") as caught:
        Inflater(15, True).inflate(bytes.fromhex(data), None, True)
    assert caught.value.code == 1007


def test_inflater_shares_the_window_with_the_messages_before_where_agreed() -> None:
    messages = [bytes.fromhex("f248cdc9c90700"), bytes.fromhex("f200110000")]
    inflater, alone = Inflater(15, True), Inflater(15, False)
    assert [inflater.inflate(message, 5, True) for message in messages] == [b"Hello"] * 2
    assert alone.inflate(messages[0], 5, True) == b"Hello"
    with pytest.raises(ProtocolError):
        alone.inflate(messages[1], 5, True)


def test_inflater_refuses_what_stands_outside_the_window() -> None:
    deflater, inflater, message = Deflater(10, True, 6, 5), Inflater(9, True), os.urandom(600)
    assert inflater.inflate(deflater.deflate(message, True), None, True) == message
    with pytest.raises(ProtocolError):
        inflater.inflate(deflater.deflate(message, True), None, True)


@pytest.mark.parametrize("level", [0, 6])
@pytest.mark.parametrize("message", [b"Hello", mixed(800), b"\x00\x00\xff\xff" * 9], ids=len)
def test_inflater_refuses_a_message_cut_short_anywhere(message: bytes, level: int) -> None:
    payload = Deflater(12, True, level, 5).deflate(message, True)
    # a stored block begins as an empty message does
    for data in {payload[:size] for size in range(len(payload))} - {b"\x00"}:
        with pytest.raises(ProtocolError):
            Inflater(12, True).inflate(data, None, True)


@pytest.mark.parametrize("size", [1, 7, 3000, 1 << 20])
@pytest.mark.parametrize("bits", [9, 12, 15])
def test_inflater_keeps_the_window_behind_final_blocks(bits: int, size: int) -> None:
    inflater, sent = Inflater(bits, True), b""
    for length in (10, 400, 9000, 0, 25000, 400):
        message, payload = b"", b""
        for part in (mixed(length)[::-1], mixed(length), mixed(length)):
            payload += final(part, bits, (sent + message)[-(1 << bits) :])
            message += part
        assert inflated(inflater, steps(payload + b"\x00", size), len(message)) == message
        sent += message


def test_inflater_keeps_the_limit_behind_final_blocks() -> None:
    payload = final(bytes(600)) + final(bytes(400)) + b"\x00"
    assert Inflater(15, True).inflate(payload, 1000, True) == bytes(1000)
    with pytest.raises(MessageTooBig):
        Inflater(15, True).inflate(payload, 999, True)


def test_inflater_reads_many_final_blocks_and_refuses_a_flood_of_them() -> None:
    message = mixed(1 << 20)
    payload = b"".join(final(part, level=0) for part in steps(message, 512)) + b"\x00"
    assert Inflater(15, False).inflate(payload, len(message), True) == message
    with pytest.raises(ProtocolError, match="final blocks"):
        Inflater(15, False).inflate(final(b"") * 30000, None, False)


@given(data=st.binary(max_size=400), cuts=PLACES, limit=st.integers(1, 2000))
@settings(deadline=None, max_examples=300)
def test_inflater_raises_nothing_else_on_garbage(data: bytes, cuts: list[int], limit: int) -> None:
    with suppress(ProtocolError, MessageTooBig):
        assert len(inflated(Inflater(12, True), cut(data, cuts), limit)) <= limit


@pytest.mark.parametrize("takeover", [False, True])
def test_deflater_makes_an_empty_block_of_nothing(takeover: bool) -> None:
    deflater = Deflater(12, takeover, 6, 5)
    assert [deflater.deflate(b"", True) for _ in range(3)] == [b"\x00"] * 3
    assert deflater.deflate(b"Hello", False).endswith(b"\x00\x00\xff\xff")
    assert deflater.deflate(b"", True) == b"\x00"


def test_deflater_remembers_the_messages_before_unless_told_otherwise() -> None:
    message, deflater, alone = os.urandom(500), Deflater(12, True, 6, 5), Deflater(12, False, 6, 5)
    first = deflater.deflate(message, True)
    assert len(deflater.deflate(message, True)) < 20
    deflater.reset()
    assert deflater.deflate(message, True) == first
    assert [alone.deflate(message, True) for _ in range(2)] == [first] * 2


@pytest.mark.parametrize("bits", range(8, 16))
def test_deflater_keeps_within_its_window(bits: int) -> None:
    deflater, strict = Deflater(bits, True, 9, 9), zlib.decompressobj(-bits)
    message = b"".join(mixed(700) + mixed(size) for size in (100, 300, 900, 2000, 9000, 20000))
    for part in (*steps(message, 250), bytes(999)):
        assert strict.decompress(deflater.deflate(part, False)) == part


def test_contexts_cost_nothing_before_their_first_use() -> None:
    agreed = Deflate().confirm(params_of(f"; {S_BITS}=12"))
    with traced() as memory:
        pairs = [(agreed.inflater(side), agreed.deflater(side)) for side in Side for _ in range(50)]
    assert memory[0] < 600 * len(pairs)
