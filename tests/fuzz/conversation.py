"""Fuzzing protocol while the application sends, closes, reads ahead and changes its mind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from geventws.core.codes import State
from geventws.core.errors import ConcurrencyError, ConnectionClosed, ProtocolError
from geventws.core.protocol import AHEAD_BYTES, PONGS, TURN
from tests.core.helpers import Message, receive, state, verdict, wire
from tests.fuzz.given import HALF_A_FRAME, Settings, failure, settings, split, stream

REASON: Final = "gr\u00fc\u00df Gott"
LONGEST: Final = 64  # of a script, lest an input takes long
MIXED: Final = "message: its items"


def check(data: bytes) -> object:
    """Do what the script says, one byte for each deed, while the stream comes in.

    Options: two bytes for settings(), and one whose remainder by LONGEST is the length of the
    script, which stands before the stream. There are no cuts: the script says how much comes when.
    """
    (first, second, length), _, payload = split(data, 3)
    given = settings(first, second)
    length %= LONGEST
    scene = Scene(given, stream(first, given, payload[length:]))
    for byte in payload[:length]:
        scene.play(byte)
    return scene.end()


class Scene:
    """A Protocol, the bytes that come for it, and the peer that takes what it sends."""

    def __init__(self, given: Settings, coming: bytes) -> None:
        self.given = given
        self.coming = coming
        self.fed = 0
        self.protocol = given.protocol()
        self.peer = given.peer()
        self.begun = False  # a message is being received in pieces
        self.fragments: list[Message] = []
        self.sent: list[Message] = []
        self.arrived: list[Message] = []
        self.seen: list[object] = []
        self.deeds: list[Callable[[int], object]] = [
            *(self.feed, self.feed, self.receive, self.piece, self.skip, self.read_ahead),
            *(self.keep_all, self.close, self.send, self.fragment, self.ping, self.flush),
            *(self.turn, self.eof, self.look, self.feed),
        ]

    def play(self, byte: int) -> None:
        """Do one thing and note what came of it."""
        try:
            self.seen.append(self.deeds[byte & 15](byte >> 4))
        except (ConnectionClosed, ConcurrencyError) as error:
            self.seen.append(f"{type(error).__name__}: {error}")
        self.check_bounds()

    def check_bounds(self) -> None:
        """Check that what is held has its bound."""
        assert len(self.protocol.pongs or ()) <= PONGS
        if self.given.max_size is not None and state(self.protocol) != State.CLOSED:
            held = 2 * AHEAD_BYTES + 2 * self.given.max_size + HALF_A_FRAME + self.fed
            assert self.protocol.buffered() <= held

    def end(self) -> object:
        """Let all come that is left and the stream end; return all that was seen."""
        self.feed(0)
        self.protocol.receive_eof()
        while self.receive_next() is not None or self.protocol.frames_this_turn >= TURN:
            self.protocol.frames_this_turn = 0
        assert state(self.protocol) == State.CLOSED
        error = self.protocol.error
        assert error is None or isinstance(error, (ProtocolError, ConnectionResetError))
        self.flush(0)
        assert self.arrived == self.sent
        why = failure(error) if isinstance(error, ProtocolError) else repr(error)
        counted = self.protocol.messages_received, self.protocol.pings_received
        return self.seen, verdict(self.protocol), why, counted, verdict(self.peer)

    def receive_next(self) -> object:
        """Return the next message, or the next piece where one is begun."""
        return self.piece(0) if self.begun else self.protocol.next_message()

    # What may be done

    def feed(self, size: int) -> None:
        """Let so many times eight bytes come, or all."""
        part = self.coming[: size * 8 if size else None]
        self.coming = self.coming[len(part) :]
        self.fed += len(part)
        self.protocol.receive_data(part)

    def receive(self, size: int) -> object:
        """Ask for a message, unless one is being received in pieces."""
        return None if self.begun else self.protocol.next_message()

    def piece(self, size: int) -> object:
        """Ask for what is here of a message."""
        found = self.protocol.next_piece()
        if found is not None:
            self.begun = not found[1]
        return found

    def skip(self, size: int) -> None:
        """Let the rest of a message pass that has begun."""
        if self.begun:
            self.begun = False
            self.protocol.skip_message()

    def read_ahead(self, size: int) -> object:
        """Read ahead; return how many messages wait."""
        self.protocol.read_ahead()
        return self.protocol.queued()

    def keep_all(self, size: int) -> object:
        """Keep all that has come; return how many messages wait."""
        self.protocol.keep_all()
        return self.protocol.queued()

    def close(self, size: int) -> None:
        """Close, with a code and a reason of this size."""
        self.protocol.close(3000 + size, REASON[:size])

    def send(self, size: int) -> None:
        """Send a message."""
        message = self.content(size)
        self.protocol.send_message(message)
        self.sent.append(message)

    def fragment(self, size: int) -> object:
        """Send a fragment; bit 1 of *size* ends the message. Text and binary do not mix."""
        data = self.content(size)
        try:
            self.protocol.send_fragment(data, bool(size & 2))
        except TypeError as error:
            if not str(error).startswith(MIXED):
                raise
            return str(error)
        self.fragments.append(data)
        if size & 2:
            self.sent.append(type(data)().join(self.fragments))  # type: ignore[arg-type]
            self.fragments.clear()
        return None

    def content(self, size: int) -> Message:
        """Return text or binary, short or long."""
        many = (1, 20, 400, 9000)[size >> 2]
        return REASON * many if size & 1 else bytes([size]) * many

    def ping(self, size: int) -> None:
        """Send a ping."""
        self.protocol.send_ping(bytes(size))

    def flush(self, size: int) -> object:
        """Bring to the peer what is to be sent; it finds no fault with any of it."""
        found = receive(self.peer, wire(self.protocol))
        self.arrived += found
        assert self.peer.error is None
        pongs = list(self.peer.pongs or ())
        self.peer.pongs = None
        return [len(message) for message in found], pongs, self.peer.pings_received

    def turn(self, size: int) -> None:
        """Begin a new turn."""
        self.protocol.frames_this_turn = 0

    def eof(self, size: int) -> None:
        """Lose the connection, or give it up."""
        if size == 1:
            self.protocol.receive_eof(ConnectionResetError())
            self.coming = b""
        elif size == 2:
            self.protocol.abort(1001, REASON)

    def look(self, size: int) -> object:
        """Return all that can be seen."""
        protocol = self.protocol
        return (
            *(int(protocol.state), protocol.wants_data(), protocol.buffered(), protocol.queued()),
            *(protocol.has_data(), protocol.close_sent, protocol.close_received, verdict(protocol)),
            *(protocol.bytes_received, protocol.frames_this_turn, list(protocol.pongs or ())),
        )
