"""Messages to the conversation: control frames, the closing handshake, states (RFC 6455 5.5, 6, 7).

receive_data -> next_message -> str | bytes            send_message -> data_to_send

The rules that every line below keeps:
1. Nothing is sent after a close frame, and a close frame is sent once.
2. A message is handed out before anything that stands behind it on the wire takes effect: a close
   frame, a violation, the end of the stream. Only pings and pongs overtake.
3. After a violation nothing more that the peer sent is looked at.
4. What is held is bounded: PONGS pongs each way, the read-ahead, the message that is arriving.

The core is pulled. Who wants a message asks for it, and only that parses; read_ahead() parses for
someone who is not asking just now.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from geventws.core.codes import (
    ABNORMAL_CLOSURE,
    CLOSE,
    NORMAL_CLOSURE,
    PING,
    PONG,
    Side,
    State,
    sendable,
)
from geventws.core.deflate import Agreed
from geventws.core.errors import ConnectionClosed, ProtocolError
from geventws.core.frame import (
    MAX_CONTROL,
    Frame,
    FrameReader,
    close_payload,
    parse_close,
    short_reason,
)
from geventws.core.message import Encoded, MessageReader, MessageWriter, fragment_limit

MAX_SIZE: Final = 1024 * 1024
# The read-ahead: enough to keep a peer busy, little enough for 10,000 connections at once.
AHEAD_MESSAGES: Final = 16
AHEAD_BYTES: Final = 64 * 1024
# Frames worked on, in or out, before whoever drives this should let others run.
TURN: Final = 64
PONGS: Final = 32  # kept for a slow driver or peer; of more the latest do (RFC 6455 5.5.3)
# a number that C has, and names with nothing to look up in them
_TURN: Final = TURN
_OPEN, _CLOSED = State.OPEN, State.CLOSED


class Protocol:
    """One side of one open connection, after the opening handshake; it does no I/O of its own.

    Not safe to call from two threads at once. *state* is OPEN, then CLOSING once this side has sent
    a close frame, then CLOSED when nothing more can come or go. *close_code* and *close_reason* are
    then those of ConnectionClosed. *max_size* None means no limit; *max_fragments* None means the
    default that goes with *max_size*.
    """

    def __init__(
        self,
        side: Side,
        max_size: int | None = MAX_SIZE,
        max_fragments: int | None = None,
        deflate: Agreed | None = None,
    ) -> None:
        if max_fragments is None and max_size is not None:
            max_fragments = fragment_limit(max_size)
        self.state = State.OPEN
        self.frames_this_turn = 0  # the driver sets it back to 0 when others have had their turn
        # receiving
        inflater = None if deflate is None else deflate.inflater(side)
        self._frames = FrameReader(side == Side.SERVER, deflate is not None)
        self._messages = MessageReader(max_size, max_fragments, inflater)
        self._ahead: deque[str | bytes] | None = None
        self._ahead_bytes = 0
        self._held: Frame | ProtocolError | None = None  # takes effect after what is read ahead
        self.eof = False
        self._lost: BaseException | None = None  # why the stream ended
        self.pongs: deque[bytes] | None = None  # payloads the driver has not looked at
        # sending
        deflater = None if deflate is None else deflate.deflater(side)
        threshold = 0 if deflate is None else deflate.threshold
        self.writer = MessageWriter(side == Side.CLIENT, deflater, threshold)
        self._answers: deque[bytes] | None = None  # payloads of pings, to be sent back
        # closing
        self.close_sent = False
        self.close_received = False
        self.close_code = 0
        self.close_reason = ""
        self.error: BaseException | None = None
        # counters
        self.messages_received = 0
        self.wire_received = 0
        self.pings_received = 0

    # Receiving

    def receive_data(self, data: bytes) -> None:
        """Take bytes off the wire; next_message() and its like then look at them."""
        self.wire_received += len(data)
        if self.state is not _CLOSED:
            self._frames.feed(data)

    def receive_eof(self, error: BaseException | None = None) -> None:
        """Take note that the stream ends after what came, because of *error* or of nothing."""
        self.eof = True
        if self._lost is None:
            self._lost = error

    def next_message(self) -> str | bytes | None:
        """Return the next message; None when first more bytes must come, or others have a turn.

        When *state* is CLOSED after that, there will be no more.
        """
        if self._ahead is not None:
            return self._next_ahead()
        if self._held is not None:
            self._let_go()
        while self.frames_this_turn < _TURN and self.state is not _CLOSED:
            try:
                frame = self._frames.next_frame()
                if frame is None:
                    if self.eof:
                        self._end_of_stream()
                    return None
                message = self._look_at(frame)
            except ProtocolError as error:
                self.fail(error)
                return None
            if message is not None:
                return message
        return None

    def next_piece(self) -> tuple[str | bytes, bool] | None:
        """Return what is here of the message that is arriving, and whether that ends it.

        None means what it means for next_message(). A piece of a text is whole characters.
        """
        if self._ahead is not None:
            return self._next_ahead(), True
        piece = self._messages.take()
        if piece is None:
            self._messages.streaming = True
            piece = self.next_message()
            self._messages.streaming = False
        return None if piece is None else (piece, not self._messages.arriving())

    def skip_message(self) -> None:
        """Let the rest of a message begun with next_piece() pass unseen."""
        if self._ahead is not None:
            self._next_ahead()
        else:
            self._messages.skip()

    def read_ahead(self) -> None:
        """Look at what has arrived for an application that is not asking: answer, note, keep.

        What may only take effect after the messages before it is held until those are handed out.
        """
        while self.frames_this_turn < _TURN and self._has_room() and self._advance():
            pass

    def keep_all(self) -> None:
        """Look at all that has arrived, for whoever closes or gives up looks at nothing after that.

        What is kept is bounded, as the flood may inflate to any size.
        """
        while self.state is _OPEN and self._ahead_bytes < 2 * AHEAD_BYTES and self._advance():
            pass

    def wants_data(self) -> bool:
        """Return whether someone who is not receiving should read more off the wire."""
        if self.eof or self._held is not None or self.state is _CLOSED:
            return False
        return self.close_sent or (self._has_room() and self.buffered() < AHEAD_BYTES)

    def buffered(self) -> int:
        """Return how many received bytes are held: read ahead, half arrived, not looked at."""
        return self._ahead_bytes + self._messages.buffered() + self._frames.buffered()

    def queued(self) -> int:
        """Return how many whole messages are read ahead."""
        return 0 if self._ahead is None else len(self._ahead)

    def _advance(self) -> bool:
        """Look at one more frame; False when there is none that may be looked at now."""
        if self._held is not None or self.state is _CLOSED:
            return False
        # rule 2; but whoever sent a close frame sees the answer before all that stands before it
        holds = self._ahead is not None and not self.close_sent
        try:
            frame = self._frames.next_frame()
            if frame is None:
                if self.eof and not holds:
                    self._end_of_stream()
                return False
            if holds and frame.opcode == CLOSE:
                self._held = frame
                return False
            message = self._look_at(frame)
        except ProtocolError as error:
            if holds:
                self._held = error
            else:
                self.fail(error)
            return False
        if message is not None:
            self._keep(message)
        return True

    def _has_room(self) -> bool:
        if self.close_sent:  # what comes is passed over
            return True
        return self.queued() < AHEAD_MESSAGES and self._ahead_bytes < AHEAD_BYTES

    def _let_go(self) -> None:
        """Let what was held take effect."""
        held, self._held = self._held, None
        try:
            if isinstance(held, ProtocolError):
                raise held
            if held is not None:
                self._control(held)
        except ProtocolError as error:
            self.fail(error)

    def _next_ahead(self) -> str | bytes:
        assert self._ahead is not None
        message = self._ahead.popleft()
        self._ahead_bytes -= len(message)
        if not self._ahead:
            self._ahead = None  # an idle connection keeps no buffer
        return message

    def _keep(self, message: str | bytes) -> None:
        if self._ahead is None:
            self._ahead = deque()
        self._ahead.append(message)
        self._ahead_bytes += len(message)

    def _look_at(self, frame: Frame) -> str | bytes | None:
        self.frames_this_turn += 1
        if frame.opcode >= CLOSE:
            self._control(frame)
            return None
        if self.close_sent:  # RFC 6455 5.5.1: who sent a close frame may pass over what follows
            return None
        message = self._messages.add(frame)
        if message is not None:
            self.messages_received += frame.fin
        return message

    def _control(self, frame: Frame) -> None:
        if frame.opcode == PING:
            self.pings_received += 1
            if not self.close_sent:
                self._answers = self._answers or deque(maxlen=PONGS)  # idle, it keeps no buffer
                self._answers.append(frame.payload)
        elif frame.opcode == PONG:
            self.pongs = self.pongs or deque(maxlen=PONGS)
            self.pongs.append(frame.payload)
        else:
            code, reason = parse_close(frame.payload)
            self._send_close(frame.payload[:2])  # RFC 6455 5.5.1: "typically echos" it
            self.close_received = True
            self._end(code, reason)

    # Sending

    def send_message(self, message: str | bytes | bytearray | memoryview) -> None:
        """Put a whole message on its way to data_to_send(): text of str, binary of bytes.

        Raises:
            ConnectionClosed: this side has sent a close frame, or the connection is lost.
            TypeError: *message* is neither str nor bytes-like.
            UnicodeEncodeError: a str with lone surrogates, which UTF-8 has no bytes for.
            ConcurrencyError: a message sent in fragments is not finished.
        """
        self._check_open()
        self.writer.message(message)
        self.frames_this_turn += 1

    def send_fragment(self, data: str | bytes | bytearray | memoryview, fin: bool) -> None:
        """Put the next fragment of a message on its way; the first one says text or binary.

        Raises:
            ConnectionClosed, TypeError, UnicodeEncodeError: as for send_message().
            TypeError: text and binary in one message.
        """
        self._check_open()
        self.writer.fragment(data, fin)
        self.frames_this_turn += 1

    def send_encoded(self, message: Encoded) -> None:
        """Put a server's message on its way that others are sent as well.

        Raises:
            ConnectionClosed, ConcurrencyError: as for send_message().
        """
        self._check_open()
        self.writer.encoded(message)
        self.frames_this_turn += 1

    def send_ping(self, payload: bytes = b"") -> None:
        """Put a ping on its way; the payload of its pong will stand in *pongs* (RFC 6455 5.5.2).

        Raises:
            ConnectionClosed: as for send_message().
            ValueError: *payload* is over 125 bytes.
        """
        if len(payload) > MAX_CONTROL:
            raise ValueError("payload: a ping carries at most 125 bytes (RFC 6455 5.5)")
        self._check_open()
        self.writer.frame(PING, payload, True, False)

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Put a close frame on its way; does nothing when one was sent or the connection is lost.

        Messages whose bytes came before this stay to be received, later ones are dropped.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        payload = close_payload(code, reason)
        self.keep_all()
        if self.state is _OPEN:
            self._send_close(payload)
            self.state = State.CLOSING
            self.close_code = code
            self.close_reason = reason
            self._let_go()

    def fail(self, error: ProtocolError) -> None:
        """Fail the connection (RFC 6455 7.1.7): tell the peer why and look at nothing more."""
        self.abort(error.code, str(error), error)
        self._messages.forget()  # nobody gets it, and the end of TCP may take a while

    def abort(
        self, code: int, reason: str, error: BaseException | None = None, wire: int | None = None
    ) -> None:
        """End the conversation with *code*; the peer is told *wire*, or *code*, where it may be."""
        if self.state is _CLOSED:
            return
        told = code if wire is None else wire
        if sendable(told):
            self._send_close(close_payload(told, short_reason(reason)))
        self.error = error
        self._end(code, reason)

    def data_to_send(self) -> list[bytes]:
        """Return, once, the buffers to write, in order; an empty list when there is nothing."""
        self._send_pongs()
        return self.writer.take()

    @property
    def bytes_received(self) -> int:
        """The bytes of data frames' payloads so far, inflated."""
        return self._messages.bytes

    def has_data(self) -> bool:
        """Return whether data_to_send() has something."""
        return self._answers is not None or self.writer.pending()

    def closed_error(self) -> ConnectionClosed:
        """Return what to raise where something can no longer be received or sent."""
        clean = self.close_sent and self.close_received
        error = ConnectionClosed(self.close_code, self.close_reason, clean)
        error.__cause__ = self.error
        return error

    def _check_open(self) -> None:
        if self.state is not _OPEN:
            raise self.closed_error()

    def _send_pongs(self) -> None:
        if self._answers is not None:
            answers, self._answers = self._answers, None
            for payload in answers:
                self.writer.frame(PONG, payload, True, False)

    def _send_close(self, payload: bytes) -> None:
        if not self.close_sent:
            self._send_pongs()
            self.close_sent = True
            self.writer.frame(CLOSE, payload, True, False)

    def _end_of_stream(self) -> None:
        self.error = self._lost
        self._end(ABNORMAL_CLOSURE, "")

    def _end(self, code: int, reason: str) -> None:
        self.state = State.CLOSED
        self._held = None
        self.close_code = code
        self.close_reason = reason
