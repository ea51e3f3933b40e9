"""The seams, as zope.interface contracts. Every implementation is held against them by a test.

A WebSocket is written for one thing at a time: whatever it does between two calls of its transport,
nobody else does meanwhile. On gevent that is so by nature, since only those calls switch greenlets;
the transport of threads keeps a monitor to the same end.
"""

from __future__ import annotations

from typing import Any

from zope.interface import Attribute, Interface


class IEvent(Interface):
    """What one caller waits for and another one sets; the subset of threading.Event needed here."""

    def set() -> None:
        """Wake whoever waits, now and later."""

    def is_set() -> bool:
        """Return whether set() was called."""

    def wait(timeout: float | None = None) -> bool:
        """Wait for set(), at most *timeout* seconds; return whether it came."""


class ITransport(Interface):
    """A byte stream to one peer. One caller may read while another one writes."""

    local_address = Attribute("the address of this end, as the socket gives it")
    peer_address = Attribute("the address of the other end, as the socket gives it")
    closed = Attribute("whether close() was called")
    written = Attribute("how many bytes the operating system has taken so far")
    on_drained = Attribute("called when all that was posted has left, None for nobody")
    torn = Attribute("whether a write was broken off after a part of it had left")
    turn = Attribute("a number that is another one once others have run; 0 where nobody knows")

    def read(timeout: float | None) -> bytes:
        """Wait for bytes and return them; b"" is the end of the stream.

        Raises TimeoutError after *timeout* seconds, another OSError where the stream is lost. No
        byte is lost when a wait is interrupted.
        """

    def read_now() -> bytes | None:
        """Return the bytes that are here without waiting; None where there are none."""

    def readable() -> bool:
        """Return whether bytes, or the end of the stream, wait to be read."""

    def write(buffers: list[bytes], timeout: float | None, more: bool = False) -> None:
        """Wait until the operating system has taken all of *buffers*, whole and in order.

        *more* says that the caller will write more at once, or wait: then a transport may keep
        them a moment instead, at the latest until others run.

        Raises TimeoutError after *timeout* seconds without any progress, another OSError where the
        stream is lost. After any exception *torn* tells whether some of them left; where it is
        false, none did and none will.
        """

    def post(buffers: list[bytes]) -> None:
        """Send *buffers* as far as that goes without waiting; the rest follows by itself.

        Never raises for a lost stream: reading tells of it.
        """

    def unsent() -> int:
        """Return how many bytes given to post() or write() have not left."""

    def breathe() -> None:
        """Let others run for a moment."""

    def event() -> IEvent:
        """Return an event for callers of this transport; waiting for it lets the others run."""

    def shutdown() -> None:
        """Tell the peer that nothing more will be written, once all that was posted has left."""

    def close() -> None:
        """Drop the stream now. Who waits in read() gets b"", who waits in write() an OSError."""


class ICaretaker(Interface):
    """Who looks after connections while their applications do something else."""

    def plan(connection: object, seconds: float) -> None:
        """See to it that connection.attend() is called in about *seconds*, or sooner."""

    def forget(connection: object) -> None:
        """Look after *connection* no more: it is over."""


class IWebSocket(Interface):
    """A connection as applications see it. The methods are awaitable on an event loop's door."""

    request = Attribute("the opening request: a Request, None on a client")
    subprotocol = Attribute("the subprotocol agreed on, or None")

    def send(message: Any) -> None:
        """Send a message: str as text, bytes as binary, an iterable of either in fragments."""

    def receive(timeout: float | None = None) -> str | bytes:
        """Return the next message."""

    def ping(timeout: float | None = None) -> float:
        """Send a ping and return the seconds until its pong came."""

    def close(code: int = 1000, reason: str = "") -> None:
        """Close the connection."""


class IManager(Interface):
    """A group of connections."""

    def add(ws: Any) -> None:
        """Take *ws* in, until it is removed or over."""

    def remove(ws: Any) -> None:
        """Let *ws* go; it leaves every room."""

    def broadcast(message: Any, room: str | None = None, exclude: Any = ()) -> object:
        """Send *message* to all, or to those in *room*."""

    def close_all(code: int = 1001, reason: str = "") -> None:
        """Close every connection."""

    def join(timeout: float | None = None) -> bool:
        """Wait until every connection is closed."""


class IUpgradable(Interface):
    """A request on a WSGI server that lets go of its connection, as wsgi.py needs it."""

    socket = Attribute("the connection's socket, in whatever form the server has it")
    head = Attribute("the head of the request as it came, or None where the server kept none")
    limits = Attribute("what the server takes of one connection: a Limits, or None")

    def begin(response: bytes, start_response: object) -> bytes:
        """Send *response*, the 101; return what the server has read past the request.

        From now on the server neither reads nor writes. *start_response* is the application's, or
        None. Raises OSError where the stream is lost.
        """

    def opened(connection: object) -> None:
        """Take note that *connection* has the stream now."""

    def refused(error: object) -> None:
        """Take note that *error*, an InvalidHandshake, is what is wrong with the request."""
