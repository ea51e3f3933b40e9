"""Fuzzing frame: bytes in any cuts are the same frames, and those are the bytes."""

from __future__ import annotations

from typing import NamedTuple

from geventws.core.codes import CLOSE
from geventws.core.errors import ProtocolError
from geventws.core.frame import Frame, FrameReader, frame_head
from tests.core.helpers import xor
from tests.fuzz.given import HALF_A_FRAME, failure, parts, split

MASKED, COMPRESSION = 1, 2


class Reading(NamedTuple):
    """What a FrameReader made of its bytes."""

    frames: list[tuple[int, bytes, bool, bool, bool, int]]
    error: str
    buffered: int


class Joined(NamedTuple):
    """A frame put together from its pieces."""

    opcode: int
    payload: bytes
    fin: bool
    rsv1: bool
    left: int


def check(data: bytes) -> object:
    """Read frames whole and cut; one byte of options, MASKED and COMPRESSION."""
    (options,), steps, payload = split(data, 1)
    whole = _read(options, [payload])
    cut = _read(options, parts(payload, steps))
    frames = _joined(cut)
    assert frames == _joined(whole)
    assert cut.error == whole.error
    end = _written(frames, options & MASKED, payload)
    assert cut.error or end == len(payload) - cut.buffered == len(payload) - whole.buffered
    return cut


def _read(options: int, cut: list[bytes]) -> Reading:
    reader = FrameReader(bool(options & MASKED), bool(options & COMPRESSION))
    frames: list[tuple[int, bytes, bool, bool, bool, int]] = []
    error = ""
    try:
        for part in cut:
            reader.feed(part)
            while (frame := reader.next_frame()) is not None:
                frames.append(_described(frame))
            assert reader.buffered() <= HALF_A_FRAME
    except ProtocolError as broken:
        error = failure(broken)
    return Reading(frames, error, reader.buffered())


def _described(frame: Frame) -> tuple[int, bytes, bool, bool, bool, int]:
    return frame.opcode, frame.payload, frame.fin, frame.rsv1, frame.starts, frame.left


def _joined(reading: Reading) -> list[Joined]:
    frames: list[Joined] = []
    for opcode, payload, fin, rsv1, starts, left in reading.frames:
        assert opcode < CLOSE or (starts and not left), "a piece of a control frame"
        if starts:
            frames.append(Joined(opcode, payload, fin, rsv1, left))
        else:
            begun = frames.pop()
            assert payload, "a piece of nothing"
            assert begun.left == len(payload) + left
            frames.append(Joined(begun.opcode, begun.payload + payload, fin, begun.rsv1, left))
    return frames


def _written(frames: list[Joined], masked: int, payload: bytes) -> int:
    """Write the *frames* again and return where they end in the *payload* they were read from."""
    at = 0
    for each in frames:
        fin = payload[at] > 127
        assert each.fin == (fin and not each.left)
        size = len(each.payload) + each.left
        start = at + len(frame_head(each.opcode, size, fin, each.rsv1, bytes(4 * masked)))
        key = payload[start - 4 * masked : start]
        head = frame_head(each.opcode, size, fin, each.rsv1, key)
        written = head + (xor(each.payload, key) if masked else each.payload)
        assert payload.startswith(written, at)
        at += len(written)
    return at
