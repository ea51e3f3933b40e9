"""What can be set on a connection, with the defaults that make it safe when nothing is."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf
from typing import Any, Final, TypedDict

from geventws.core.deflate import Deflate
from geventws.core.protocol import MAX_SIZE

DEFLATE: Final = Deflate()


class OptionArguments(TypedDict, total=False):
    """The keywords that connect(), serve(), WSGIServer and upgrade() share: see Options."""

    compression: Deflate | None
    max_size: int | None
    max_fragments: int | None
    open_timeout: float | None
    close_timeout: float
    send_timeout: float | None
    ping_interval: float | None
    ping_timeout: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one connection, or of all connections of one server.

    Times are seconds, sizes are bytes; None is no limit. A wrong type is a TypeError, a wrong value
    a ValueError, and both name the option.

    Args:
        compression: what to offer or accept of permessage-deflate; None turns it off.
        max_size: of a message, as declared, gathered and inflated. The peer gets 1009.
        max_fragments: continuation frames per message, empty ones counted; None is
            max(1024, max_size // 256).
            The peer gets 1008.
        open_timeout: for the whole opening: name lookup, TCP, TLS and the handshake.
        close_timeout: for the closing handshake and the end of TCP; then the connection is dropped.
        send_timeout: how long a write may make no progress at all before the connection is dropped.
        ping_interval: how often to ping; None turns keepalive off.
        ping_timeout: how long a ping may go unanswered before the peer is given up.
    """

    compression: Deflate | None = DEFLATE
    max_size: int | None = MAX_SIZE
    max_fragments: int | None = None
    open_timeout: float | None = 10.0
    close_timeout: float = 10.0
    send_timeout: float | None = 30.0
    ping_interval: float | None = 20.0
    ping_timeout: float | None = 20.0

    def __post_init__(self) -> None:
        if not isinstance(self.compression, Deflate | None):
            raise TypeError("compression: a Deflate or None")
        for field in fields(self)[1:]:
            _check(field.name, getattr(self, field.name), field.name.startswith("max_"))
        if self.close_timeout is None:
            raise TypeError("close_timeout: a number of seconds")


def options_of(arguments: OptionArguments) -> Options:
    """Return the Options that keyword *arguments* ask for.

    Raises:
        TypeError, ValueError: one is wrong, or is no option at all.
    """
    for name in arguments:
        if name not in OptionArguments.__annotations__:
            raise TypeError(f"unexpected option: {name}")
    return Options(**arguments) if arguments else _DEFAULTS


def seconds(given: float, name: str = "timeout", or_none: str = " or None") -> float:
    """Return *given*, the argument *name* of a function; it may be 0 or negative: do not wait.

    Raises:
        TypeError: it is no number.
    """
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(f"{name}: a number of seconds{or_none}")
    return given


def _check(name: str, value: Any, whole: bool) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise TypeError(f"{name}: {'an int' if whole else 'a number of seconds'} or None")
    if not 0 < value < inf:
        raise ValueError(f"{name}: must be greater than 0 and finite")


_DEFAULTS: Final = Options()  # one for all connections that set nothing
