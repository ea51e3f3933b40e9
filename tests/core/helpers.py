"""What the core's tests share: raw frames of their own making, and two Protocols joined in memory.

Nothing here uses the library's frame code: what that writes is read by other rules than its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, pairwise
from typing import NamedTuple

import pytest

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, TEXT, Side, State
from geventws.core.deflate import Agreed
from geventws.core.frame import Frame
from geventws.core.message import MessageReader, MessageWriter
from geventws.core.protocol import TURN, Protocol

KEY = bytes.fromhex("37fa213d")  # the masking key of RFC 6455 5.7's examples
PLAIN = bytes(4)  # a masking key that changes nothing: large payloads stay quick to make

Message = str | bytes
Cut = Callable[[int, bytes, Iterable[int], bool], list[Frame]]

both_sides = pytest.mark.parametrize("side", [Side.CLIENT, Side.SERVER], ids=["client", "server"])

opcodes = pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])

AGREED = Agreed(
    server_max_window_bits=12,
    client_max_window_bits=12,
    server_no_context_takeover=False,
    client_no_context_takeover=False,
    level=6,
    mem_level=5,
    threshold=0,
)


class Raw(NamedTuple):
    """A frame as it stands on the wire, unmasked."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0
    masked: bool = False


def xor(data: bytes, key: bytes) -> bytes:
    """Return what RFC 6455 5.3 defines, byte by byte."""
    if key == PLAIN:
        return data
    return bytes(byte ^ mask for byte, mask in zip(data, cycle(key), strict=False))


def raw_head(
    opcode: int, length: int, key: bytes = b"", fin: bool = True, rsv: int = 0, width: int = 0
) -> bytes:
    """Return a frame's head; *width* bytes for the length, where not the fewest that do."""
    if not width:
        width = 1 if length <= 125 else 2 if length <= 0xFFFF else 8
    first = bytes([fin << 7 | rsv << 4 | opcode])
    seven = {1: length, 2: 126, 8: 127}[width]
    extended = b"" if width == 1 else length.to_bytes(width, "big")
    return first + bytes([bool(key) << 7 | seven]) + extended + key


def raw_frame(
    opcode: int, payload: bytes = b"", key: bytes = b"", fin: bool = True, rsv: int = 0
) -> bytes:
    """Return a whole frame, masked where a *key* is given."""
    return raw_head(opcode, len(payload), key, fin, rsv) + (xor(payload, key) if key else payload)


def frame_to(
    side: Side, opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0
) -> bytes:
    """Return a frame as the peer of *side* sends it: a client masks, a server does not."""
    return raw_frame(opcode, payload, KEY if side == Side.SERVER else b"", fin, rsv)


def read_frames(data: bytes) -> Iterator[Raw]:
    """Yield the frames that *data* is made of; it must end with one."""
    while data:
        first, second = data[:2]
        width = {126: 2, 127: 8}.get(second & 0x7F, 0)
        length = int.from_bytes(data[2 : 2 + width], "big") if width else second & 0x7F
        start = 2 + width
        masked = second > 0x7F
        key = data[start : start + 4] if masked else PLAIN
        start += 4 * masked
        payload = data[start : start + length]
        assert len(payload) == length, "a frame is cut short"
        yield Raw(first & 0x0F, xor(payload, key), first > 0x7F, first >> 4 & 7, masked)
        data = data[start + length :]


def cuts(data: bytes, at: Iterable[int]) -> Iterator[bytes]:
    """Yield *data* cut at these places."""
    for start, end in pairwise([0, *sorted(at), len(data)]):
        yield data[start:end]


# Frames as FrameReader hands them on


def frame(opcode: int, payload: bytes = b"", fin: bool = True, rsv1: bool = False) -> Frame:
    """Return a whole frame."""
    return Frame(opcode, payload, fin, rsv1, True, 0)


def fragments(opcode: int, payload: bytes, at: Iterable[int], rsv1: bool = False) -> list[Frame]:
    """Return the frames of a message cut at these places."""
    parts = list(cuts(payload, at))
    last = len(parts) - 1
    return [
        frame(CONTINUATION if n else opcode, part, n == last, rsv1 and not n)
        for n, part in enumerate(parts)
    ]


