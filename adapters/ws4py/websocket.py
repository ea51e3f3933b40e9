"""WebSocket as ws4py has it: callbacks, and once(), process() and terminate() to override.

sock -> once() -> process() -> received_message()          send() -> sock
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, Final

from geventws.adapters.ws4py.driver import GOING_AWAY, Driver
from geventws.adapters.ws4py.exc import StreamClosed
from geventws.adapters.ws4py.heartbeat import Heartbeat as Heartbeat
from geventws.adapters.ws4py.heartbeat import heartbeat_of
from geventws.adapters.ws4py.messaging import (
    CloseControlMessage,
    Message,
    PingControlMessage,
    PongControlMessage,
    decoded,
    encoded,
    texts,
)
from geventws.adapters.ws4py.streaming import Stream
from geventws.adapters.ws4py.transports import READING_SIZE, transport_of
from geventws.core.codes import ABNORMAL_CLOSURE, BINARY, NORMAL_CLOSURE, PING, PONG, TEXT, Side
from geventws.core.errors import ConnectionClosed
from geventws.core.frame import close_payload
from geventws.core.handshake import Accepted
from geventws.options import Options
from geventws.websocket import establish

__all__ = ["EchoWebSocket", "Heartbeat", "WebSocket"]

logger = logging.getLogger("geventws")

DEFAULT_READING_SIZE: Final = READING_SIZE
AGREED_ON_NOTHING: Final = Accepted(None, None, b"")


class WebSocket:
    """One connection, in ws4py's callback style; to be subclassed.

    Any number of threads, or greenlets, may send, ping and close at once; one runs it: run(), or a
    manager. Messages are sent whole, in the order of asking.

    Attributes:
        sock: the socket, or what is used as one; None when the connection is over.
        protocols: the subprotocols: on a server, and once connected, the one agreed on, in a list.
        extensions: the names of those agreed on.
        environ: a copy of the WSGI environ, or None.
        stream: says by always_mask, as long as nothing was sent or received, that this is a
            client. None when the connection is over.
        heartbeat_freq: seconds between pings, None or 0 for none; read when the connection opens.
        heartbeat: "ping", after which a peer that does not answer for ping_timeout is given up, or
            "pong" for ws4py's Heartbeat.
        options: an Options for what ws4py has no argument for: limits, deadlines, compression.
    """

    options: ClassVar[Options] = Options(ping_interval=None)
    heartbeat: ClassVar[str] = "ping"

    def __init__(
        self,
        sock: Any,
        protocols: Any = None,
        extensions: Any = None,
        environ: dict[str, Any] | None = None,
        heartbeat_freq: float | None = None,
    ) -> None:
        """Take a connected *sock*: a socket, or any object with recv(size) and sendall(data)."""
        self.sock = sock
        self.protocols = protocols
        self.extensions = extensions
        self.environ = environ
        self.heartbeat_freq = heartbeat_freq
        self.stream: Stream | None = Stream()
        self.client_terminated = False
        self.server_terminated = False
        # known to ws4py's programs; here the transport decides, and keeps nothing back
        self.reading_buffer_size = DEFAULT_READING_SIZE
        self.buf = b""
        self._driver: Any = None
        self._beginning = threading.Lock()  # there is one driver, and closed() is called once
        self._is_open = False
        self._is_closed = False

    # What to override

    def opened(self) -> None:
        """Called once, before any other callback."""

    def received_message(self, message: Any) -> None:
        """Called with each message, a TextMessage or a BinaryMessage."""

    def ponged(self, pong: PongControlMessage) -> None:
        """Called with each pong."""

    def closed(self, code: int, reason: str | None = None) -> None:
        """Called once, last, with the peer's close code and reason; 1006 where it gave none."""

    def unhandled_error(self, error: OSError) -> None:
        """Called with what the socket failed with; unless overridden it logs that.

        What a callback raises does not come here: it ends the connection with 1011, and passes.
        """
        logger.error("%r: receiving failed", self, exc_info=error)

    # What is known of the connection

    @property
    def local_address(self) -> Any:
        """The address of this end: a pair of host and port, or a path; None before connect()."""
        return None if self.driver is None else _pair(self.driver.local_address)

    @property
    def peer_address(self) -> Any:
        """The address of the peer's end, likewise."""
        return None if self.driver is None else _pair(self.driver.peer_address)

    @property
    def connection(self) -> Any:
        """The socket, as sock."""
        return self.sock

    @property
    def terminated(self) -> bool:
        """Whether the connection is over, and closed() has been called."""
        return self.client_terminated and self.server_terminated

    @property
    def driver(self) -> Driver | None:
        """The connection of this library that does the work; None before a client connects."""
        with self._beginning:
            if self._driver is None and self.sock is not None:
                self.begin(transport_of(self.sock), AGREED_ON_NOTHING)
        driver: Driver | None = self._driver
        return driver

    # Sending

    def send(self, payload: Any, binary: bool = False) -> None:
        """Send str or bytes as a text, or where *binary* as bytes; a Message as what it is.

        Any other iterable is sent as one message, each item as a fragment. Returns when the
        operating system has the bytes.

        Raises:
            StreamClosed: the connection is closed, or the peer took nothing for send_timeout.
            ValueError: *payload* is none of those, a text is not UTF-8, or a ping too long.
            TypeError: an iterable has no item, or one that is no str or bytes: then, and where it
                raises, the connection is failed with 1011.
        """
        driver = self.driver
        if self.terminated:
            raise StreamClosed(reason="the websocket is terminated")
        if driver is None:
            raise StreamClosed(reason="the websocket is not connected yet")
        try:
            self._send(driver, payload, binary)
        except ConnectionClosed as closed:
            raise StreamClosed(closed.code, closed.reason, closed.clean) from closed

    def _send(self, driver: Driver, payload: Any, binary: bool) -> None:
        if isinstance(payload, (str, bytes, bytearray, memoryview)):
            driver.send(encoded(payload) if binary else decoded(payload))
        elif not isinstance(payload, Message):
            if not isinstance(payload, Iterable):
                raise ValueError(
                    f"payload: str, bytes, a Message or an iterable of these, not "
                    f"{type(payload).__name__}"
                )
            driver.send(map(encoded, payload) if binary else texts(payload))
        elif payload.opcode in (TEXT, BINARY):
            driver.send(payload.data.decode() if payload.opcode == TEXT else payload.data)
        elif isinstance(payload, CloseControlMessage):
            self.close(payload.code, payload.reason)
        elif payload.opcode in (PING, PONG):
            driver.send_control(payload.opcode, payload.data)
        else:
            raise ValueError("payload: a continuation is no message; send an iterable instead")

    def ping(self, message: str | bytes) -> None:
        """Send a ping without waiting for its pong, which ponged() is called with.

        Raises:
            StreamClosed: the connection is closed.
            ValueError: *message* is over 125 bytes.
        """
        self.send(PingControlMessage(message))

    def close(self, code: int = NORMAL_CLOSURE, reason: str | bytes | None = "") -> None:
        """Send a close frame, once, and return without waiting for the peer's.

        Whoever runs the connection waits for that, at most close_timeout.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        text = reason if isinstance(reason, str) else (reason or b"").decode()
        close_payload(code, text)  # raises before anything is done
        if not self._has_closed() and self.driver is not None:
            self._note_close()
            self.driver.begin_close(code, text)

    def _has_closed(self) -> bool:
        return self.server_terminated

    def _note_close(self) -> None:
        self.server_terminated = True

    # Running

    def run(self) -> None:
        """Call the callbacks for what comes, until the connection is over.

        What a callback raises passes, after closed() was called.
        """
        frequency = self.heartbeat_freq if self.heartbeat == "pong" else None
        driver = self.driver
        with heartbeat_of(driver and driver.transport, self, frequency):
            try:
                if driver is not None:
                    driver.be_run()
                self.open()
                while not self.terminated and self.once():
                    pass
            finally:
                self.terminate()

    def once(self) -> bool:
        """Wait for bytes and process() them; return False where that was the end."""
        driver = self.driver
        if driver is None or self.terminated:
            return False
        try:
            data = driver.read()
        except OSError as error:
            self.unhandled_error(error)
            driver.lose(error)
            return False
        return driver.deliver_all() if data is None else self.process(data)

    def process(self, data: bytes) -> bool:
        """Take bytes that came, b"" for their end, and call the callbacks for what they bring.

        Returns whether more can come; where not, terminate() is to be called.
        """
        return self.driver is not None and self.driver.take(data)

    def terminate(self) -> None:
        """Call closed(), once, and end the connection, which may wait for the peer."""
        with self._beginning:
            is_closed, self._is_closed = self._is_closed, True
        if is_closed:
            return
        driver = self.driver
        if self.stream is not None and self.stream.closing is None and driver is not None:
            self.stream.closing = driver.closing()
        closing = None if self.stream is None else self.stream.closing
        try:
            if closing is None:
                self.closed(ABNORMAL_CLOSURE, GOING_AWAY)
            else:
                self.closed(closing.code, closing.reason)
        finally:
            self.stream = self.environ = None
            self.client_terminated = self.server_terminated = True
            if driver is not None:
                driver.finish()
                if self._driver is driver:  # a client may have begun another one
                    self._let_go(driver)

    def _let_go(self, driver: Any) -> None:
        if not driver.polled:
            self.close_connection()
        self.sock = None

    def close_connection(self) -> None:
        """End the connection now, without a word."""
        driver = self.driver
        if driver is not None:
            driver.drop(ABNORMAL_CLOSURE)
        self.sock = None

    # For whoever opens and runs it

    def begin(self, transport: Any, accepted: Accepted, rest: bytes = b"") -> None:
        """Begin the conversation that an opening handshake agreed on, over *transport*."""
        assert self.stream is not None
        side = Side.CLIENT if self.stream.always_mask else Side.SERVER
        self.attach(establish(Driver, transport, self._options(None), side, accepted, rest))

    def _options(self, ping_interval: float | None) -> Options:
        return replace(self.options, ping_interval=ping_interval or None)

    def attach(self, driver: Any) -> None:
        """Have *driver* carry this websocket."""
        driver.owner = self
        self._driver = driver
        driver.look_after()

    def open(self) -> None:
        """Call opened(), once, and let the heart beat."""
        if not self._is_open and self.driver is not None:
            self._is_open = True
            self._beat(self.driver)
            self.driver.open()

    def _beat(self, driver: Any) -> None:
        driver.beat(self.heartbeat_freq if self.heartbeat == "ping" else None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.local_address} - {self.peer_address}>"


class EchoWebSocket(WebSocket):
    """Sends every message back."""

    def received_message(self, message: Any) -> None:
        """Send *message* back, as what it is."""
        self.send(message.data, message.is_binary)


def _pair(address: Any) -> Any:
    return address[:2] if isinstance(address, tuple) else address
