"""resume.geventws.v1 without I/O: both sides, and what either makes of a peer that lies."""

from __future__ import annotations

import json
import random
from base64 import urlsafe_b64encode
from contextlib import suppress
from typing import Any, NamedTuple

import pytest

from geventws.broker import MAX_NAME, Position, Publication
from geventws.core.errors import ProtocolError
from geventws.core.handshake import Request, user_subprotocols
from geventws.resuming import (
    MARK,
    MAX_HEAD,
    MAX_OFFSET,
    MAX_ROOMS,
    MAX_TOKEN,
    POSITION,
    RESUME,
    Received,
    Resumption,
    direct,
    joined,
    left,
    positions,
    published,
    resumes,
    skipped,
)

WORST = "\U0001f600" * MAX_NAME  # the room whose name takes the most as JSON


class Speaker(NamedTuple):
    """What is asked of a connection: what was agreed on, and whether it is a server's end."""

    subprotocol: str | None
    request: Request | None = Request(b"GET / HTTP/1.1\r\nHost: x")


RESUMING, PLAIN = Speaker(RESUME), Speaker(None)


def request(*offered: str) -> Request:
    lines = [f"Sec-WebSocket-Protocol: {each}" for each in offered]
    return Request("\r\n".join(["GET / HTTP/1.1", "Host: a", *lines]).encode("latin-1"))


def token(said: object) -> str:
    text = said if isinstance(said, str) else json.dumps(said)
    return POSITION + urlsafe_b64encode(text.encode()).decode().rstrip("=")


def at(offset: int, epoch: str = "x", room: str = "tea", message: Any = "m") -> str | bytes:
    return published(Publication(room, message, Position(offset, epoch)))


def standing(offset: int, epoch: str = "x") -> Resumption:
    """Return a client that stands in the room "tea"."""
    resumption = Resumption()
    resumption.take(joined("tea", Position(offset, epoch), None))
    return resumption


# What is written


def test_published_puts_one_line_in_front_of_a_text_and_of_bytes() -> None:
    head = '\x1e{"room":"tea","offset":7,"epoch":"x"}\n'
    assert at(7, message="two\nlines") == f"{head}two\nlines"
    assert at(7, message=b"\n\x00") == head.encode() + b"\n\x00"
    assert published(Publication("tea", "m")) == '\x1e{"room":"tea"}\nm'


def test_notices_say_what_happened_without_a_payload() -> None:
    position = Position(7, "x")
    assert skipped("tea", position) == '\x1e{"room":"tea","offset":7,"epoch":"x","skipped":true}'
    stands = '\x1e{"room":"tea","offset":7,"epoch":"x","recovered":'
    assert joined("tea", position, True) == f"{stands}true}}"
    assert joined("tea", position, False) == f"{stands}false}}"
    assert joined("tea", position, None) == f"{stands}null}}"
    assert joined("tea", None, None) == '\x1e{"room":"tea","recovered":null}'
    assert left("tea") == '\x1e{"room":"tea","left":true}'


def test_heads_are_ascii_on_one_line_whatever_a_room_is_called() -> None:
    for room in ("a", 'a\n"b"\\', "\u2028\u00e9\x1e", WORST):
        head = at(MAX_OFFSET, "e" * 32, room, "")
        assert isinstance(head, str)
        assert head.isascii()
        assert head.index("\n") == len(head) - 1 <= MAX_HEAD
        assert Resumption().take(head) == Received("", room)


# Direct messages


@pytest.mark.parametrize("message", ["", "hello", "\x1e", '{"room":1}', b"", b"\x1e{", b"\xff"])
def test_direct_leaves_alone_what_nobody_could_mistake(message: Any) -> None:
    assert direct(RESUMING, message) is message
    assert Resumption().take(message) == Received(message, None)


@pytest.mark.parametrize(
    "message", [at(1), at(1, message=b"m"), left("tea"), MARK, MARK.encode() + b"\xff\n"]
)
def test_direct_keeps_a_stranger_from_writing_a_head(message: Any) -> None:
    assert direct(PLAIN, message) is message
    resumption = Resumption()
    assert resumption.take(direct(RESUMING, message)) == Received(message, None)
    assert resumption.positions == {}


def test_resumes_asks_what_was_agreed_on_with_a_client() -> None:
    others = (PLAIN, Speaker("chat"), Speaker(RESUME, None))  # the last one is a client itself
    assert [resumes(ws) for ws in (RESUMING, *others)] == [True, False, False, False]


# What a client says it knows


def test_offer_says_nothing_but_the_subprotocol_at_first() -> None:
    assert Resumption().offer() == [RESUME]
    unknown = Resumption()
    unknown.take(joined("tea", None, None))
    assert unknown.offer() == [RESUME]


