"""How the network cuts a stream decides nothing."""

from __future__ import annotations

import pytest

from geventws.core.codes import BINARY, Side
from geventws.core.protocol import Protocol
from tests.core.helpers import AGREED, raw_frame, receive

EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"
FINAL_BLOCK = b"\x03\x00"
# 95 bytes, in more bytes than they are: compressed data may grow a little
GROWN = b"\x00\x5f\x00\xa0\xff" + 95 * b"x" + 140 * EMPTY_BLOCK + b"\x00"


@pytest.mark.parametrize("payload", [GROWN, 17 * FINAL_BLOCK + b"\x00"], ids=["grown", "finals"])
def test_side_judges_a_compressed_message_alike_wherever_it_is_cut(payload: bytes) -> None:
    data = raw_frame(BINARY, payload, b"", True, 4)
    seen = set()
    for place in range(len(data)):
        protocol = Protocol(Side.CLIENT, 100, None, AGREED)
        messages = receive(protocol, data[:place]) + receive(protocol, data[place:])
        seen.add((tuple(map(len, messages)), protocol.close_code))
    assert len(seen) == 1
