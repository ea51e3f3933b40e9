"""A connection as gevent-websocket has it, over one of ours."""

from __future__ import annotations

from logging import Logger
from typing import Any, Final

from geventws.adapters.gevent_websocket.exceptions import WebSocketError
from geventws.core.errors import ConnectionClosed
from geventws.websocket import WebSocket as Connection

MSG_SOCKET_DEAD: Final = "Socket is dead"
MSG_ALREADY_CLOSED: Final = "Connection is already closed"
MSG_CLOSED: Final = "Connection closed"


class Stream:
    """What a WebSocket has of its HTTP connection.

    Attributes:
        handler: the WebSocketHandler.
    """

    __slots__ = ("handler",)

    def __init__(self, handler: Any) -> None:
        self.handler = handler


class WebSocket:
    """environ["wsgi.websocket"]: a connection that is open.

    One greenlet may receive while any number send.

    Attributes:
        environ: the request's.
        handler, stream: the WebSocketHandler, and what has it too.
        connection: the geventws.WebSocket, for all that gevent-websocket did not have.
    """

    OPCODE_CONTINUATION = 0x00
    OPCODE_TEXT = 0x01
    OPCODE_BINARY = 0x02
    OPCODE_CLOSE = 0x08
    OPCODE_PING = 0x09
    OPCODE_PONG = 0x0A

    def __init__(self, environ: dict[str, Any], connection: Connection, handler: Any) -> None:
        self.environ = environ
        self.connection = connection
        self.handler = handler
        self.stream = Stream(handler)
        self._closed = False

    # What it is

    @property
    def closed(self) -> bool:
        """Whether close() was called, or the connection is over."""
        return self._closed or self.connection.close_code is not None

    @property
    def close_reason(self) -> str | None:
        """The close reason that came; None where none did."""
        return self.connection.close_reason or None

    @property
    def path(self) -> str | None:
        """The path of the request."""
        return self.environ.get("PATH_INFO")

    @property
    def origin(self) -> str | None:
        """The Origin of the request, or None."""
        return self.environ.get("HTTP_ORIGIN")

    @property
    def protocol(self) -> str | None:
        """The subprotocols that the client offered, as it did, or None."""
        return self.environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL")

    @property
    def version(self) -> str | None:
        """The version of the WebSocket protocol: "13"."""
        return self.environ.get("HTTP_SEC_WEBSOCKET_VERSION")

    @property
    def current_app(self) -> Any:
        """What the server's application has under this name, or a stand-in; it hears of ends."""
        return getattr(self.handler.server.application, "current_app", _NOBODY)

    @property
    def logger(self) -> Logger:
        """The server's logger."""
        logger: Logger = self.handler.logger
        return logger

    # Messages

    def receive(self) -> str | bytearray | None:
        """Wait for the next message and return it; None is the end of the connection.

        Raises:
            WebSocketError: the end was told already, or close() was called.
        """
        if self._closed:
            self.current_app.on_close(MSG_ALREADY_CLOSED)
            raise WebSocketError(MSG_ALREADY_CLOSED)
        try:
            message = self.connection.receive()
        except ConnectionClosed as end:
            self._closed = True
            if not end.clean:
                self.current_app.on_close(MSG_CLOSED)
            return None
        return message if isinstance(message, str) else bytearray(message)

    def send(self, message: str | bytes | bytearray, binary: bool | None = None) -> None:
        """Send *message*, waiting where the peer does not keep up.

        Args:
            binary: whether as a binary message; None is what *message* is.

        Raises:
            WebSocketError: the connection is over.
            TypeError: *message* is neither str nor bytes-like.
        """
        if binary is None:
            binary = not isinstance(message, str)
        self.send_frame(message, self.OPCODE_BINARY if binary else self.OPCODE_TEXT)

    def send_frame(self, message: str | bytes | bytearray, opcode: int) -> None:
        """Send a message, a ping or a close frame by its *opcode*.

        A ping waits for its pong, and has a payload of its own.

        Raises:
            WebSocketError: the connection is over.
            TypeError: *message* is neither str nor bytes-like.
            ValueError: *opcode* is another one.
        """
        if opcode == self.OPCODE_CLOSE:
            self.close(message=message)
            return
        data = _text_of(message) if opcode == self.OPCODE_TEXT else _bytes_of(message)
        try:
            if self._closed:
                raise WebSocketError(MSG_ALREADY_CLOSED)
            if opcode == self.OPCODE_PING:
                self.connection.ping()
            elif opcode in (self.OPCODE_TEXT, self.OPCODE_BINARY):
                self.connection.send(data)
            else:
                raise ValueError("opcode: text, binary, ping or close")
        except (ConnectionClosed, OSError) as error:
            self.current_app.on_close(MSG_SOCKET_DEAD)
            raise WebSocketError(MSG_SOCKET_DEAD) from error

    def close(self, code: int = 1000, message: str | bytes | bytearray = b"") -> None:
        """Begin to close the connection, without waiting for the peer; once is enough.

        The handler waits, when the application has returned.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *message* is over 123 bytes.
        """
        if self._closed:
            self.current_app.on_close(MSG_ALREADY_CLOSED)
            return
        self.connection.begin_close(code, _text_of(message))
        self._closed = True


def _bytes_of(message: object) -> bytes | bytearray | memoryview:
    if isinstance(message, str):
        return message.encode()
    if isinstance(message, bytes | bytearray | memoryview):
        return message
    raise TypeError("message: str or bytes-like")


def _text_of(message: object) -> str:
    return message if isinstance(message, str) else bytes(_bytes_of(message)).decode()


class _Nobody:
    def on_close(self, *args: Any) -> None:
        """Hear of an end, for nobody."""


_NOBODY: Final = _Nobody()
