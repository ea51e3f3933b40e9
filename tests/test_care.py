from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from math import inf
from typing import Any
from weakref import ref

import gevent
import pytest
from zope.interface.verify import verifyObject

from geventws.care import LONGEST, SLOT, Caretaker, caretaker
from geventws.clock import monotonic
from geventws.core.codes import CLOSE, PING, PONG, TEXT
from geventws.core.errors import ConnectionClosed
from geventws.interfaces import ICaretaker
from geventws.options import Options
from geventws.testing.virtual import virtual_time
from setup import ROOT
from tests.core.helpers import closing
from tests.pairs import QUIET, burn, pair, server_and_peer

pytestmark = pytest.mark.usefixtures("leaks_nothing")
in_virtual_time = pytest.mark.usefixtures("virtual_hub")

SOON = 2 * SLOT


class Connection:
    """Wants to be attended to, and takes note of when it is."""

    def __init__(self, *answers: Any) -> None:
        self.at: list[float] = []
        self._answers = list(answers)

    def attend(self, now: float) -> Any:
        """Return the next answer, or raise it."""
        self.at.append(now)
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def virtual_hub(leaks_nothing: None) -> Iterator[None]:
    """Have time be virtual for a test."""
    with virtual_time():
        yield
        gevent.sleep(SOON)  # until caretakers have ended


@pytest.fixture
def keeper(virtual_hub: None) -> Iterator[Caretaker]:
    """Return a caretaker of the test's own, which has nobody left after it."""
    made = Caretaker()
    yield made
    assert len(made) == 0


def wait_for(connection: Connection, times: int = 1) -> list[float]:
    """Let the hub run until *connection* was attended to so often; return when it was."""
    with gevent.Timeout(5):
        while len(connection.at) < times:
            gevent.sleep(0.01)
    return connection.at


# Plans


def test_caretaker_keeps_its_contract(keeper: Caretaker) -> None:
    assert verifyObject(ICaretaker, keeper)


def test_caretaker_is_that_of_the_hub() -> None:
    assert caretaker() is caretaker()


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.5, 0.75])
def test_connection_is_attended_to_when_it_asked_for_it(keeper: Caretaker, seconds: float) -> None:
    connection = Connection()
    start = monotonic()
    keeper.plan(connection, seconds)
    assert len(keeper) == 1
    assert start + seconds <= wait_for(connection)[0] < start + seconds + SOON
    assert len(keeper) == 0


def test_connection_is_attended_to_again_after_what_it_answers(keeper: Caretaker) -> None:
    connection = Connection(0.5, 0.0, None)
    keeper.plan(connection, 0.0)
    first, second, third = wait_for(connection, 3)
    assert 0.5 <= second - first < 0.5 + SOON
    assert third - second < SOON
    gevent.sleep(2 * SLOT)
    assert len(connection.at) == 3


def test_earlier_plan_takes_the_place_of_a_later_one(keeper: Caretaker) -> None:
    connection = Connection()
    start = monotonic()
    keeper.plan(connection, 1000.0)
    keeper.plan(connection, 0.0)
    keeper.plan(connection, 500.0)
    assert wait_for(connection)[0] < start + SOON
    gevent.sleep(2 * SLOT)
    assert len(connection.at) == 1


def test_forgotten_connection_is_left_alone(keeper: Caretaker) -> None:
    connection, other = Connection(), Connection()
    keeper.plan(connection, 0.0)
    keeper.plan(other, 0.0)
    keeper.forget(connection)
    keeper.forget(connection)
    wait_for(other)
    assert connection.at == []


def test_connection_forgotten_by_another_in_the_same_sweep_is_left_alone(
    keeper: Caretaker,
) -> None:
    second = Connection()

    class First(Connection):
        def attend(self, now: float) -> Any:
            keeper.forget(second)
            return super().attend(now)

    first = First()
    keeper.plan(first, 0.0)
    keeper.plan(second, 0.0)
    wait_for(first)
    gevent.sleep(2 * SLOT)
    assert second.at == []


@pytest.mark.parametrize("seconds", [inf, 1e300, LONGEST])
def test_plan_without_an_end_is_a_long_one(keeper: Caretaker, seconds: float) -> None:
    connection = Connection(seconds)
    keeper.plan(connection, seconds)
    keeper.plan(connection, 0.0)
    wait_for(connection)
    gevent.sleep(2 * SLOT)
    assert len(connection.at) == 1
    assert len(keeper) == 1
    keeper.forget(connection)


