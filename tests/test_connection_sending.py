"""Turns to send, and what an interruption costs: who is interrupted loses no more than it must."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Side
from geventws.core.protocol import PONGS
from tests.core.helpers import AGREED
from tests.ends import SMALL, Met, both, caught, closing, code_of, meet, run

pytestmark = pytest.mark.usefixtures("leaks_nothing")

LARGE = b"x" * 3 * SMALL


@pytest.fixture(params=list(Side), ids=["client", "server"])
def met(request: pytest.FixtureRequest) -> Iterator[Met]:
    """Return a connection that nobody looks after and whose peer is the test."""
    made = meet(request.param, capacity=SMALL)
    yield made
    made.ws.drop()
    run()


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
        heard += met.payloads()
        sender.get(timeout=1)
        run()
    assert [payload[-1:] for payload in heard] == [b"0", b"1", b"2", b"3", b"4"]


def test_sender_who_leaves_the_line_gives_its_place_to_the_next(met: Met) -> None:
    first, second, third = [gevent.spawn(met.ws.send, name * 3 * SMALL) for name in "abc"]
    run()
    second.kill()
    heard = met.payloads()
    first.get(timeout=1)
    run()
    heard += met.payloads()
    third.get(timeout=1)
    assert [payload[:1] for payload in heard] == [b"a", b"c"]


def test_sender_who_is_killed_as_its_turn_comes_passes_it_on(met: Met) -> None:
    go_on = Event()

    def items() -> Iterator[str]:
        yield "a"
        go_on.wait()
        second.kill(block=False)  # which is thrown when the turn has been given to it
        yield "b"

    gevent.spawn(met.ws.send, items())
    second, third = [gevent.spawn(met.ws.send, text) for text in ("never", "third")]
    run()
    go_on.set()
    third.get(timeout=1)
    assert met.payloads() == [b"a", b"b", b"third"]


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
    assert b"never mind" not in met.payloads()
    met.ws.send("the next one")
    assert met.payloads() == [b"the next one"]


def test_interrupted_send_of_which_a_part_has_left_loses_the_connection(met: Met) -> None:
    sender = gevent.spawn(met.ws.send, LARGE)
    receiver = gevent.spawn(caught, met.ws.receive)
    run()
    sender.kill()
    run()
    assert code_of(receiver.get(timeout=1)) == 1006
    assert (met.transport.torn, met.transport.closed) == (True, True)


def test_interrupted_send_takes_nothing_back_but_its_own(met: Met) -> None:
    hold_back(met)
    met.partner.say(PING, b"there?")
    met.ws.attend(0.0)
    sender = gevent.spawn(met.ws.send, "never mind")
    run()
    sender.kill()
    assert met.payloads()[-1] == b"there?"


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
    assert met.opcodes() == [TEXT, PING, CONTINUATION, CONTINUATION]
    pinger.kill()


def test_latest_pongs_alone_are_kept_while_the_peer_takes_nothing(met: Met) -> None:
    sender = gevent.spawn(met.ws.send, LARGE)
    run()
    payloads = [b"%d" % number for number in range(2 * PONGS)]
    for payload in payloads:
        met.partner.say(PING, payload)
        met.ws.attend(0.0)
    heard = met.partner.hear()
    run()
    heard += met.partner.hear()
    pongs = [(PONG, payload) for payload in payloads[-PONGS:]]
    assert [(frame.opcode, frame.payload) for frame in heard] == [(BINARY, LARGE), *pongs]
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
    assert met.opcodes() == [BINARY, CLOSE]
    sender.get(timeout=1)
