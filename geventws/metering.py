"""A transport that closes a connection whose peer says too much too fast.

It looks at the connection's counters where that costs next to nothing: around each read, and
whenever others run, which is after a turn of frames at most. Where no rate is set, a plain
Transport does without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geventws.clock import monotonic
from geventws.core.codes import POLICY_VIOLATION, State
from geventws.core.errors import ProtocolError
from geventws.limits import Limits
from geventws.rates import Bucket
from geventws.transport import Transport
from geventws.websocket import WebSocket


def transport_of(socket: Any, limits: Limits | None = None) -> Transport:
    """Return a Transport for *socket* that keeps what *limits* say of one connection."""
    if limits is None or (limits.message_rate is None and limits.byte_rate is None):
        return Transport(socket)
    return MeteredTransport(socket, limits)


def measure(connection: WebSocket, transport: Transport) -> None:
    """Have *transport*, where it keeps limits, keep them for *connection* from now on."""
    if isinstance(transport, MeteredTransport):
        transport.measure(connection)


class MeteredTransport(Transport):
    """A Transport that fails its connection with 1008 where the peer goes over a rate.

    Failing, as after any other violation, costs the least: nothing that the peer still sends is
    looked at, and of that no more is read than a caretaker reads, four times a second.
    """

    __slots__ = ("_bytes", "_connection", "_got", "_messages", "_said", "_waiting")

    def __init__(self, socket: Any, limits: Limits) -> None:
        super().__init__(socket)
        now = monotonic()
        self._messages = limits.messages and Bucket(limits.messages, now)
        self._bytes = limits.bytes and Bucket(limits.bytes, now)
        self._connection: Any = None
        self._said = 0  # messages and pings, as they stood when last looked at
        self._got = 0  # bytes
        self._waiting = False  # in a read: who is failed now must not wait for what comes next

    def measure(self, connection: WebSocket) -> None:
        """Look at what the peer of *connection* says from now on."""
        self._connection = connection

    def read(self, timeout: float | None = None) -> bytes:
        """Wait for bytes and return them; b"" is the end of the stream. See ITransport."""
        self._look(0)  # who has gone too far may say nothing more for long
        self._waiting = True
        try:
            data = super().read(timeout)
        finally:
            self._waiting = False
        self._look(len(data))
        return data

    def read_now(self) -> bytes | None:
        """Return the bytes that are here without waiting; None where there are none."""
        data = super().read_now()
        self._look(len(data or b""))
        return data

    def park(self, ready: Callable[[], None]) -> None:
        """Have the hub call *ready*, once, when bytes or the end of the stream are there."""
        self._look(0)
        super().park(ready)

    def breathe(self) -> None:
        """Let other greenlets run, those too for whom something has just come."""
        super().breathe()
        if not self._waiting:
            self._look(0)

    def _look(self, size: int) -> None:
        """Look at the counters, with *size* bytes that they do not have yet."""
        if self._connection is None:
            return
        protocol = self._connection._protocol
        if protocol.state is not State.OPEN:
            return
        if self._messages is not None:
            said = protocol.messages_received + protocol.pings_received
            more, self._said = said - self._said, said
            if more and not self._messages.spend(more, monotonic()):
                self._fail("more messages than message_rate allows")
                return
        if self._bytes is not None:
            got = protocol.wire_received + size
            more, self._got = got - self._got, got
            if more and not self._bytes.spend(more, monotonic()):
                self._fail("more bytes than byte_rate allows")

    def _fail(self, reason: str) -> None:
        self._connection._protocol.fail(ProtocolError(reason, POLICY_VIOLATION))
        self._connection.neglected()  # who receives may wait already: the caretaker tells the peer
