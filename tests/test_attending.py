"""What attend() does for connections whose applications are busy; time is the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any

import gevent
import pytest
from zope.interface import implementer
from zope.interface.verify import verifyObject

from geventws.backlog import BLOCK, SlowPeers
from geventws.core.codes import BINARY, CLOSE, PING, PONG, TEXT, Side
from geventws.core.errors import ConnectionClosed
from geventws.core.message import Encoded
from geventws.core.protocol import AHEAD_MESSAGES, TURN
from geventws.interfaces import ICaretaker
from geventws.options import Options
from tests.ends import Met, caught, closing, meet, run

pytestmark = pytest.mark.usefixtures("leaks_nothing")

SMALL = 64
LARGE = b"x" * 3 * SMALL
INTERVAL = 20.0
WATCHFUL = Options(ping_interval=INTERVAL, ping_timeout=INTERVAL)
HOUR = 3600.0


class Watch:
    """A connection and a clock of its own, which begins with it."""

    def __init__(self, met: Met) -> None:
        self.ws, self.transport, self.partner, _ = met
        self._start = monotonic()

    def at(self, seconds: float) -> Any:
        """Attend to the connection when it is *seconds* old."""
        return self.ws.attend(self._start + seconds)

    def heard(self) -> list[tuple[int, bytes]]:
        """Return opcodes and payloads of what the peer has heard since the last time."""
        return [(frame.opcode, frame.payload) for frame in self.partner.hear()]


def watch(options: Options, side: Side = Side.SERVER, capacity: int = SMALL) -> Iterator[Watch]:
    met = meet(side, options, capacity)
    yield Watch(met)
    met.ws.drop()
    run()


@pytest.fixture(params=list(Side), ids=["client", "server"])
def watched(request: pytest.FixtureRequest) -> Iterator[Watch]:
    yield from watch(WATCHFUL, request.param)


@pytest.fixture
def quick() -> Iterator[Watch]:
    """Return a connection that pings more often than it expects pongs."""
    yield from watch(Options(ping_interval=5, ping_timeout=INTERVAL))


@pytest.fixture
def silent() -> Iterator[Watch]:
    """Return a connection without keepalive."""
    yield from watch(Options(ping_interval=None), capacity=1 << 20)


@implementer(ICaretaker)
class Plans:
    """A caretaker that only takes note."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.forgotten = 0

    def plan(self, connection: object, seconds: float) -> None:
        self.seconds.append(seconds)

    def forget(self, connection: object) -> None:
        self.forgotten += 1


# Keepalive


def test_lost_peer_is_found_within_interval_and_timeout_and_everybody_woken(watched: Watch) -> None:
    sender = gevent.spawn(caught, watched.ws.send, LARGE)
    waiting = [
        sender,
        gevent.spawn(caught, watched.ws.send, "in line"),
        gevent.spawn(caught, watched.ws.receive),
        gevent.spawn(caught, watched.ws.ping),
    ]
    run()
    assert watched.at(INTERVAL + 1) == pytest.approx(INTERVAL, abs=1)
    assert watched.at(2 * INTERVAL + 2) is None
    errors = [greenlet.get(timeout=1) for greenlet in waiting]
    assert [error.code for error in errors] == [1006] * 4
    assert watched.ws.close_reason == "no pong in time"
    assert type(errors[2].__cause__) is TimeoutError


def test_lost_peer_is_told_1011_where_it_can_be(watched: Watch) -> None:
    watched.at(INTERVAL + 1)
    watched.at(2 * INTERVAL + 2)
    (ping, _), (close, payload) = watched.heard()
    assert (ping, close, payload[:2]) == (PING, CLOSE, closing(1011))


def test_peer_that_answers_is_never_given_up(watched: Watch) -> None:
    for times in range(1, 10):
        watched.at(times * (INTERVAL + 1))
        [(opcode, payload)] = watched.heard()
        assert opcode == PING
        watched.partner.say(PONG, payload)
        watched.at(times * (INTERVAL + 1) + 1)


