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
        them a moment instead, at the latest until the loop runs. It may do so as well while others
        can go on.

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


class IBroker(Interface):
    """Rooms across processes: what is published in a room reaches whoever is subscribed to it.

    Use it in one hub's thread. A room is a str of at most 200 characters; "" stands for everybody.
    Only subscribe(), publish(), history() and presence() may wait; they raise ConnectionError where
    the broker cannot be reached in time, or is closed. Wrong arguments are TypeError or ValueError.
    """

    def subscribe(room: str, deliver: Any) -> None:
        """Have deliver(publication) called for each publication in *room* from now on.

        The calls begin in the order of the positions, one for each publication. *deliver* must not
        wait for a peer, but may let others run; the next call may begin meanwhile. Returns as soon
        as nothing can be missed any more. Where it raises, *deliver* is not subscribed.
        """

    def unsubscribe(room: str, deliver: Any) -> None:
        """Call *deliver* for *room* no more; no error where it is not subscribed."""

    def publish(room: str, message: Any, exclude: Any = ()) -> object:
        """Publish *message*, str or bytes, in *room*; return its Position, None without history.

        *exclude* has the ids of members who are not meant. After a ConnectionError it may have been
        published or not, but not twice.
        """

    def history(room: str, since: Any = None) -> object:
        """Return the History of *room*: what was published after the Position *since*.

        None asks for all that is remembered. It is recovered where the epoch is still the same, and
        everything from *since* until now is there; what it has otherwise is not said. A room in
        which nothing was published stands at offset 0.

        *since* has been a position of the room, as a broker gave it: one that the room has not come
        to says that its memory was lost, and may begin a new epoch for everybody. What a stranger
        says is compared before with a position that is known; or History.after() judges it, of all
        that is remembered.
        """

    def enter(room: str, member: str, info: Any = None) -> None:
        """Have presence() name *member* until leave(), or some time after this process is gone.

        *info* is any JSON value. To enter again is to say another one.
        """

    def leave(room: str, member: str) -> None:
        """Have presence() name *member* no more; no error where it does not."""

    def presence(room: str) -> dict[str, Any]:
        """Return who is in *room*, whatever process they are connected to: their info by id."""

    def close() -> None:
        """Let go of everything; what this process said of presence is taken back."""


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
