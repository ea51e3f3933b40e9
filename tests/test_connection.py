"""Who reads, who writes, who is told: what the tables of the drivers' page leave open.

test_connection_table.py runs those; test_connection_machine.py does what callers may in any order;
test_connection_sending.py has the turns to send.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Side
from geventws.core.errors import ConcurrencyError, ConnectionClosed
from geventws.core.protocol import AHEAD_BYTES, AHEAD_MESSAGES, TURN
from geventws.options import Options
from tests.ends import SMALL, Met, caught, closing, code_of, meet, run

pytestmark = pytest.mark.usefixtures("leaks_nothing")

LARGE = b"x" * 3 * SMALL


@pytest.fixture(params=list(Side), ids=["client", "server"])
def met(request: pytest.FixtureRequest) -> Iterator[Met]:
    """Return a connection that nobody looks after and whose peer is the test."""
    made = meet(request.param, capacity=SMALL)
    yield made
    made.ws.drop()
    run()


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
    assert met.opcodes() == [PONG]


def iter_bytes(met: Met) -> Iterator[bytes]:
    """Yield what the partner has said, byte by byte."""
    data = met.transport.read_now() or b""
    for place in range(len(data)):
        yield data[place : place + 1]


def test_receive_that_has_timed_out_can_be_called_again(met: Met) -> None:
    met.partner.say(TEXT, b"half ", fin=False)
    for timeout in (0, 0.001):
        with pytest.raises(TimeoutError):
            met.ws.receive(timeout)
    met.partner.say(CONTINUATION, b"and half")
    assert met.ws.receive(timeout=0) == "half and half"


def test_bytes_that_came_with_the_handshake_are_the_first_frames(met: Met) -> None:
    other = meet(met.side)
    other.partner.say(TEXT, b"first")
    met.ws.begin(b"")
    met.ws.begin(other.transport.read_now())
    met.partner.say(TEXT, b"second")
    assert [met.ws.receive(), met.ws.receive()] == ["first", "second"]


@pytest.mark.parametrize("name", ["receive", "ping"])
def test_time_is_up_under_a_flood_too(met: Met, name: str) -> None:
    def flood() -> None:
        while not waiting.ready():
            for _ in range(2 * TURN):
                met.partner.say(PING)
            met.partner.hear()
            gevent.sleep(0)

    waiting = gevent.spawn(caught, getattr(met.ws, name), 0.02)
    gevent.spawn(flood)
    assert type(waiting.get(timeout=5)) is TimeoutError
    assert met.ws.close_code is None


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
    met.partner.say(PONG, met.payloads()[-1])
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


def test_messages_that_were_here_stay_when_a_send_fails_the_connection(met: Met) -> None:
    for text in (b"1", b"2", b"3"):
        met.partner.say(TEXT, text)
    assert met.ws.receive() == "1"
    caught(met.ws.send, iter(["a", 1]))
    assert [met.ws.receive(), met.ws.receive()] == ["2", "3"]
    assert code_of(caught(met.ws.receive)) == 1011


def test_who_waits_for_room_wakes_when_a_send_fails_the_connection(met: Met) -> None:
    for _ in range(AHEAD_MESSAGES):
        met.partner.say(TEXT)
        met.ws.attend(0.0)
    pinger = gevent.spawn(caught, met.ws.ping)
    run()
    caught(met.ws.send, iter(["a", 1]))
    assert code_of(pinger.get(timeout=1)) == 1011


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


def test_receiver_hears_why_the_stream_was_lost(met: Met) -> None:
    receiver = gevent.spawn(caught, met.ws.receive)
    run()
    met.transport.cut()
    error = receiver.get(timeout=1)
    assert (code_of(error), type(error.__cause__)) == (1006, ConnectionResetError)


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


# close()


def test_close_waits_for_the_peer_no_longer_than_close_timeout() -> None:
    met = meet(options=Options(close_timeout=0.01))
    met.ws.close()
    assert (met.ws.close_code, met.transport.closed) == (1006, True)
    assert type(caught(met.ws.receive).__cause__) is TimeoutError


def test_close_waits_for_the_end_of_tcp_no_longer_than_close_timeout() -> None:
    met = meet(options=Options(close_timeout=0.01))
    met.partner.say(CLOSE, closing(3000))
    met.ws.close()
    assert (met.ws.close_code, met.transport.closed) == (3000, True)


def test_close_waits_until_a_peer_that_says_no_more_has_heard_all(met: Met) -> None:
    sender = gevent.spawn(met.ws.send, LARGE)
    closer = gevent.spawn(met.ws.close)
    run()
    met.partner.transport.shutdown()
    run()
    assert not closer.ready()
    assert met.opcodes() == [BINARY, CLOSE]
    closer.get(timeout=1)
    sender.get(timeout=1)
    assert met.transport.closed


# The reader baton


def test_who_waits_for_another_s_reading_waits_no_longer_than_it_wants(met: Met) -> None:
    receiver = gevent.spawn(met.ws.receive)
    run()
    with pytest.raises(TimeoutError):
        met.ws.ping(timeout=0.001)
    met.partner.say(TEXT, b"still there")
    assert receiver.get(timeout=1) == "still there"


def test_whoever_waits_goes_on_reading_when_the_reader_is_killed(met: Met) -> None:
    reader = gevent.spawn(met.ws.receive)
    run()
    pinger = gevent.spawn(met.ws.ping)
    run()
    payload = met.payloads()[-1]
    reader.kill()
    met.partner.say(PONG, payload)
    assert pinger.get(timeout=1) >= 0


def test_ping_finds_the_pong_that_a_receiver_has_left_behind_its_message(met: Met) -> None:
    receiver = gevent.spawn(met.ws.receive)
    run()
    pinger = gevent.spawn(met.ws.ping)
    run()
    payload = met.payloads()[-1]
    met.partner.say(TEXT, b"the message, and then")
    met.partner.say(PONG, payload)
    assert receiver.get(timeout=1) == "the message, and then"
    assert pinger.get(timeout=1) >= 0


def test_messages_that_a_ping_has_read_are_received_in_their_order(met: Met) -> None:
    pinger = gevent.spawn(met.ws.ping)
    run()
    met.partner.say(TEXT, b"1")
    met.partner.say(TEXT, b"2")
    met.partner.say(PONG, met.payloads()[-1])
    met.partner.say(TEXT, b"3")
    pinger.get(timeout=1)
    assert [met.ws.receive() for _ in range(3)] == ["1", "2", "3"]


@pytest.mark.parametrize("size", [0, 10_000])
def test_read_ahead_is_bounded_and_the_peer_held_back(size: int) -> None:
    ws, _, partner, _ = meet(capacity=AHEAD_BYTES)
    for number in range(40):
        partner.say(BINARY, b"%02d" % number + bytes(size))
    for _ in range(40):
        ws.attend(0.0)
    assert ws.stats.queued == min(AHEAD_MESSAGES, -(-AHEAD_BYTES // (size + 2)))
    assert (partner.transport.unsent() > 0) == (size > 0)
    assert [ws.receive()[:2] for _ in range(40)] == [b"%02d" % number for number in range(40)]
    ws.drop()
    run()


# Closing at rest


def test_connection_closes_at_rest_when_more_is_asked_for_and_nothing_is_here(met: Met) -> None:
    for message in (b"one", b"two"):
        met.partner.say(TEXT, message)
    met.ws.close_at_rest(1001, "bye", True)
    assert [met.ws.receive(timeout=0) for _ in range(2)] == ["one", "two"]
    assert not met.opcodes()
    waiting = gevent.spawn(caught, met.ws.receive)
    run()
    assert met.opcodes() == [CLOSE]
    met.partner.say(CLOSE, closing(1001))
    run()
    assert code_of(waiting.get()) == 1001


def test_connection_closes_at_rest_though_more_has_come_unless_to_the_last(met: Met) -> None:
    for message in (b"one", b"two"):
        met.partner.say(TEXT, message)
    assert met.ws.receive(timeout=0) == "one"
    met.ws.close_at_rest(1001, "", False)
    assert met.ws.receive(timeout=0) == "two"  # it has come, so it is not lost
    assert met.opcodes() == [CLOSE]


def test_connection_is_not_at_rest_while_a_message_is_half_here(met: Met) -> None:
    pieces = met.ws.receive_pieces()
    met.partner.say(TEXT, b"half ", fin=False)
    assert next(pieces) == "half "
    met.ws.close_at_rest(1001, "", False)
    met.partner.say(CONTINUATION, b"and half")
    assert list(pieces) == ["and half"]
    assert not met.opcodes()