def test_peer_that_answers_nothing_but_speaks_is_never_given_up(watched: Watch) -> None:
    for times in range(1, 10):
        watched.partner.say(TEXT, b"busy")
        assert watched.at(times * (INTERVAL + 1)) is not None
        assert watched.ws.receive(timeout=0) == "busy"


def test_peer_that_takes_bytes_is_never_given_up(watched: Watch) -> None:
    sender = gevent.spawn(watched.ws.send, LARGE * 10)
    run()
    for times in range(1, 6):
        watched.partner.transport.read_now()
        assert watched.at(times * (INTERVAL + 1)) is not None
    assert not sender.ready()
    watched.ws.drop()
    sender.join()


def test_lost_peer_is_found_though_pings_are_due_more_often(quick: Watch) -> None:
    ages = [age for age in range(1, 60) if quick.at(age) is None]
    assert min(ages) in (25, 26)


def test_late_pong_of_an_earlier_ping_shows_that_the_peer_lives(quick: Watch) -> None:
    quick.at(6)
    [(_, first)] = quick.heard()
    quick.at(12)
    quick.partner.say(PONG, first)
    assert [age for age in range(13, 36) if quick.at(age) is None] == []


def test_pings_do_not_gather_while_the_peer_takes_nothing(watched: Watch) -> None:
    sender = gevent.spawn(watched.ws.send, LARGE)
    run()
    for times in range(1, 10):
        watched.partner.say(PONG)
        watched.at(times * (INTERVAL + 1))
    assert [opcode for opcode, _ in watched.heard()] == [BINARY]
    run()
    assert [opcode for opcode, _ in watched.heard()] == [PING]
    sender.get()


def test_busy_application_does_not_accuse_its_peer_but_a_silent_peer_is_found_later(
    watched: Watch,
) -> None:
    for _ in range(AHEAD_MESSAGES):
        watched.partner.say(TEXT, b"")
        watched.at(0)
    for age in range(0, 400, 10):
        assert watched.at(age) is not None
    for _ in range(AHEAD_MESSAGES):
        watched.ws.receive(timeout=0)
    assert next(age for age in range(391, 500) if watched.at(age) is None) <= 391 + INTERVAL


def test_end_that_is_held_suspends_keepalive_until_its_messages_are_received(
    watched: Watch,
) -> None:
    watched.partner.say(TEXT, b"the last")
    watched.partner.say(CLOSE, closing(3000))
    for age in range(0, 400, 10):
        assert watched.at(age) is not None
    assert watched.ws.receive() == "the last"
    with pytest.raises(ConnectionClosed, match="3000"):
        watched.ws.receive()


def test_connection_without_keepalive_wants_to_be_attended_to_in_finite_time(
    silent: Watch,
) -> None:
    assert 0 < silent.at(0) <= HOUR
    assert 0 < silent.at(1000 * HOUR) <= HOUR
    assert silent.heard() == []


def test_peer_that_takes_no_broadcast_for_send_timeout_is_dropped(silent: Watch) -> None:
    sender = gevent.spawn(silent.ws.send, bytes(2 << 20))
    run()
    silent.ws.offer(Encoded("news"), SlowPeers(BLOCK, 1 << 20, 64))
    assert silent.at(29) is not None
    assert silent.at(31) is None
    assert (silent.ws.close_code, silent.transport.closed) == (1006, True)
    with pytest.raises(ConnectionClosed):
        sender.get(timeout=1)


# Reading for nobody


def test_ping_is_answered_while_nobody_receives(silent: Watch) -> None:
    silent.partner.say(TEXT, b"first")
    silent.partner.say(PING, b"there?")
    silent.at(0)
    assert silent.heard() == [(PONG, b"there?")]
    assert silent.ws.receive() == "first"