def pieces(opcode: int, payload: bytes, at: Iterable[int], rsv1: bool = False) -> list[Frame]:
    """Return the pieces of one frame that arrives cut at these places of its payload."""
    head, *rest = cuts(payload, at)
    left = len(payload) - len(head)
    made = [Frame(opcode, head, not left, rsv1, True, left)]
    for part in filter(None, rest):
        left -= len(part)
        made.append(Frame(CONTINUATION, part, not left, False, False, left))
    return made


# Messages


def reader(max_size: int | None = None, max_fragments: int | None = None) -> MessageReader:
    """Return a server's reader of messages, compressed or not."""
    return MessageReader(max_size, max_fragments, AGREED.inflater(Side.SERVER))


def head(opcode: int, length: int, rsv1: bool = False) -> Frame:
    """Return the first piece of a frame whose payload is still to come."""
    return Frame(opcode, b"", False, rsv1, True, length)


def read(messages: MessageReader, frames: Iterable[Frame]) -> list[Message]:
    """Give a reader *frames* and return the messages, or pieces of them, that makes."""
    return [found for each in frames if (found := messages.add(each)) is not None]


def deflated(data: bytes) -> bytes:
    """Return *data* as a client compresses its first message."""
    return AGREED.deflater(Side.CLIENT).deflate(data, True)


def written(writer: MessageWriter) -> list[Raw]:
    """Return the frames that a writer made."""
    return list(read_frames(b"".join(writer.take())))


def compressing(threshold: int = 0) -> MessageWriter:
    """Return a server's writer that compresses."""
    return MessageWriter(False, AGREED.deflater(Side.SERVER), threshold)


def inflated(frames: list[Raw]) -> bytes:
    """Return what a client makes of the payloads of a first message."""
    inflater = AGREED.inflater(Side.CLIENT)
    return b"".join(inflater.inflate(each.payload, None, each.fin) for each in frames)


# Protocols


def closing(code: int, reason: str = "") -> bytes:
    """Return the payload of a close frame."""
    return code.to_bytes(2, "big") + reason.encode()


def wire(protocol: Protocol) -> bytes:
    """Return the bytes that a protocol has to send."""
    return b"".join(protocol.data_to_send())


def sent(protocol: Protocol) -> list[Raw]:
    """Return the frames that a protocol has to send."""
    return list(read_frames(wire(protocol)))


def receive(protocol: Protocol, data: bytes = b"") -> list[Message]:
    """Give a protocol *data* and return all messages that it has after that."""
    protocol.receive_data(data)
    messages: list[Message] = []
    while True:
        protocol.frames_this_turn = 0
        message = protocol.next_message()
        if message is not None:
            messages.append(message)
        elif protocol.frames_this_turn < TURN:
            return messages


def state(protocol: Protocol) -> State:
    """Return a protocol's state; a type checker takes the attribute for what it was last."""
    return protocol.state


def verdict(protocol: Protocol) -> tuple[int, str, bool]:
    """Return what a protocol's ConnectionClosed says."""
    error = protocol.closed_error()
    return error.code, error.reason, error.clean


def joined(deflate: Agreed | None = None) -> tuple[Protocol, Protocol]:
    """Return a client and a server that agreed on the same."""
    return Protocol(Side.CLIENT, deflate=deflate), Protocol(Side.SERVER, deflate=deflate)


def carry(source: Protocol, target: Protocol) -> list[Message]:
    """Bring over what *source* has to send; return the messages that makes."""
    return receive(target, wire(source))


ends = pytest.mark.parametrize(
    ("end", "code"),
    [("close", 4000), ("bad-close", 1002), ("violation", 1002), ("end-of-stream", 1006)],
    ids=["close", "bad-close", "violation", "end-of-stream"],
)


def bring(end: str, protocol: Protocol, side: Side) -> None:
    """Let arrive what ends the conversation, in one of these ways."""
    if end == "end-of-stream":
        protocol.receive_eof()
    else:
        payload = {"close": closing(4000), "bad-close": b"x", "violation": bytes(126)}[end]
        protocol.receive_data(frame_to(side, CLOSE, payload))
