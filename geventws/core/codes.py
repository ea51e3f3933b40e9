"""The numbers of the protocol: opcodes, close codes, sides and states (RFC 6455 5.2, 7.4)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

# opcodes (RFC 6455 5.2)
CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

# close codes (RFC 6455 7.4.1 and IANA's WebSocket Close Code Number Registry)
NORMAL_CLOSURE: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED_DATA: Final = 1003
NO_STATUS_RECEIVED: Final = 1005
ABNORMAL_CLOSURE: Final = 1006
INVALID_DATA: Final = 1007
POLICY_VIOLATION: Final = 1008
MESSAGE_TOO_BIG: Final = 1009
MANDATORY_EXTENSION: Final = 1010
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013
BAD_GATEWAY: Final = 1014
TLS_HANDSHAKE: Final = 1015

# RFC 6455 7.4.1: these are for reporting only and never stand in a close frame
_REPORTED: Final = frozenset({1004, NO_STATUS_RECEIVED, ABNORMAL_CLOSURE, TLS_HANDSHAKE})


class Side(IntEnum):
    """Which end of the connection this is: a client masks what it sends (RFC 6455 5.1)."""

    CLIENT = 0
    SERVER = 1


class State(IntEnum):
    """How far the conversation has come, in the words of the W3C's WebSocket API."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


def sendable(code: int) -> bool:
    """Return whether *code* may stand in a close frame (RFC 6455 7.4.2)."""
    if 3000 <= code <= 4999:
        return True
    return NORMAL_CLOSURE <= code <= BAD_GATEWAY and code not in _REPORTED
