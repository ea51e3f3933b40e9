"""What travels in a channel: all that is packed comes out again, and nothing else is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.adapters.redis.envelope import NOWHERE, VERSION, pack, unpack, unpack_body
from geventws.broker import Position, Publication

NODE = b"12345678"
TAIL = b"epoch-xy" + (7).to_bytes(8, "big")
HEAD = len(pack("", frozenset(), NODE, 1))

messages = st.text(st.characters(exclude_categories=["Cs"])) | st.binary()
ids = st.frozensets(st.text(st.characters(exclude_categories=["Cs"])), max_size=5)


@given(messages, ids, st.integers(0, 2**64 - 1))
def test_envelope_gives_back_what_was_packed(
    message: str | bytes, exclude: frozenset[str], number: int
) -> None:
    body = pack(message, exclude, NODE, number)
    expected = Publication("tea", message, Position(7, "epoch-xy"), exclude)
    assert unpack("tea", body + TAIL) == expected
    assert unpack_body("tea", body, expected.position) == expected
    assert unpack("tea", body + NOWHERE) == expected._replace(position=None)


@given(st.binary(max_size=80))
def test_envelope_takes_garbage_for_nothing_but_an_error(data: bytes) -> None:
    try:
        publication = unpack("tea", data)
    except ValueError:
        return
    assert data[0] == VERSION
    assert publication.room == "tea"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PING",
        pack("x", frozenset(), NODE, 1),
        b"\x02" + pack("x", frozenset(), NODE, 1)[1:] + TAIL,
        b"\x01\x80" + pack("x", frozenset(), NODE, 1)[2:] + TAIL,
        pack("x", frozenset(["a-1"]), NODE, 1)[: HEAD + 3] + TAIL,
        pack("x", frozenset(["a-1"]), NODE, 1)[: HEAD + 1] + NOWHERE[:15],
        pack("x", frozenset(), NODE, 1)[:-1] + b"\xff" + TAIL,
        pack("x", frozenset(["a"]), NODE, 1).replace(b"a", b"\xff") + TAIL,
        pack("x", frozenset(), NODE, 1) + b"\xff" * 8 + TAIL[8:],
    ],
    ids=[
        *("empty", "a-word", "no-position", "a-newer-version", "an-unknown-flag", "a-cut-id"),
        *("a-cut-length", "text-that-is-none", "an-id-that-is-no-text", "an-epoch-that-is-none"),
    ],
)
def test_envelope_refuses_what_no_broker_of_this_version_sends(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        unpack("tea", data)


def test_body_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than a head"):
        unpack_body("tea", b"\x01", None)


@pytest.mark.parametrize(
    "exclude", [frozenset(map(str, range(65_536))), frozenset(["x" * 65_536])], ids=["many", "long"]
)
def test_envelope_refuses_ids_that_do_not_fit(exclude: frozenset[str]) -> None:
    with pytest.raises(ValueError, match=r"^exclude: "):
        pack("x", exclude, NODE, 1)