def test_offer_is_read_as_it_was_meant() -> None:
    resumption = Resumption()
    said = {
        room: Position(n, f"e-{n}")
        for n, room in enumerate(["tea", 'a"\n', "b", "\u00e9\U0001f600"])
    }
    for room, position in said.items():
        resumption.take(joined(room, position, None))
    offered = resumption.offer()
    assert user_subprotocols(offered) == tuple(offered)
    assert positions(request(", ".join(offered))) == said
    assert positions(request(offered[0], f"chat ,{offered[1]}")) == said


def test_offer_keeps_to_its_limit_and_to_the_rooms_heard_of_last() -> None:
    resumption = Resumption()
    for n in range(500):
        resumption.take(at(n + 1, "abcdefgh", f"room {n:03}"))
    resumption.take(at(2, "abcdefgh", "room 000"))
    _, said = resumption.offer()
    known = positions(request(f"{RESUME}, {said}"))
    assert MAX_TOKEN - 60 < len(said) <= MAX_TOKEN
    assert list(known) == ["room 000", *(f"room {n:03}" for n in range(499, 500 - len(known), -1))]
    assert len(known) > 100


def test_offer_has_space_for_the_worst_room() -> None:
    resumption = Resumption()
    resumption.take(at(MAX_OFFSET, "e" * 32, WORST))
    assert positions(request(resumption.offer()[1])) == {WORST: (MAX_OFFSET, "e" * 32)}


@pytest.mark.parametrize(
    "said",
    [
        *("", "=", "ab", "a", "a.b", "gA", "_____w"),
        *map(token, ["", "[]", "1", "null", "{", '"tea"', "\ufeff{}", "[" * 4500, "9" * 4400]),
        *[token({"tea": said}) for said in (None, 1, [], [1], [1, "x", 2], {"0": 1}, "1x")],
        *[token({"tea": [said, "x"]}) for said in (-1, 1.0, True, None, "1", MAX_OFFSET + 1)],
        *[token({"tea": [1, said]}) for said in ("", "e" * 33, "a b", "\u00e9", "x\n", 1, None)],
        token('{"tea": [NaN, "x"]}'),
        *[token({room: [1, "x"]}) for room in ("", "r" * (MAX_NAME + 1))],
        token({"tea": [1, "x"], "milk": [1, ""]}),
        token('{"tea": [1, "x"]' + " " * MAX_TOKEN + "}"),
        f"{token({'tea': [1, 'x']})}, {token({'milk': [1, 'x']})}",
    ],
    ids=lambda said: repr(said)[:60],
)
def test_positions_says_nothing_of_what_is_wrong(said: str) -> None:
    offered = said if said.startswith(POSITION) else POSITION + said
    assert positions(request(f"{RESUME}, {offered}")) == {}


def test_positions_survives_any_bytes() -> None:
    dice = random.Random(9)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.,\t \xe9"
    for _ in range(2000):
        said = "".join(dice.choices(alphabet, k=dice.randrange(40)))
        assert positions(request(POSITION + said)) == {}
    assert positions(request()) == {}


# What a client makes of it


def test_client_is_given_each_publication_once() -> None:
    resumption = standing(3)
    assert resumption.take(at(4, message="four")) == Received("four", "tea")
    assert resumption.take(at(4, message="four")) == Received(None, "tea")
    assert resumption.take(at(2)) == Received(None, "tea")
    assert resumption.take(at(5, message=b"")) == Received(b"", "tea")
    assert (resumption.positions, resumption.unrecovered) == ({"tea": (5, "x")}, set())


def test_client_is_given_what_stands_nowhere_each_time() -> None:
    resumption = standing(3)
    for _ in range(2):
        assert resumption.take(published(Publication("tea", "m"))) == Received("m", "tea")
    assert resumption.positions == {"tea": (3, "x")}


def test_client_stays_where_it_stood_when_it_is_recovered() -> None:
    resumption = standing(3)
    resumption.take(at(4))
    assert resumption.take(joined("tea", Position(3, "x"), True)) == Received(None, "tea")
    assert resumption.take(at(4)) == Received(None, "tea")
    assert resumption.take(at(5)) == Received("m", "tea")
    assert resumption.unrecovered == set()


@pytest.mark.parametrize("recovered", [False, None])
@pytest.mark.parametrize("position", [Position(9, "x"), Position(0, "y"), None])
def test_client_knows_that_it_was_not_recovered(
    recovered: bool | None, position: Position | None
) -> None:
    resumption = standing(3)
    resumption.take(joined("tea", position, recovered))
    assert resumption.unrecovered == {"tea"}
    assert resumption.positions == {"tea": position}


def test_client_misses_nothing_where_it_comes_for_the_first_time() -> None:
    resumption = Resumption()
    for recovered in (None, False, True):
        resumption.take(joined(f"room {recovered}", Position(9, "x"), recovered))
    assert resumption.unrecovered == set()
    assert set(resumption.positions.values()) == {Position(9, "x")}


@pytest.mark.parametrize(
    "missed", [at(6), at(4, "y"), at(1, "y"), skipped("tea", Position(6, "x"))]
)
def test_client_notices_what_is_missing_in_between(missed: str) -> None:
    resumption = standing(4)
    resumption.take(missed)
    assert resumption.unrecovered == {"tea"}