def test_flood_is_read_in_turns_and_attended_to_again_at_once(silent: Watch) -> None:
    for _ in range(3 * TURN):
        silent.partner.say(PING)
    silent.partner.say(PING, b"the last")
    seconds = [silent.at(0) for _ in range(4)]
    assert (seconds[:3], seconds[3] > 0) == ([0.0] * 3, True)
    assert silent.heard()[-1] == (PONG, b"the last")


def test_closing_connection_finds_the_close_frame_behind_a_flood(silent: Watch) -> None:
    silent.ws.begin_close()
    for _ in range(3 * TURN):
        silent.partner.say(TEXT, b"flood")
    silent.partner.say(CLOSE, closing(1000))
    assert [silent.at(0) for _ in range(3)] == [0.0] * 3
    silent.at(0)
    assert silent.ws.close_code == 1000


def test_peer_is_not_given_up_while_what_it_said_is_not_looked_at() -> None:
    for watched in watch(WATCHFUL, capacity=1 << 20):
        watched.at(INTERVAL + 1)
        for _ in range(3 * TURN):
            watched.partner.say(PING)
        assert [watched.at(times * (INTERVAL + 1)) for times in (2, 3, 4)] == [0.0] * 3


def test_attention_to_one_who_receives_takes_nothing_from_it(silent: Watch) -> None:
    receiver = gevent.spawn(silent.ws.receive)
    run()
    silent.partner.say(TEXT, b"for the receiver")
    silent.at(0)
    assert receiver.get(timeout=1) == "for the receiver"


# Ending


def test_connection_that_was_dropped_needs_no_care(silent: Watch) -> None:
    silent.ws.drop()
    assert silent.at(0) is None


def test_caretaker_is_asked_for_the_deadline_of_closing_and_told_of_the_end() -> None:
    plans = Plans()
    verifyObject(ICaretaker, plans)
    ws, _, partner, _ = meet(options=Options(close_timeout=3))
    ws.adopt(plans)
    ws.begin_close()
    assert plans.seconds == [3]
    partner.say(CLOSE, closing(1000))
    partner.transport.shutdown()
    ws.attend(monotonic())
    assert ws.attend(monotonic()) is None
    assert plans.forgotten == 1


def test_closing_again_does_not_put_the_deadline_off(watched: Watch) -> None:
    watched.ws.begin_close()
    now = monotonic()
    watched.ws.begin_close()
    assert watched.ws.attend(now + WATCHFUL.close_timeout) is None
    assert watched.ws.close_reason == "no close frame in time"


def test_server_ends_tcp_after_the_close_frames_and_waits_for_the_end_of_the_client() -> None:
    ws, transport, partner, _ = meet(Side.SERVER)
    partner.say(CLOSE, closing(1000))
    assert ws.attend(monotonic()) > 0
    assert [frame.opcode for frame in partner.hear()] == [CLOSE]
    assert partner.transport.read(timeout=0) == b""
    partner.transport.shutdown()
    assert ws.attend(monotonic()) is None
    assert transport.closed


def test_client_waits_for_the_server_to_end_tcp() -> None:
    ws, transport, partner, _ = meet(Side.CLIENT)
    partner.say(CLOSE, closing(1000))
    ws.attend(monotonic())
    partner.hear()
    with pytest.raises(TimeoutError):
        partner.transport.read(timeout=0)
    partner.transport.shutdown()
    assert ws.attend(monotonic()) is None
    assert transport.closed


def test_client_whose_connection_did_not_end_cleanly_does_not_wait_for_the_server() -> None:
    ws, _, partner, _ = meet(Side.CLIENT)
    partner.say(BINARY, b"", fin=False)
    partner.say(BINARY)
    ws.attend(monotonic())
    assert [frame.opcode for frame in partner.hear()] == [CLOSE]
    assert partner.transport.read(timeout=0) == b""
    ws.drop()
