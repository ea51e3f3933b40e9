"""WebSocket: one connection as applications see it, in the blocking and in the callback style.

message -> send() -> the wire -> receive() -> message
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

from zope.interface import classImplements

from geventws.callbacks import Callbacks
from geventws.clock import monotonic
from geventws.core.codes import (
    GOING_AWAY,
    INTERNAL_ERROR,
    NO_STATUS_RECEIVED,
    NORMAL_CLOSURE,
    Side,
)
from geventws.core.errors import ConcurrencyError, ConnectionClosed
from geventws.core.handshake import Accepted, Request
from geventws.core.protocol import Protocol
from geventws.interfaces import IWebSocket
from geventws.options import Options, seconds

Data = str | bytes | bytearray | memoryview

# An iteration ends quietly on these: the peer is done. A browser's close() gives no code at all.
QUIET: Final = frozenset({NORMAL_CLOSURE, GOING_AWAY, NO_STATUS_RECEIVED})
RECEIVE: Final = "receive()"


class Stats(NamedTuple):
    """What a connection has done so far, and the messages read ahead that nobody has received."""

    messages_received: int
    messages_sent: int
    bytes_received: int  # payloads, text as UTF-8, before compression
    bytes_sent: int
    wire_received: int  # frames, as the network sees them
    wire_sent: int
    pings_received: int
    queued: int


def stats_of(protocol: Protocol) -> Stats:
    """Return the counters of the connection that has this *protocol*."""
    writer = protocol.writer
    return Stats(
        protocol.messages_received,
        writer.messages,
        protocol.bytes_received,
        writer.bytes,
        protocol.wire_received,
        writer.wire,
        protocol.pings_received,
        protocol.queued(),
    )


class WebSocket(Callbacks):
    """One open connection.

    Any number of callers may send, ping and close at once, and one may receive meanwhile. Messages
    are sent whole, in the order of asking. Every method blocks its caller alone. A WebSocket is a
    context manager that closes, and an iterator over the messages received.

    For the callback style override opened(), received_message(), ponged(), closed() and
    unhandled_error() in a subclass: see Callbacks.

    Attributes:
        request: the opening Request; None on a client.
        subprotocol: the one agreed on, or None.
        extensions: the names of those agreed on.
        environ: the WSGI environ where WSGI code asked for it, or None.
        state: the application's own; the library never touches it.
    """

    __slots__ = (
        "_receiving",
        "environ",
        "extensions",
        "request",
        "state",
        "subprotocol",
    )

    def __init__(
        self,
        transport: Any,
        protocol: Protocol,
        options: Options,
        side: Side,
        *,
        request: Request | None = None,
        subprotocol: str | None = None,
        extensions: tuple[str, ...] = (),
    ) -> None:
        super().__init__(transport, protocol, options, side)
        self.request = request
        self.subprotocol = subprotocol
        self.extensions = extensions
        self.environ: dict[str, Any] | None = None
        self.state: Any = None
        self._receiving: object = None  # who: RECEIVE, or an iteration over pieces

    # Receiving

    def receive(self, timeout: float | None = None) -> str | bytes:
        """Wait for the next message and return it: str for text, bytes for binary.

        One caller at a time may receive. Pings are answered meanwhile, and by the caretaker when
        nobody receives.

        Args:
            timeout: seconds to wait for the whole message; None waits for ever, 0 takes what is
                here. What has arrived of a message when the time is up is not lost.

        Raises:
            ConnectionClosed: the connection is closed, and every message before that was returned.
            TimeoutError: no whole message came in time; the connection is still good.
            ConcurrencyError: another caller is receiving.
        """
        message: str | bytes = self._receive(True, timeout)
        return message

    def receive_pieces(self) -> Iterator[str | bytes]:
        """Wait for the next message and yield it piece by piece, as it arrives.

        The message is never whole in memory; max_size still holds for all of it. The pieces of a
        text are whole characters. Until the iteration ends nobody else can receive; of a message
        that it has begun, what is not yielded then is passed over.

        Raises:
            ConnectionClosed, ConcurrencyError: as for receive().
        """
        iteration = object()
        begun = ended = False
        try:
            while not ended:
                piece, ended = self._receive(False, None, iteration)
                begun = True
                yield piece
        finally:
            if self._receiving is iteration:
                self._receiving = None
            if begun and not ended:
                self._protocol.skip_message()
                self._tell()

    def __iter__(self) -> Iterator[str | bytes]:
        """Yield the messages; ends when the peer is done (1000, 1001, or no code given).

        Raises:
            ConnectionClosed: the connection ended in any other way.
        """
        return _Messages(self)

    def _receive(self, whole: bool, timeout: float | None, iteration: object = None) -> Any:
        """Receive for receive(), or for an *iteration* that nobody else comes between."""
        if self._receiving is not None and self._receiving is not iteration:
            raise ConcurrencyError("another caller is receiving on this connection")
        self._receiving = iteration or RECEIVE
        try:
            return self._await(whole, timeout)
        finally:
            if iteration is None:
                self._receiving = None

    # Sending

    def send(self, message: Data | Iterable[Data]) -> None:
        """Send a message: str as text, bytes-like as binary, an iterable of either in fragments.

        Returns when the operating system has the bytes; on a server before that, where more has
        come to be received, here or elsewhere: then it leaves with the replies to that, or when the
        hub has its turn. Who computes for long after it calls gevent.sleep(0) first.
        An iterable's first item says text or binary; pings and pongs go between its fragments.

        Raises:
            ConnectionClosed: the connection is closed, or the peer took nothing for send_timeout.
            TypeError: *message* is none of those. Where an iterable mixes str and bytes, or raises,
                the connection is failed with 1011, for what was sent cannot be taken back.
            UnicodeEncodeError: a str with lone surrogates.

        An exception thrown into the caller while it waits, such as gevent.Timeout, passes; the
        connection stays usable, unless a part of the message had left: then it is lost (1006).
        """
        if isinstance(message, (str, bytes, bytearray, memoryview)):
            self._in_turn(message, True)
        elif isinstance(message, Iterable):
            self._in_turn(iter(message), False)
        else:
            raise TypeError(f"message: str, bytes or an iterable, not {type(message).__name__}")

    def _in_turn(self, message: Any, whole: bool) -> None:
        self._take_turn()
        try:
            if self._backlog is not None:
                self._let_broadcasts_go_first()
            if whole:
                self._send_whole(message)
            else:
                self._send_fragments(message)
        finally:
            self._pass_turn()
        if self._is_turn_over():  # only now, or all others would come to stand in line
            self._breathe()

    def _send_whole(self, message: Data) -> None:
        self._say_first()
        self._protocol.send_message(message)
        self._write()

    def _say_first(self) -> None:
        """Post what else is to be said, so that a write has nothing in it but the message."""
        if self._protocol.has_data():
            self._transport.post(self._protocol.data_to_send())

    def _send_fragments(self, items: Iterator[Data]) -> None:
        """Send *items*, one ahead, for the last one must say that it is the last."""
        item = next(items, None)
        if item is None:
            raise TypeError("message: an iterable of at least one str or bytes")
        try:
            for following in items:
                self._send_fragment(item, False)
                item = following
            self._send_fragment(item, True)
            if self._backlog is not None:
                self._post()
        except ConnectionClosed:
            raise
        except BaseException as error:
            self._give_up(error, "the message could not be finished")
            raise

    def _send_fragment(self, item: Data, fin: bool) -> None:
        self._say_first()
        self._protocol.send_fragment(item, fin)
        self._unfinished = not fin
        self._write()
        if self._is_turn_over():
            self._breathe()

    def ping(self, timeout: float | None = None) -> float:
        """Send a ping and wait for its pong; return the seconds that took.

        Any number of callers may do so at once, and while another one receives.

        Raises:
            ConnectionClosed: the connection is closed, or was before the pong came.
            TimeoutError: no pong came within *timeout* seconds; the connection is still good.
        """
        start = monotonic()
        deadline = None if timeout is None else start + seconds(timeout)
        keepalive = self._keepalive
        payload = keepalive.begin(start)
        try:
            self._protocol.send_ping(payload)
            self._post()
            self._until(lambda: not keepalive.waits_for(payload), deadline)
        finally:
            keepalive.forget(payload)
        return monotonic() - start

    # Closing

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection: exchange close frames, then end TCP. Closing twice is no error.

        Waits for the peer at most close_timeout, then drops the connection. Messages that arrived
        before this stay to be received. A fragmented message under way is cut off, and its sender
        gets ConnectionClosed.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        self.begin_close(code, reason)
        try:
            self._until(self._is_over, self._over_by)
        except TimeoutError as error:
            self._lose(error, "no close frame in time")
        self._hang_up()

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Close with 1000, or 1011 where the block failed; one that is killed does not wait."""
        if error is None or isinstance(error, ConnectionClosed):
            self.close()
        elif isinstance(error, Exception):
            self.close(INTERNAL_ERROR, "the application failed")
        else:
            self.drop()

    # What is known of the connection

    @property
    def close_code(self) -> int | None:
        """The code of ConnectionClosed; None while the connection is open."""
        return self._protocol.close_code if self._is_over() else None

    @property
    def close_reason(self) -> str:
        """The reason of ConnectionClosed; empty while the connection is open."""
        return self._protocol.close_reason if self._is_over() else ""

    @property
    def latency(self) -> float | None:
        """The seconds that the last ping took, keepalive's included; None before the first."""
        return self._keepalive.latency

    @property
    def local_address(self) -> Any:
        """The address of this end, as its socket gives it."""
        return self._transport.local_address

    @property
    def peer_address(self) -> Any:
        """The address of the peer's end, as the socket gives it."""
        return self._transport.peer_address

    @property
    def stats(self) -> Stats:
        """The counters of this connection as they stand."""
        return stats_of(self._protocol)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.local_address} - {self.peer_address}>"


