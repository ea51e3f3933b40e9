from __future__ import annotations

import pytest

from geventws.core import codes
from geventws.core.codes import Side, State, sendable


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("CONTINUATION", 0x0),
        ("TEXT", 0x1),
        ("BINARY", 0x2),
        ("CLOSE", 0x8),
        ("PING", 0x9),
        ("PONG", 0xA),
        ("NORMAL_CLOSURE", 1000),
        ("GOING_AWAY", 1001),
        ("PROTOCOL_ERROR", 1002),
        ("UNSUPPORTED_DATA", 1003),
        ("NO_STATUS_RECEIVED", 1005),
        ("ABNORMAL_CLOSURE", 1006),
        ("INVALID_DATA", 1007),
        ("POLICY_VIOLATION", 1008),
        ("MESSAGE_TOO_BIG", 1009),
        ("MANDATORY_EXTENSION", 1010),
        ("INTERNAL_ERROR", 1011),
        ("SERVICE_RESTART", 1012),
        ("TRY_AGAIN_LATER", 1013),
        ("BAD_GATEWAY", 1014),
        ("TLS_HANDSHAKE", 1015),
    ],
)
def test_each_number_is_the_registered_one(name: str, number: int) -> None:
    assert getattr(codes, name) == number


@pytest.mark.parametrize(
    ("numbers", "may"),
    [
        pytest.param(range(-1, 1000), False, id="7.4.2-below-1000-unused"),
        pytest.param(range(1000, 1004), True, id="7.4.1-1000-to-1003"),
        pytest.param(range(1004, 1007), False, id="7.4.1-1004-reserved-1005-1006-reported"),
        pytest.param(range(1007, 1015), True, id="7.4.1-1007-to-1014"),
        pytest.param(range(1015, 1016), False, id="7.4.1-1015-reported"),
        pytest.param(range(1016, 3000), False, id="7.4.2-below-3000-unassigned"),
        pytest.param(range(3000, 4000), True, id="7.4.2-3000-registered"),
        pytest.param(range(4000, 5000), True, id="7.4.2-4000-private"),
        pytest.param(range(5000, 65536), False, id="7.4.2-from-5000-undefined"),
    ],
)
def test_sendable_tells_which_codes_a_close_frame_may_have(numbers: range, may: bool) -> None:
    assert [code for code in numbers if sendable(code) is not may] == []


def test_states_are_in_the_order_a_connection_goes_through() -> None:
    assert list(State) == [State.CONNECTING, State.OPEN, State.CLOSING, State.CLOSED]
    assert State.CONNECTING < State.OPEN < State.CLOSING < State.CLOSED


def test_there_are_two_sides() -> None:
    assert list(Side) == [Side.CLIENT, Side.SERVER]
