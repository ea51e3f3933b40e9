"""Bytes of many frames to messages, in ws4py's way: a generator that says how much it wants.

bytes -> Stream.parser.send -> .message .pings .pongs .closing .errors

For programs that have their own way to bytes. A WebSocket does not parse by it: its own protocol
answers and closes as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

from geventws.adapters.ws4py.framing import missing
from geventws.adapters.ws4py.messaging import (
    BinaryMessage,
    CloseControlMessage,
    Message,
    PingControlMessage,
    PongControlMessage,
    TextMessage,
)
from geventws.core.codes import CLOSE, CONTINUATION, PING, TEXT, sendable
from geventws.core.errors import ProtocolError
from geventws.core.frame import Frame, FrameReader, parse_close
from geventws.core.message import MessageReader, fragment_limit
from geventws.core.protocol import MAX_SIZE

VALID_CLOSING_CODES = [code for code in range(1000, 3000) if sendable(code)]

Receiver = Generator[int, bytes | bytearray | None, None]


class Stream:
    """What one peer sends, as messages, and messages to send to it.

    *always_mask* says that this side is a client, *expect_masking* that the peer is one. *pings*
    and *pongs* are lists of messages, *closing* is the peer's CloseControlMessage or None, and
    *errors* is a list of the CloseControlMessage that answers what the peer did wrong. Whoever
    owns the stream empties them.
    """

    max_size = MAX_SIZE  # of a message; a subclass may allow another

    def __init__(self, always_mask: bool = False, expect_masking: bool = True) -> None:
        self.always_mask = always_mask
        self.expect_masking = expect_masking
        self.pings: list[PingControlMessage] = []
        self.pongs: list[PongControlMessage] = []
        self.closing: CloseControlMessage | None = None
        self.errors: list[CloseControlMessage] = []
        self._parser: Receiver | None = None
        self._messages: deque[Message] = deque()
        self._seen = False

    @property
    def parser(self) -> Receiver:
        """The receiver() to send bytes to; it gives back how many more it wants, at least 1."""
        if self._parser is None:
            self._parser = self.receiver()
            next(self._parser)
        return self._parser

    @property
    def message(self) -> Message | None:
        """The message that has come, or is coming; None where there is none.

        Set it to None to have the next one, where several came with the same bytes. One that was
        looked at, and is whole, is gone when more bytes are sent.
        """
        self._seen = self.has_message
        return self._messages[0] if self._messages else None

    @message.setter
    def message(self, value: None) -> None:
        self._seen = False
        if self._messages:
            self._messages.popleft()

    @property
    def has_message(self) -> bool:
        """Whether message is there, and whole."""
        return bool(self._messages) and self._messages[0].completed

    has_messages = has_message  # what ws4py's documentation calls it

    def text_message(self, text: str | bytes | bytearray) -> TextMessage:
        """Return a text to send."""
        return TextMessage(text)

    def binary_message(self, bytes: bytes | bytearray | memoryview) -> BinaryMessage:
        """Return bytes to send."""
        return BinaryMessage(bytes)

    def close(self, code: int = 1000, reason: str | bytes = "") -> CloseControlMessage:
        """Return a close frame to send."""
        return CloseControlMessage(code, reason)

    def ping(self, data: str | bytes = "") -> bytes:
        """Return the bytes of a ping."""
        return PingControlMessage(data).single(self.always_mask)

    def pong(self, data: str | bytes = "") -> bytes:
        """Return the bytes of a pong."""
        return PongControlMessage(data).single(self.always_mask)

    def receiver(self) -> Receiver:
        """Return a generator that is sent bytes, any number of them, and yields how many it wants.

        After a violation it passes over what it is sent.
        """
        frames = FrameReader(self.expect_masking, False)
        messages = MessageReader(self.max_size, fragment_limit(self.max_size))
        head = b""  # of the frame that has only begun to arrive
        left = 0  # of the payload of the frame that arrives
        while not self.errors:
            data = bytes((yield left or missing(head)) or b"")
            self._pass_over()
            frames.feed(data)
            try:
                while (frame := frames.next_frame()) is not None:
                    left = frame.left
                    self._take(frame, messages)
            except ProtocolError as error:
                self.errors.append(CloseControlMessage(error.code, str(error)))
            head = (head + data)[-frames.buffered() :] if frames.buffered() else b""
        while True:
            yield 1

    def _pass_over(self) -> None:
        """Forget a whole message that was looked at, and not taken."""
        if self._seen:
            self.message = None

    def _take(self, frame: Frame, messages: MessageReader) -> None:
        if frame.opcode >= CLOSE:
            self._take_control(frame)
            return
        messages.streaming = True  # so that a message shows what has come of it
        piece = messages.add(frame)
        if frame.opcode != CONTINUATION:
            self._messages.append(TextMessage() if frame.opcode == TEXT else BinaryMessage())
        message = self._messages[-1]
        if piece:
            message.extend(piece)
        message.completed = not messages.arriving()

    def _take_control(self, frame: Frame) -> None:
        if frame.opcode == CLOSE:
            self.closing = CloseControlMessage(*parse_close(frame.payload))
        elif frame.opcode == PING:
            self.pings.append(PingControlMessage(frame.payload))
        else:
            self.pongs.append(PongControlMessage(frame.payload))