def test_client_misses_nothing_that_was_not_meant_for_it() -> None:
    resumption = standing(4)
    assert resumption.take(skipped("tea", Position(5, "x"))) == Received(None, "tea")
    assert resumption.take(at(6)) == Received("m", "tea")
    assert resumption.unrecovered == set()


def test_client_forgets_a_room_that_it_left_and_joins_it_afresh() -> None:
    resumption = standing(4)
    resumption.take(at(9))
    assert resumption.take(left("tea")) == Received(None, "tea")
    assert (resumption.positions, resumption.unrecovered) == ({}, set())
    resumption.take(joined("tea", Position(20, "x"), None))
    assert resumption.take(at(21)) == Received("m", "tea")
    assert resumption.unrecovered == set()


def test_client_keeps_a_thousand_rooms_at_most() -> None:
    resumption = standing(1)
    for n in range(MAX_ROOMS + 5):
        resumption.take(joined(f"room {n}", Position(1, "x"), None))
        resumption.take(joined(f"room {n}", None, False))
    assert len(resumption.positions) == len(resumption.unrecovered) == MAX_ROOMS
    assert resumption.unrecovered <= set(resumption.positions)
    assert "tea" not in resumption.positions


@pytest.mark.parametrize(
    "notice", ["null}", '"tea"}', '"tea","closed":true}', '"tea","left":1}', '"tea","skipped":0}']
)
def test_client_passes_over_a_notice_that_it_does_not_know(notice: str) -> None:
    resumption = standing(4)
    assert resumption.take(MARK + notice).message is None
    assert resumption.positions == {"tea": (4, "x")}


def test_client_passes_over_members_that_it_does_not_know() -> None:
    message = f'{MARK}"tea","by":"ann","offset":5,"epoch":"x","tags":{{"a":[]}}}}\nm'
    assert standing(4).take(message) == Received("m", "tea")


@pytest.mark.parametrize(
    ("head", "what"),
    [
        *[(head, "JSON") for head in ("", '"tea"', '"tea"}}', "[" * 4000, "1e}", "9" * 4080)],
        *[(f"{room}}}\nm", "room") for room in ("1", "true", "[]", "{}", "NaN")],
        *[(f'"{room}"}}\nm', "room") for room in ("", "r" * (MAX_NAME + 1))],
        *[
            (f'"tea","offset":{offset},"epoch":"x"}}\nm', "offset")
            for offset in (-1, 1.5, "null", "true", '"1"', MAX_OFFSET + 1, "1e3")
        ],
        ('"tea","epoch":"x"}\nm', "offset"),
        *[
            (f'"tea","offset":1,"epoch":{epoch}}}\nm', "epoch")
            for epoch in ("1", "null", '""', '"a b"', f'"{"e" * 33}"')
        ],
        ('"tea","offset":1}\nm', "epoch"),
        *[(f'"tea","recovered":{said}}}', "recovered") for said in ("1", '"yes"', "[]")],
        ('"tea","recovered":true,"offset":-1,"epoch":"x"}', "offset"),
        ('"tea","skipped":true}', "offset"),
        (f'"tea"{" " * MAX_HEAD}}}\nm', "size"),
        (f'"tea"{" " * MAX_HEAD}}}', "size"),
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("kind", [str, bytes])
def test_client_refuses_a_head_that_is_none(head: str, what: str, kind: type) -> None:
    text = MARK + head
    resumption = standing(4)
    with pytest.raises(ProtocolError, match=rf"^{what} of a head is wrong") as caught:
        resumption.take(text if kind is str else text.encode())
    assert caught.value.code == 1002
    assert (resumption.positions, resumption.unrecovered) == ({"tea": (4, "x")}, set())


@pytest.mark.parametrize("payload", ["", "\n", "\nm"])
def test_client_takes_the_longest_head_and_none_that_is_longer(payload: str) -> None:
    start, end = f'{MARK}"tea","more":"', '"}'
    for size in (MAX_HEAD, MAX_HEAD + 1):
        head = start + "x" * (size - len(start + end)) + end + payload
        for message in (head, head.encode()):
            if size == MAX_HEAD:
                assert Resumption().take(message).room == "tea"
            else:
                with pytest.raises(ProtocolError, match=r"^size of a head"):
                    Resumption().take(message)


def test_client_refuses_a_head_that_is_not_utf8() -> None:
    with pytest.raises(ProtocolError, match=r"^JSON of a head"):
        Resumption().take(MARK.encode() + b'"\xff"}\nm')


def test_client_survives_any_head() -> None:
    dice = random.Random(9)
    good = f'{MARK}"tea","offset":5,"epoch":"x","recovered":null}}\npayload'
    for _ in range(5000):
        broken = list(good)
        for _ in range(dice.randrange(1, 4)):
            broken[dice.randrange(len(MARK), len(good))] = chr(dice.randrange(1, 256))
        with suppress(ProtocolError):
            Resumption().take("".join(broken))
