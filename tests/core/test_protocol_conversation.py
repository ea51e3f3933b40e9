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
        self.begun: list[str] | None = None  # the fragments of an unfinished message
        self.received: list[Message] = []
        self.pieces: list[Message] = []  # of a message received in part
        self.pings: list[bytes] = []
        self.written = b""
        self.carried = 0
        self.state = State.OPEN

    def write(self) -> None:
        self.written += b"".join(self.protocol.data_to_send())

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

    @initialize(compress=st.booleans())
    def open(self, compress: bool) -> None:
        client, server = joined(AGREED if compress else None)
        self.partners = {Side.CLIENT: Partner(client), Side.SERVER: Partner(server)}

    def peer(self, side: Side) -> Partner:
        return self.partners[Side.CLIENT if side == Side.SERVER else Side.SERVER]

    # What a side does

    @rule(side=sides, message=st.text(max_size=80) | st.binary(max_size=80))
    def send(self, side: Side, message: Message) -> None:
        partner = self.partners[side]
        try:
            partner.protocol.send_message(message)
        except ConnectionClosed:
            assert partner.protocol.state != State.OPEN
        except ConcurrencyError:
            assert partner.begun is not None
        else:
            partner.sent.append(message)

    @rule(side=sides, part=st.text(max_size=40), fin=st.booleans())
    def send_fragment(self, side: Side, part: str, fin: bool) -> None:
        partner = self.partners[side]
        try:
            partner.protocol.send_fragment(part, fin)
        except ConnectionClosed:
            assert partner.protocol.state != State.OPEN
            return
        partner.begun = [*(partner.begun or []), part]
        if fin:
            partner.sent.append("".join(partner.begun))
            partner.begun = None

    @rule(side=sides, payload=st.binary(max_size=20))
    def ping(self, side: Side, payload: bytes) -> None:
        partner = self.partners[side]
        if partner.protocol.state == State.OPEN:
            partner.protocol.send_ping(payload)
            partner.pings.append(payload)

    @rule(side=sides, code=st.sampled_from([1000, 1001, 4000]))
    def close(self, side: Side, code: int) -> None:
        partner = self.partners[side]
        partner.protocol.close(code, "bye")
        assert partner.protocol.state != State.OPEN
        if partner.protocol.close_sent:
            self.closed_by.add(side)

    @precondition(lambda self: not self.broken)
    @rule(side=sides, code=st.sampled_from([1006, 1008, 1011]))
    def give_up(self, side: Side, code: int) -> None:
        self.broken = True
        self.partners[side].protocol.abort(code, "enough")

    # What arrives

    @rule(side=sides)
    def write(self, side: Side) -> None:
        self.partners[side].write()

    @rule(side=sides, size=st.integers(1, 60) | st.just(100_000))
    def carry(self, side: Side, size: int) -> None:
        """Bring over to *side* some of what its peer has written."""
        peer = self.peer(side)
        if not self.partners[side].protocol.eof:
            part = peer.written[peer.carried : peer.carried + size]
            peer.carried += len(part)
            self.partners[side].protocol.receive_data(part)

    @precondition(lambda self: not self.broken)
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
        protocol = self.partners[side].protocol
        before = protocol.queued()
        protocol.frames_this_turn = 0
        protocol.read_ahead()
        assert before <= protocol.queued() <= max(before, AHEAD_MESSAGES)

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
            assert all(payload in pings for payload in partner.protocol.pongs)

    @invariant()
    def states_go_one_way(self) -> None:
        for partner in self.partners.values():
            assert partner.state <= partner.protocol.state
            partner.state = partner.protocol.state

    def teardown(self) -> None:
        """Let both sides finish, and check that nothing is lost."""
        if not hasattr(self, "partners"):
            return
        for _ in range(4):
            for side in self.partners:
                self.write(side)
            for side in self.partners:
                self.carry(side, 1_000_000)
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

    def check_nothing_is_lost(self) -> None:
        for side, partner in self.partners.items():
            protocol = partner.protocol
            assert not protocol.has_data()
            if side not in self.closed_by:
                assert partner.received == self.peer(side).sent
            if self.closed_by:
                assert protocol.state == State.CLOSED
                assert protocol.closed_error().clean
                assert verdict(protocol)[0] in (1000, 1001, 4000)
            else:
                assert protocol.state == State.OPEN


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
