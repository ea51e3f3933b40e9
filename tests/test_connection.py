"""Who reads, who writes, who is told: what the tables of the drivers' page leave open.

test_connection_table.py runs those; test_connection_machine.py does what callers may in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Side
from geventws.core.errors import ConcurrencyError, ConnectionClosed
from geventws.core.protocol import AHEAD_BYTES, AHEAD_MESSAGES
from tests.core.helpers import AGREED
from tests.ends import Met, both, meet, run
from tests.scenes import caught, closing

pytestmark = pytest.mark.usefixtures("leaks_nothing")

SMALL = 64  # a capacity that a single message fills
LARGE = b"x" * 3 * SMALL


@pytest.fixture(params=list(Side), ids=["client", "server"])
def met(request: pytest.FixtureRequest) -> Iterator[Met]:
    """Return a connection that nobody looks after and whose peer is the test."""
    made = meet(request.param, capacity=SMALL)
    yield made
    made.ws.drop()
    run()


def opcodes(met: Met) -> list[int]:
    return [frame.opcode for frame in met.partner.hear()]


def payloads(met: Met) -> list[bytes]:
    return [frame.payload for frame in met.partner.hear()]


def code_of(error: Any) -> int:
    assert isinstance(error, ConnectionClosed)
    return error.code


def hold_back(met: Met) -> None:
    """Ping until the peer takes no more."""
    while not met.transport.unsent():
        gevent.spawn(caught, met.ws.ping)
        run()


def paused(*items: str) -> tuple[Iterator[str], Event]:
    """Return *items* to be sent, the last of which waits for an event."""
    go_on = Event()

    def each() -> Iterator[str]:
        yield from items[:-1]
        go_on.wait()
        yield items[-1]

    return each(), go_on


# The turn to send


def test_senders_have_their_turns_in_the_order_of_asking(met: Met) -> None:
    senders = [gevent.spawn(met.ws.send, LARGE + b"%d" % number) for number in range(5)]
    run()
    heard = []
    for sender in senders:
        heard += payloads(met)
        sender.get(timeout=1)
        run()
    assert [payload[-1:] for payload in heard] == [b"0", b"1", b"2", b"3", b"4"]


def test_sender_who_leaves_the_line_gives_its_place_to_the_next(met: Met) -> None:
    first, second, third = [gevent.spawn(met.ws.send, name * 3 * SMALL) for name in "abc"]
    run()
    second.kill()
    heard = payloads(met)
    first.get(timeout=1)
    run()
    heard += payloads(met)
    third.get(timeout=1)
    assert [payload[:1] for payload in heard] == [b"a", b"c"]


def test_sender_in_line_wakes_when_the_connection_ends_before_its_turn(met: Met) -> None:
    items, _ = paused("a", "b", "c")
    holder = gevent.spawn(met.ws.send, items)
    run()
    waiting = gevent.spawn(caught, met.ws.send, "hello")
    run()
    met.ws.drop()
    assert (code_of(waiting.get(timeout=1)), holder.ready()) == (1006, False)
    holder.kill()


def test_interrupted_send_of_which_nothing_has_left_changes_nothing(met: Met) -> None:
    hold_back(met)
    sender = gevent.spawn(met.ws.send, "never mind")
    run()
    sender.kill()
    assert (met.ws.close_code, met.transport.torn) == (None, False)
    assert b"never mind" not in payloads(met)
    met.ws.send("the next one")
    assert payloads(met) == [b"the next one"]


def test_interrupted_send_of_which_a_part_has_left_loses_the_connection(met: Met) -> None:
    sender = gevent.spawn(met.ws.send, LARGE)
    receiver = gevent.spawn(caught, met.ws.receive)
    run()
    sender.kill()
    run()
    assert code_of(receiver.get(timeout=1)) == 1006
    assert (met.transport.torn, met.transport.closed) == (True, True)


def test_interrupted_send_does_not_spoil_the_compression_of_the_next() -> None:
    client, server = both(capacity=SMALL, deflate=AGREED)
    client.send("spam and eggs")
    while True:
        gevent.spawn(caught, client.ping)
        run()
        if client.stats.wire_sent > 2 * SMALL:
            break
    sender = gevent.spawn(client.send, "spam, spam, spam and eggs")
    run()
    sender.kill()
    receiver = gevent.spawn(lambda: [server.receive(), server.receive()])
    run()
    client.send("spam, spam, spam and eggs and spam")
    run()
    assert receiver.get(timeout=1) == ["spam and eggs", "spam, spam, spam and eggs and spam"]
    client.drop()
    server.drop()


def test_interrupted_iterable_fails_the_connection_between_two_fragments(met: Met) -> None:
    items, _ = paused("a", "b", "c")
    sender = gevent.spawn(met.ws.send, items)
    run()
    sender.kill()
    frames = [(frame.opcode, frame.payload[:2]) for frame in met.partner.hear()]
    assert frames == [(TEXT, b"a"), (CLOSE, closing(1011))]
    assert met.ws.close_code == 1011


# Between and after the fragments


def test_ping_goes_between_the_fragments_of_a_message(met: Met) -> None:
    items, go_on = paused("a", "b", "c")
    sender = gevent.spawn(met.ws.send, items)
    run()
    pinger = gevent.spawn(caught, met.ws.ping)
    run()
    go_on.set()
    sender.get(timeout=1)
    assert opcodes(met) == [TEXT, PING, CONTINUATION, CONTINUATION]
    pinger.kill()


def test_latest_pong_takes_the_place_of_earlier_ones_while_the_peer_takes_nothing(met: Met) -> None:
    sender = gevent.spawn(met.ws.send, LARGE)
    run()
    for payload in (b"1", b"2", b"3"):
        met.partner.say(PING, payload)
        met.ws.attend(0.0)
    heard = met.partner.hear()
    run()
    heard += met.partner.hear()
    assert [(frame.opcode, frame.payload) for frame in heard] == [(BINARY, LARGE), (PONG, b"3")]
    sender.get(timeout=1)


def test_close_ends_a_message_that_is_not_finished(met: Met) -> None:
    items, go_on = paused("a", "b", "c")
    sender = gevent.spawn(caught, met.ws.send, items)
    run()
    met.ws.begin_close(3000)
    go_on.set()
    assert code_of(sender.get(timeout=1)) == 3000
    frames = [(frame.opcode, frame.payload, frame.fin) for frame in met.partner.hear()]
    assert frames == [(TEXT, b"a", False), (CLOSE, closing(3000), True)]


def test_close_frame_leaves_behind_a_message_that_the_peer_takes_slowly(met: Met) -> None:
    sender = gevent.spawn(met.ws.send, LARGE)
    run()
    met.ws.begin_close()
    assert opcodes(met) == [BINARY, CLOSE]
    sender.get(timeout=1)


# Receiving


def test_receive_that_is_interrupted_anywhere_loses_nothing(met: Met) -> None:
    other = meet(met.side)
    other.partner.say(TEXT, b"a message")
    other.partner.say(PING, b"!")
    other.partner.say(BINARY, b"and another")
    received = []
    for byte in iter_bytes(other):
        waiting = gevent.spawn(met.ws.receive)
        run()
        if waiting.ready():
            received.append(waiting.value)
        waiting.kill()
        met.transport.arrive(byte)
    received.append(met.ws.receive(timeout=0))
    assert received == ["a message", b"and another"]
    assert opcodes(met) == [PONG]


def iter_bytes(met: Met) -> Iterator[bytes]:
    """Yield what the partner has said, byte by byte."""
    data = met.transport.read_now() or b""
    for place in range(len(data)):
        yield data[place : place + 1]


def test_receivers_are_told_of_each_other(met: Met) -> None:
    first = gevent.spawn(met.ws.receive)
    run()
    with pytest.raises(ConcurrencyError):
        met.ws.receive(timeout=0)
    met.partner.say(TEXT, b"for the first")
    assert first.get(timeout=1) == "for the first"


def test_nobody_receives_between_two_pieces_of_another(met: Met) -> None:
    met.partner.say(TEXT, b"one ", fin=False)
    pieces = met.ws.receive_pieces()
    assert next(pieces) == "one "
    met.partner.say(CONTINUATION, b"message")
    for receive in (met.ws.receive, met.ws.receive_pieces().__next__):
        with pytest.raises(ConcurrencyError):
            receive()
    met.ws.attend(0.0)
    assert list(pieces) == ["message"]
    met.partner.say(TEXT, b"the next")
    assert met.ws.receive(timeout=0) == "the next"


def test_pieces_refused_to_one_caller_are_not_lost_to_the_other(met: Met) -> None:
    receiver = gevent.spawn(met.ws.receive)
    met.partner.say(TEXT, b"one ", fin=False)
    run()
    with pytest.raises(ConcurrencyError):
        next(met.ws.receive_pieces())
    met.partner.say(CONTINUATION, b"message")
    assert receiver.get(timeout=1) == "one message"


def test_pieces_interrupted_before_the_first_leave_the_message_whole(met: Met) -> None:
    met.partner.say(BINARY, b"", fin=False)
    waiting = gevent.spawn(list, met.ws.receive_pieces())
    run()
    waiting.kill()
    met.partner.say(CONTINUATION, b"all of it")
    assert met.ws.receive(timeout=0) == b"all of it"


def test_pieces_that_are_abandoned_make_room_for_who_waits(met: Met) -> None:
    met.partner.say(TEXT, b"begun", fin=False)
    pieces = met.ws.receive_pieces()
    assert next(pieces) == "begun"
    met.partner.say(CONTINUATION, b"ended")
    for _ in range(AHEAD_MESSAGES - 1):  # and the rest of that one
        met.partner.say(TEXT, b"")
        met.ws.attend(0.0)
    pinger = gevent.spawn(met.ws.ping)
    run()
    met.partner.say(PONG, payloads(met)[-1])
    run()
    assert not pinger.ready()
    pieces.close()
    assert pinger.get(timeout=1) >= 0


@pytest.mark.parametrize(("code", "quiet"), [(1000, True), (1001, True), (0, True), (1011, False)])
def test_iteration_ends_quietly_when_the_peer_is_done(met: Met, code: int, quiet: bool) -> None:
    met.partner.say(TEXT, b"last")
    met.partner.say(CLOSE, closing(code) if code else b"")
    ended = caught(lambda: list(met.ws))
    assert ended == ["last"] if quiet else code_of(ended) == code


# Messages before the end


def test_messages_that_were_here_before_close_stay_to_be_received(met: Met) -> None:
    for text in (b"1", b"2", b"3"):
        met.partner.say(TEXT, text)
    assert met.ws.receive() == "1"
    met.ws.begin_close()
    met.partner.say(TEXT, b"too late")
    met.partner.say(CLOSE, closing(1000))
    assert [met.ws.receive(), met.ws.receive()] == ["2", "3"]
    with pytest.raises(ConnectionClosed):
        met.ws.receive()


def test_messages_that_were_here_stay_when_a_send_finds_the_peer_gone(met: Met) -> None:
    for text in (b"1", b"2", b"3"):
        met.partner.say(TEXT, text)
    assert met.ws.receive() == "1"
    met.partner.say(TEXT, b"4")
    met.partner.transport.close()
    lost = caught(met.ws.send, "hello?")
    assert (code_of(lost), type(lost.__cause__)) == (1006, ConnectionResetError)
    assert [met.ws.receive() for _ in range(3)] == ["2", "3", "4"]
    assert code_of(caught(met.ws.receive)) == 1006


def test_send_that_finds_the_peer_gone_tells_the_code_of_its_close_frame(met: Met) -> None:
    met.partner.say(CLOSE, closing(3000))
    met.partner.transport.close()
    assert code_of(caught(met.ws.send, "hello?")) == 3000


def test_stream_that_is_cut_wakes_everybody_with_the_cause(met: Met) -> None:
    waiting = [
        gevent.spawn(caught, met.ws.receive),
        gevent.spawn(caught, met.ws.ping),
        gevent.spawn(caught, met.ws.send, LARGE),
        gevent.spawn(caught, met.ws.send, LARGE),
    ]
    run()
    met.transport.cut()
    errors = [greenlet.get(timeout=1) for greenlet in waiting]
    assert [code_of(error) for error in errors] == [1006] * 4
    assert type(errors[0].__cause__) is ConnectionResetError


def test_drop_tells_the_peer_and_waits_for_nobody(met: Met) -> None:
    met.ws.drop(1001, "enough")
    frames = [(frame.opcode, frame.payload) for frame in met.partner.hear()]
    assert frames == [(CLOSE, closing(1001) + b"enough")]
    assert (met.ws.close_code, met.transport.closed) == (1006, True)


def test_follower_hears_of_the_end_once(met: Met) -> None:
    heard: list[Any] = []
    met.ws.follow(heard.append)
    met.ws.follow(print)
    met.ws.unfollow(print)
    met.ws.drop()
    met.ws.drop()
    assert heard == [met.ws]
    met.ws.follow(heard.append)
    assert heard == [met.ws, met.ws]


# The reader baton


def test_whoever_waits_goes_on_reading_when_the_reader_is_killed(met: Met) -> None:
    reader = gevent.spawn(met.ws.receive)
    run()
    pinger = gevent.spawn(met.ws.ping)
    run()
    payload = payloads(met)[-1]
    reader.kill()
    met.partner.say(PONG, payload)
    assert pinger.get(timeout=1) >= 0


def test_ping_finds_the_pong_that_a_receiver_has_left_behind_its_message(met: Met) -> None:
    receiver = gevent.spawn(met.ws.receive)
    run()
    pinger = gevent.spawn(met.ws.ping)
    run()
    payload = payloads(met)[-1]
    met.partner.say(TEXT, b"the message, and then")
    met.partner.say(PONG, payload)
    assert receiver.get(timeout=1) == "the message, and then"
    assert pinger.get(timeout=1) >= 0


def test_messages_that_a_ping_has_read_are_received_in_their_order(met: Met) -> None:
    pinger = gevent.spawn(met.ws.ping)
    run()
    met.partner.say(TEXT, b"1")
    met.partner.say(TEXT, b"2")
    met.partner.say(PONG, payloads(met)[-1])
    met.partner.say(TEXT, b"3")
    pinger.get(timeout=1)
    assert [met.ws.receive() for _ in range(3)] == ["1", "2", "3"]


@pytest.mark.parametrize("size", [0, 10_000])
def test_read_ahead_is_bounded_and_the_peer_held_back(size: int) -> None:
    ws, _, partner, _ = meet(capacity=AHEAD_BYTES)
    for number in range(100):
        partner.say(BINARY, b"%02d" % number + bytes(size))
    for _ in range(100):
        ws.attend(0.0)
    assert ws.stats.queued == min(AHEAD_MESSAGES, -(-AHEAD_BYTES // (size + 2)))
    assert (partner.transport.unsent() > 0) == (size > 0)
    assert [ws.receive()[:2] for _ in range(100)] == [b"%02d" % number for number in range(100)]
    ws.drop()
    run()
