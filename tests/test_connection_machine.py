"""Two connections over a line that a machine runs, with whatever callers may do in any order.

The model is small: who asked for what, what was cut or interrupted. It says what must be true in
the end: messages whole, in order and without gaps; the right close code after them; one close
frame each way and nothing behind it; nobody left waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

import gevent
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from geventws.core.codes import CLOSE, CONTINUATION, Side
from geventws.core.errors import ConcurrencyError, ConnectionClosed
from geventws.memory import MemoryTransport, transports
from geventws.options import Options
from geventws.websocket import WebSocket
from tests.core.helpers import AGREED
from tests.ends import open_on, run

OPTIONS = Options(ping_interval=20, ping_timeout=20, close_timeout=60)
LOST = {1006, 1011}
PATIENCE = 1000  # rounds until all that can still happen has happened

sides = st.sampled_from(list(Side))


class Interrupt(gevent.GreenletExit):
    """What is thrown into callers that wait."""


class Line:
    """One way from end to end: carries as much as it is told to, and keeps a copy."""

    def __init__(self, source: MemoryTransport, target: MemoryTransport) -> None:
        self._source = source
        self._target = target
        self._held = b""
        self._ended = False
        self.carried = b""  # and what is held: all that left the sender

    def carry(self, size: int) -> None:
        """Bring *size* bytes over, as far as they are there, and the end behind them."""
        while not self._ended and len(self._held) < size:
            data = self._take()
            if not data:
                break
            self._held += data
            self.carried += data
        now, self._held = self._held[:size], self._held[size:]
        self._target.post([now])
        if self._ended and not self._held:
            self._target.shutdown()

    def progress(self) -> tuple[int, int]:
        """Return what changes while bytes are on their way."""
        return len(self.carried), self._target.unsent()

    def cut(self) -> None:
        """Lose the line, both ways."""
        self._source.cut()
        self._target.cut()

    def _take(self) -> bytes | None:
        try:
            data = self._source.read_now()
        except ConnectionResetError:
            data = b""
        self._ended = data == b""
        return data


class Received(NamedTuple):
    """A message, or what was taken of one that was abandoned."""

    text: str
    whole: bool

    def is_of(self, sent: str) -> bool:
        return self.text == sent if self.whole else sent.startswith(self.text)


class End:
    """One end, and what the model knows of it."""

    def __init__(self, transport: MemoryTransport, side: Side, compressed: bool) -> None:
        self.transport = transport
        self.ws: WebSocket = open_on(transport, side, OPTIONS, AGREED if compressed else None)
        self.side = side
        self.greenlets: list[Any] = []
        self.now = monotonic()
        # what it sent
        self.asked: list[str] = []  # in the order of asking
        self.sent: set[str] = set()  # of these, whose send() returned
        self.fragmenting = 0  # messages under way
        self.codes: set[int] = set()  # it called close() with
        # what it received
        self.receiving = False
        self.received: list[Received] = []
        self.verdicts: list[ConnectionClosed] = []  # what receive() raised

    def spawn(self, call: Callable[..., None], *args: Any) -> None:
        """Have *call* made by a greenlet of its own, which may be interrupted."""
        self.greenlets.append(gevent.spawn(self._guarded, call, *args))

    def waiting(self) -> list[Any]:
        """Return the greenlets that have not ended."""
        return [greenlet for greenlet in self.greenlets if not greenlet.ready()]

    def _guarded(self, call: Callable[..., None], *args: Any) -> None:
        with suppress(Interrupt, ConnectionClosed):
            call(*args)

    def send(self, size: int) -> None:
        text = self._ask(size)
        self.ws.send(text)
        self.sent.add(text)

    def send_many(self, count: int) -> None:
        for _ in range(count):
            self.send(0)

    def send_fragments(self, sizes: list[int]) -> None:
        text = self._ask(sum(sizes))

        def fragments() -> Iterator[str]:
            start = 0
            for size in sizes:
                yield text[start : start + size]
                start += size
                gevent.sleep(0)
            yield text[start:]

        self.fragmenting += 1
        try:
            self.ws.send(fragments())
        finally:
            self.fragmenting -= 1
        self.sent.add(text)

    def _ask(self, size: int) -> str:
        text = f"{self.side.name} {len(self.asked)} ".ljust(size, "é")
        self.asked.append(text)
        return text

    def receive(self) -> None:
        self._receive(self._receive_whole)

    def receive_pieces(self, limit: int) -> None:
        self._receive(lambda: self._receive_some(limit))

    def _receive(self, receive: Callable[[], None]) -> None:
        if self.receiving:
            with pytest.raises(ConcurrencyError):
                receive()
            return
        self.receiving = True
        try:
            receive()
        except ConnectionClosed as closed:
            self.verdicts.append(closed)
        finally:
            self.receiving = False

    def _receive_whole(self) -> None:
        message = self.ws.receive()
        assert isinstance(message, str)
        self.received.append(Received(message, True))

    def _receive_some(self, limit: int) -> None:
        text, taken, whole = "", 0, False
        pieces: Any = self.ws.receive_pieces()
        try:
            for piece in pieces:
                assert isinstance(piece, str)
                text += piece
                taken += 1
                if taken > limit:
                    return
            whole = True
        finally:
            pieces.close()
            if taken:
                self.received.append(Received(text, whole))

    def ping(self) -> None:
        assert self.ws.ping() >= 0

    def close(self, code: int, waits: bool) -> None:
        if self.ws.close_code is None:
            self.codes.add(code)
        (self.ws.close if waits else self.ws.begin_close)(code)


class Conversation(RuleBasedStateMachine):
    """Whatever two ends can do to each other."""

    @initialize(compressed=st.booleans(), capacity=st.sampled_from([16, 60, 5000]))
    def connect(self, compressed: bool, capacity: int) -> None:
        near, one = transports(capacity)
        two, far = transports(capacity)
        self.capacity = capacity
        self.ends = [End(near, Side.CLIENT, compressed), End(far, Side.SERVER, compressed)]
        self.lines = [Line(one, two), Line(two, one)]  # from the client, from the server
        self.lossy = False  # something happened that may cost the connection

    def peer(self, end: End) -> End:
        return self.ends[1 - end.side]

    # Callers

    @rule(side=sides, size=st.sampled_from([0, 100, 3000, 80_000]))
    def send(self, side: Side, size: int) -> None:
        self.ends[side].spawn(self.ends[side].send, min(size, 50 * self.capacity))

    @rule(side=sides, count=st.integers(2, 20))
    def send_many(self, side: Side, count: int) -> None:
        self.ends[side].spawn(self.ends[side].send_many, count)

    @rule(side=sides, sizes=st.lists(st.sampled_from([0, 1, 7, 200]), max_size=4))
    def send_fragments(self, side: Side, sizes: list[int]) -> None:
        self.ends[side].spawn(self.ends[side].send_fragments, sizes)

    @rule(side=sides)
    def receive(self, side: Side) -> None:
        self.ends[side].spawn(self.ends[side].receive)

    @rule(side=sides, limit=st.integers(0, 3))
    def receive_pieces(self, side: Side, limit: int) -> None:
        self.ends[side].spawn(self.ends[side].receive_pieces, limit)

    @rule(side=sides, count=st.sampled_from([1, 5]))
    def ping(self, side: Side, count: int) -> None:
        for _ in range(count):
            self.ends[side].spawn(self.ends[side].ping)

    @rule(side=sides, code=st.sampled_from([1000, 1001, 3000]), waits=st.booleans())
    def close(self, side: Side, code: int, waits: bool) -> None:
        self.ends[side].spawn(self.ends[side].close, code, waits)

    @rule(side=sides, which=st.integers(0, 9))
    def interrupt(self, side: Side, which: int) -> None:
        """Throw an exception into one caller; a half-written message may cost the connection."""
        end = self.ends[side]
        waiting, fragmenting = end.waiting(), end.fragmenting
        if waiting:
            before = end.ws.close_code
            waiting[which % len(waiting)].kill(Interrupt, block=False)
            run()
            failed = before is None and end.ws.close_code in LOST
            assert self.lossy or not failed or end.transport.torn or fragmenting
            self.lossy = self.lossy or failed or end.transport.torn

    # The hub, the caretaker, the network

    @rule(turns=st.integers(1, 3))
    def let_run(self, turns: int) -> None:
        for _ in range(turns):
            gevent.sleep(0)

    @rule(side=sides, seconds=st.sampled_from([0, 1, 7, 21]))
    def attend(self, side: Side, seconds: int) -> None:
        end = self.ends[side]
        end.now += seconds
        unread = end.transport.readable()
        before = end.ws.close_code
        end.ws.attend(end.now)
        if before is None and end.ws.close_code == 1006:
            assert not (unread and end.ws.close_reason == "no pong in time")
            self.lossy = True

    @rule(side=sides, size=st.sampled_from([1, 3, 50, 1000, 200_000]))
    def carry(self, side: Side, size: int) -> None:
        self.lines[side].carry(size)

    @rule(side=sides, chance=st.integers(0, 3))
    def cut(self, side: Side, chance: int) -> None:
        if not chance and not self.lossy:
            self.lossy = True
            self.lines[side].cut()

    # What must be true

    @invariant()
    def messages_arrive_whole_in_order_and_without_gaps(self) -> None:
        for end in self.ends:
            assert fits(end.received, self.peer(end), 0, False)

    @invariant()
    def frames_leave_in_an_order_that_may_be(self) -> None:
        for line in self.lines:
            check_order(heads(line.carried))

    def teardown(self) -> None:
        self._settle()
        # an interruption may have torn a message apart some turns after it was thrown
        self.lossy = self.lossy or any(end.transport.torn for end in self.ends)
        if not any(end.codes for end in self.ends):
            if not self.lossy:  # nobody waits but for messages that nobody sends
                assert [len(end.waiting()) for end in self.ends] == [1, 1]
            self.ends[0].spawn(self.ends[0].close, 3333, True)
            self._settle()
        if not self.lossy:
            for end in self.ends:
                self._judge(end, self.peer(end))
        self._end()

    def _settle(self) -> None:
        """Carry and receive until nothing more comes."""
        for _ in range(PATIENCE):
            before = self._progress()
            for end in self.ends:
                if not end.receiving and not end.verdicts:
                    end.spawn(end.receive)
            for line in self.lines:
                line.carry(1 << 20)
            run()
            if before == self._progress():
                return
        raise AssertionError("it never ends")

    def _progress(self) -> list[Any]:
        seen = [(end.ws.stats, len(end.received), len(end.verdicts)) for end in self.ends]
        return [seen, [line.progress() for line in self.lines]]

    def _judge(self, end: End, peer: End) -> None:
        """Check what *end* was told in the end."""
        codes = {verdict.code for verdict in end.verdicts}
        assert len(codes) == 1
        assert codes <= (peer.codes | end.codes)
        assert all(verdict.clean for verdict in end.verdicts)
        if not end.codes:
            assert fits(end.received, peer, 0, True)

    def _end(self) -> None:
        """Let time pass until both ends are dropped; then nobody may wait any more."""
        for seconds in (10_000, 20_000):
            for end in self.ends:
                end.ws.attend(end.now + seconds)
        greenlets = [greenlet for end in self.ends for greenlet in end.greenlets]
        gevent.joinall(greenlets, timeout=5)
        assert [end.waiting() for end in self.ends] == [[], []]
        assert [each.exception for each in greenlets if each.exception is not None] == []
        assert all(end.transport.closed for end in self.ends)


def fits(received: list[Received], sender: End, start: int, complete: bool) -> bool:
    """Return whether this can be what arrived of what *sender* asked for, from *start* on.

    What send() did not return for may be missing; all else only behind the last one, and not where
    that is to be *complete*.
    """
    asked = sender.asked[start:]
    if not received:
        return not complete or not sender.sent.intersection(asked)
    for place, text in enumerate(asked, start):
        if received[0].is_of(text) and fits(received[1:], sender, place + 1, complete):
            return True
        if text in sender.sent:
            return False
    return False


def heads(data: bytes) -> Iterator[tuple[int, bool]]:
    """Yield opcode and fin of each frame that *data* begins with; its end may be cut off."""
    start = 0
    while len(data) - start >= 2:
        first, second = data[start : start + 2]
        width = {126: 2, 127: 8}.get(second & 0x7F, 0)
        size = int.from_bytes(data[start + 2 : start + 2 + width], "big") or second & 0x7F
        yield first & 0x0F, first > 0x7F
        start += 2 + width + 4 * (second >> 7) + size


def check_order(frames: Iterator[tuple[int, bool]]) -> None:
    """Check that no messages mix, and that nothing follows a close frame."""
    closed = unfinished = False
    for opcode, fin in frames:
        assert not closed
        closed = opcode == CLOSE
        if opcode < CLOSE:
            assert (opcode == CONTINUATION) == unfinished
            unfinished = not fin


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