class _Messages:
    """What WebSocket.__iter__() returns: a generator would take more memory while it waits."""

    __slots__ = ("_ws",)

    def __init__(self, ws: WebSocket) -> None:
        self._ws = ws

    def __iter__(self) -> _Messages:
        return self

    def __next__(self) -> str | bytes:
        try:
            return self._ws.receive()
        except ConnectionClosed as closed:
            if closed.code in QUIET and closed.clean:
                raise StopIteration from None
            raise


class EchoWebSocket(WebSocket):
    """Sends every message back."""

    def received_message(self, message: str | bytes) -> None:
        """Send *message* back."""
        self.send(message)


W = TypeVar("W", bound=WebSocket)


def establish(
    make: type[W],
    transport: Any,
    options: Options,
    side: Side,
    accepted: Accepted,
    rest: bytes = b"",
    request: Request | None = None,
) -> W:
    """Return the connection that begins where the opening handshake ended (RFC 6455 4.1, 4.2.2).

    Args:
        make: its class.
        transport: an ITransport that nobody else uses any more.
        options: its options.
        side: which one we are.
        accepted: what was agreed on.
        rest: what has been read past the handshake.
        request: the opening request, on a server.
    """
    connection = make(
        transport,
        Protocol(side, options.max_size, options.max_fragments, accepted.deflate),
        options,
        side,
        request=request,
        subprotocol=accepted.subprotocol,
        extensions=() if accepted.deflate is None else ("permessage-deflate",),
    )
    connection.begin(rest)
    return connection


classImplements(WebSocket, IWebSocket)
