"""A message for many: offered to each, and what became of it; for every manager.

message -> Encoded -> offer() to each connection -> Result
"""

from __future__ import annotations

from typing import Any, Final, Generic, NamedTuple, TypeVar

from geventws.backlog import POLICIES, TOO_SLOW, SlowPeers
from geventws.broker import Position
from geventws.core.codes import POLICY_VIOLATION

BUFFER_SIZE: Final = 1024 * 1024  # bytes that wait for one slow peer
BUFFERED_MESSAGES: Final = 64  # and messages
SLOW: Final = "too slow for what is broadcast"  # the reason such a peer is told

W = TypeVar("W")


class Result(NamedTuple, Generic[W]):
    """What became of a broadcast. Each connection that it was for is in one of the lists."""

    sent: list[W]  # on its way; the kernel has it, or has the bytes before it
    buffered: list[W]  # waits until the peer takes more
    dropped: list[W]  # too slow: missed older messages for it, or it, over buffer_size
    closed: list[W]  # closing, or closed by this because too slow
    # over a broker they are empty, for members are everywhere, and this is where it stands
    position: Position | None = None

    def note(self, ws: Any, outcome: int) -> None:
        """Take note of what offer() returned for *ws*, and close it where it is too slow."""
        if outcome == TOO_SLOW:
            ws.begin_close(POLICY_VIOLATION, SLOW)
            self.closed.append(ws)
        else:
            lists: Any = self
            lists[outcome].append(ws)

    def settle(self) -> None:
        """Take note that nothing is buffered any more: those that are over are closed."""
        waited: list[Any] = self.buffered[:]
        self.closed.extend(ws for ws in waited if ws.close_code is not None)
        self.buffered[:] = [ws for ws in waited if ws.close_code is None]


def check_count(name: str, given: Any) -> None:
    """Raise TypeError or ValueError where *given*, an argument of that *name*, is no count."""
    if not isinstance(given, int) or isinstance(given, bool):
        raise TypeError(f"{name}: an int")
    if given <= 0:
        raise ValueError(f"{name}: must be greater than 0")


def slow_peers_of(slow_peers: str, buffer_size: int) -> SlowPeers:
    """Return what a manager's arguments of these names say.

    Raises:
        TypeError, ValueError: one of them is wrong.
    """
    if slow_peers not in POLICIES:
        raise ValueError(f"slow_peers: one of {', '.join(POLICIES)}")
    check_count("buffer_size", buffer_size)
    return SlowPeers(slow_peers, buffer_size, BUFFERED_MESSAGES)
