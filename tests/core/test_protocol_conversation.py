"""Any conversation of two sides, however it is interleaved, delivered and broken off."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from geventws.core.codes import CLOSE, CONTINUATION, Side, State
from geventws.core.errors import ConcurrencyError, ConnectionClosed
from geventws.core.protocol import AHEAD_MESSAGES, TURN, Protocol
from tests.core.helpers import AGREED, Message, joined, read_frames, verdict

sides = st.sampled_from([Side.CLIENT, Side.SERVER])


class Partner:
    """One side, what it did, and what its peer has been brought of that."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.sent: list[Message] = []
        self.begun: list[Message] = []  # the fragments of an unfinished message
        self.received: list[Message] = []
        self.pieces: list[Message] = []  # of a message received in part
        self.pings: list[bytes] = []
        self.written = b""
        self.carried = 0
        self.complete = [(0, 0)]  # so many bytes written have so many messages
        self.due = 0  # messages that had arrived when it closed
        self.state = State.OPEN

    def write(self) -> None:
        self.written += b"".join(self.protocol.data_to_send())
        self.complete.append((len(self.written), len(self.sent)))

    def arrived(self) -> int:
        """Return how many of its messages its peer has been brought, at the least."""
        return max(messages for size, messages in self.complete if size <= self.carried)

    def take(self, piece: Message, end: bool) -> None:
        self.pieces.append(piece)
        if end:
            self.received.append(type(piece)().join(self.pieces))  # type: ignore[arg-type]
            self.pieces = []


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.closed_by: set[Side] = set()  # who called close() while it was open
        self.broken = False  # a stream has ended or a side has given up

    @initialize(compress=st.booleans(), breaks=st.booleans())
    def open(self, compress: bool, breaks: bool) -> None:
        self.may_break = breaks
        client, server = joined(AGREED if compress else None)
        self.partners = {Side.CLIENT: Partner(client), Side.SERVER: Partner(server)}

    def peer(self, side: Side) -> Partner:
        return self.partners[Side.CLIENT if side == Side.SERVER else Side.SERVER]

    # What a side does

    @rule(side=sides, messages=st.lists(st.text() | st.binary(), min_size=1, max_size=3))
    def send(self, side: Side, messages: list[Message]) -> None:
        partner = self.partners[side]
        try:
            for message in messages:
                partner.protocol.send_message(message)
                partner.sent.append(message)
        except ConnectionClosed:
            assert partner.protocol.state != State.OPEN
        except ConcurrencyError:
            assert partner.begun

    @rule(side=sides, text=st.text(max_size=40), binary=st.booleans(), fin=st.booleans())
    def send_fragment(self, side: Side, text: str, binary: bool, fin: bool) -> None:
        partner = self.partners[side]
        if partner.begun:
            binary = isinstance(partner.begun[0], bytes)
        part: Message = text.encode() if binary else text
        try:
            partner.protocol.send_fragment(part, fin)
        except ConnectionClosed:
            assert partner.protocol.state != State.OPEN
            return
        partner.begun.append(part)
        if fin:
            partner.sent.append(type(part)().join(partner.begun))  # type: ignore[arg-type]
            partner.begun = []

    @rule(side=sides, payload=st.binary(max_size=20))
    def ping(self, side: Side, payload: bytes) -> None:
        partner = self.partners[side]
        if partner.protocol.state == State.OPEN:
            partner.protocol.send_ping(payload)
            partner.pings.append(payload)

    @rule(side=sides, code=st.sampled_from([0, 0, 0, 1000, 4000]))
    def close(self, side: Side, code: int) -> None:
        if not code:  # or most conversations would be short
            return
        partner = self.partners[side]
        if partner.protocol.state == State.OPEN:
            self.closed_by.add(side)
            partner.due = self.peer(side).arrived()
        partner.protocol.close(code, "bye")

    @precondition(lambda self: self.may_break)
    @rule(side=sides, code=st.sampled_from([1006, 1008, 1011]))
    def give_up(self, side: Side, code: int) -> None:
        self.broken = True
        self.partners[side].protocol.abort(code, "enough")

    # What arrives

    @rule(side=sides, size=st.integers(1, 60) | st.just(1_000_000))
    def carry(self, side: Side, size: int) -> None:
        """Bring over to *side* some of what its peer has to send."""
        peer = self.peer(side)
        peer.write()
        if not self.partners[side].protocol.eof:
            part = peer.written[peer.carried : peer.carried + size]
            peer.carried += len(part)
            self.partners[side].protocol.receive_data(part)

    @precondition(lambda self: self.may_break)
    @rule(side=sides)
    def end_stream(self, side: Side) -> None:
        self.broken = True
        self.partners[side].protocol.receive_eof(ConnectionResetError())

    @rule(side=sides)
    def receive(self, side: Side) -> None:
        partner = self.partners[side]
        partner.protocol.frames_this_turn = 0
        message = partner.protocol.next_message()
        if message is not None:
            partner.take(message, True)

    @rule(side=sides)
    def receive_piece(self, side: Side) -> None:
        partner = self.partners[side]
        partner.protocol.frames_this_turn = 0
        found = partner.protocol.next_piece()
        if found is not None:
            partner.take(*found)

    @rule(side=sides)
    def read_ahead(self, side: Side) -> None:
        """Do what a caretaker does while nobody receives."""
        self.carry(side, 1_000_000)
        protocol = self.partners[side].protocol
        before = protocol.queued()
        protocol.frames_this_turn = 0
        protocol.read_ahead()
        assert before <= protocol.queued() <= max(before, AHEAD_MESSAGES)
        if protocol.close_sent and self.peer(side).protocol.close_sent and not protocol.eof:
            # whoever sent a close frame sees the answer, whatever it has not received
            assert protocol.state == State.CLOSED or protocol.frames_this_turn == TURN

    # What holds

    @invariant()
    def the_wire_keeps_to_the_rules(self) -> None:
        for partner in self.partners.values():
            frames = list(read_frames(partner.written))
            ends = [frame for frame in frames if frame.opcode == CLOSE]
            assert ends in ([], frames[-1:])
            inside = False
            for frame in frames:
                if frame.opcode < CLOSE:
                    assert inside == (frame.opcode == CONTINUATION)
                    inside = not frame.fin

    @invariant()
    def messages_arrive_in_order(self) -> None:
        for side, partner in self.partners.items():
            assert partner.received == self.peer(side).sent[: len(partner.received)]

    @invariant()
    def pongs_answer_pings_in_order(self) -> None:
        for partner in self.partners.values():
            pings = iter(partner.pings)
            assert all(payload in pings for payload in partner.protocol.pongs or ())

    @invariant()
    def nothing_overtakes_a_message(self) -> None:
        for side, partner in self.partners.items():
            if not self.broken and side not in self.closed_by and partner.protocol.queued():
                assert partner.protocol.state == State.OPEN

    @invariant()
    def states_go_one_way(self) -> None:
        for partner in self.partners.values():
            assert partner.state <= partner.protocol.state
            partner.state = partner.protocol.state

    def teardown(self) -> None:
        """Let both sides finish, and check that nothing is lost."""
        if not hasattr(self, "partners"):
            return
        for _ in range(3):
            for side in self.partners:
                self.read_ahead(side)
                if side not in self.closed_by:
                    self.receive_all(side)
        if not self.broken:
            self.check_the_ends()
        for side in self.partners:
            self.receive_all(side)
        self.the_wire_keeps_to_the_rules()
        self.messages_arrive_in_order()
        if not self.broken:
            self.check_nothing_is_lost()

    def receive_all(self, side: Side) -> None:
        while True:
            before = len(self.partners[side].received)
            self.receive(side)
            looked_at = self.partners[side].protocol.frames_this_turn
            if len(self.partners[side].received) == before and looked_at < TURN:
                return

    def check_the_ends(self) -> None:
        for partner in self.partners.values():
            protocol = partner.protocol
            assert not protocol.has_data()
            if self.closed_by:
                assert protocol.state == State.CLOSED
                assert protocol.closed_error().clean
                assert verdict(protocol)[0] in (1000, 4000)
            else:
                assert protocol.state == State.OPEN

    def check_nothing_is_lost(self) -> None:
        for side, partner in self.partners.items():
            if side in self.closed_by:
                assert len(partner.received) >= partner.due
            else:
                assert partner.received == self.peer(side).sent


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