def test_connection_that_cannot_be_attended_to_is_logged_and_does_not_end_the_care(
    keeper: Caretaker, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Connection(ZeroDivisionError("on purpose")), Connection(0.0, 0.0, None)
    keeper.plan(bad, 0.0)
    keeper.plan(good, 0.0)
    with caplog.at_level(logging.ERROR, "geventws"):
        wait_for(good, 3)
    assert len(caplog.records) == 1
    assert "on purpose" in caplog.text
    assert len(bad.at) == 1


def test_care_goes_on_after_its_greenlet_was_killed(keeper: Caretaker) -> None:
    first, second = Connection(), Connection()
    keeper.plan(first, SLOT)
    gevent.sleep(0)
    keeper._greenlet.kill()
    gevent.sleep(2 * SLOT)
    assert first.at == []
    keeper.plan(second, 0.0)
    wait_for(first)
    wait_for(second)


def test_sweep_lets_others_run() -> None:
    keeper = Caretaker()

    class Slow(Connection):
        def attend(self, now: float) -> Any:
            burn(0.002)
            return super().attend(now)

    slow = [Slow() for _ in range(100)]
    for each in slow:
        keeper.plan(each, 0.0)
    seen = set()
    with gevent.Timeout(20):
        while not all(each.at for each in slow):
            gevent.sleep(0.001)
            seen.add(sum(bool(each.at) for each in slow))
    assert len(seen) > 10  # it was watched while it went on


def test_caretaker_holds_nothing_when_nobody_is_left(keeper: Caretaker) -> None:
    for n in range(20):
        connection = Connection()
        keeper.plan(connection, 100.0 * n)
        keeper.forget(connection)
    assert keeper._slots == {}
    gevent.sleep(SOON)
    assert keeper._greenlet is None


# Connections


@in_virtual_time
def test_bytes_that_nobody_reads_are_looked_at_soon() -> None:
    server, peer = server_and_peer()
    gevent.sleep(SOON)  # it has been attended to once
    start = monotonic()
    peer.send(PING, b"anybody?")
    frame = peer.next()
    assert frame is not None
    assert (frame.opcode, frame.payload) == (PONG, b"anybody?")
    assert monotonic() - start <= SOON
    peer.send(TEXT, b"kept")
    gevent.sleep(SOON)
    assert server.stats.queued == 1
    assert server.receive(timeout=0) == "kept"
    server.drop()
    peer.socket.close()


@in_virtual_time
def test_peer_that_closes_a_connection_nobody_uses_is_answered_and_it_ends() -> None:
    server, peer = server_and_peer()
    peer.send(CLOSE, closing(1001))
    assert [frame.opcode for frame in peer.until_end()] == [CLOSE]
    peer.socket.close()
    gevent.sleep(SOON)
    assert server._transport.closed
    with pytest.raises(ConnectionClosed) as raised:
        server.receive()
    assert raised.value.code == 1001


@in_virtual_time
def test_thousand_connections_are_looked_after() -> None:
    options = Options(ping_interval=0.5, ping_timeout=5)
    pairs = [pair(client=options) for _ in range(500)]
    gevent.sleep(0.5)
    assert not any(each.server.stats.pings_received for each in pairs)
    gevent.sleep(2 * SOON)
    for each in pairs:
        assert each.server.stats.pings_received >= 1
        assert each.client.latency is not None
        each.drop()


@in_virtual_time
@pytest.mark.parametrize("end", ["drop", "close", "vanish"])
def test_connection_that_ended_is_held_by_nobody(end: str) -> None:
    server, peer = server_and_peer()
    seen = ref(server)
    if end == "drop":
        server.drop()
    elif end == "close":
        peer.send(CLOSE, closing(1000))
        closer = gevent.spawn(server.close)
        peer.until_end()
        peer.socket.close()
        closer.get(timeout=5)
        del closer
    peer.socket.close()
    del server
    gevent.sleep(SOON if end == "vanish" else 0)
    assert seen() is None


def test_connection_closed_again_after_its_end_is_held_by_nobody() -> None:
    server, peer = server_and_peer()
    peer.socket.close()
    with pytest.raises(ConnectionClosed):
        server.receive()
    server.close()
    server.close()
    with pytest.raises(ConnectionClosed):
        server.receive()
    seen = ref(server)
    del server
    gevent.sleep(0)
    assert seen() is None


@in_virtual_time
def test_connection_without_keepalive_costs_no_attention() -> None:
    server, peer = server_and_peer(QUIET)
    gevent.sleep(SOON)
    planned = caretaker()._planned[server]
    assert planned * SLOT - monotonic() > LONGEST - 60
    server.drop()
    peer.socket.close()


IDLE = """
    import gevent
    from tests.pairs import pair
    client, server = pair()
    client.send("then nothing")
    assert server.receive() == "then nothing"
    gevent.sleep(0.3)
    print("done")
"""


def test_process_ends_in_spite_of_an_idle_connection() -> None:
    script = [sys.executable, "-c", textwrap.dedent(IDLE)]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "done\n"


def test_care_alone_does_not_keep_the_hub_from_its_end() -> None:
    code = """
        import gevent
        from geventws.care import Caretaker
        keeper = Caretaker()
        keeper.plan(object(), 1000.0)
        assert gevent.get_hub().join(timeout=5)
        print("over")
    """
    script = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "over\n"
