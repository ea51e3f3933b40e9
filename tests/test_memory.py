"""A stream in memory: it keeps ITransport, and behaves as a socket would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from geventws.care import caretaker
from geventws.core.codes import Side
from geventws.memory import CAPACITY, CHUNK, MemoryTransport, transports
from geventws.testing.virtual import virtual_time
from geventws.websocket import EchoWebSocket, WebSocket
from geventws.workers import workers
from tests.ends import caught, open_on, run

pytestmark = pytest.mark.usefixtures("leaks_nothing")

Ends = tuple[MemoryTransport, MemoryTransport]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Return two ends that take ten bytes each before they read any."""
    made = transports(capacity=10)
    yield made
    for end in made:
        end.close()
    run()


# Reading


def test_bytes_arrive_in_order(ends: Ends) -> None:
    near, far = ends
    near.post([b"one ", b"two"])
    assert (far.readable(), near.readable()) == (True, False)
    assert (far.read(), near.written, near.unsent()) == (b"one two", 7, 0)
    assert far.read_now() is None


def test_reader_waits_for_bytes(ends: Ends) -> None:
    near, far = ends
    reader = gevent.spawn(far.read)
    run()
    near.post([b"here"])
    assert reader.get(timeout=1) == b"here"


@pytest.mark.parametrize("timeout", [0, 0.001])
def test_reader_waits_no_longer_than_it_was_told(ends: Ends, timeout: float) -> None:
    with pytest.raises(TimeoutError):
        ends[0].read(timeout)


def test_interrupted_read_loses_nothing(ends: Ends) -> None:
    near, far = ends
    reader = gevent.spawn(far.read)
    run()
    reader.kill(block=False)
    near.post([b"kept"])
    run()
    assert (reader.ready(), far.read()) == (True, b"kept")


def test_one_read_returns_a_bounded_part() -> None:
    near, far = transports(capacity=None)
    near.post([bytes(CHUNK + 1)])
    assert (len(far.read()), len(far.read())) == (CHUNK, 1)


def test_end_of_the_stream_comes_after_the_bytes_and_stays(ends: Ends) -> None:
    near, far = ends
    near.post([b"more than ten bytes"])
    near.shutdown()
    near.shutdown()
    assert [far.read() for _ in range(4)] == [b"more than ", b"ten bytes", b"", b""]
    far.post([b"but it goes on"])
    assert near.read() == b"but it goe"


# Who is told when nobody reads


def test_neglected_bytes_are_told_of_until_they_are_read(ends: Ends) -> None:
    near, far = ends
    told: list[int] = []
    far.on_neglect = lambda: told.append(len(told))
    near.post([b"more than ten bytes"])
    assert told == []
    run()
    assert told == [0]
    far.read_now()
    run()
    assert told == [0, 1, 2]
    far.read_now()
    run()
    assert told == [0, 1, 2]


def test_nobody_is_told_of_bytes_that_are_waited_for(ends: Ends) -> None:
    near, far = ends
    told: list[str] = []
    far.on_neglect = lambda: told.append("neglected")
    reader = gevent.spawn(far.read)
    run()
    near.post([b"here"])
    run()
    assert (reader.value, told) == (b"here", [])


def test_bytes_that_a_reader_was_killed_over_are_neglected(ends: Ends) -> None:
    near, far = ends
    told: list[str] = []
    far.on_neglect = lambda: told.append("neglected")
    reader = gevent.spawn(far.read)
    run()
    reader.kill(block=False)
    near.post([b"here"])
    run()
    assert "neglected" in told


@pytest.mark.parametrize("event", ["bytes", "more bytes", "the end", "close", "cut"])
def test_who_is_parked_is_called_once(ends: Ends, event: str) -> None:
    near, far = ends
    told: list[str] = []
    far.on_neglect = lambda: told.append("neglected")
    if event == "more bytes":
        near.post([b"before"])
    far.park(lambda: told.append("ready"))
    {"bytes": lambda: near.post([b"!"]), "more bytes": run, "the end": near.shutdown}.get(
        event, getattr(far, event, run)
    )()
    run()
    assert told[:1] == ["ready"]
    assert "ready" not in told[1:]


def test_nudge_calls_who_is_parked_though_no_bytes_came(ends: Ends) -> None:
    near, far = ends
    told: list[str] = []
    far.nudge()
    far.park(lambda: told.append("ready"))
    far.nudge()
    near.post([b"here"])
    assert told == []
    run()
    assert told == ["ready"]


# Writing


def test_writer_waits_until_all_of_its_bytes_have_left(ends: Ends) -> None:
    near, far = ends
    writer = gevent.spawn(near.write, [b"0123456789", b"abcde"])
    run()
    assert (near.unsent(), near.written, writer.ready()) == (5, 10, False)
    assert far.read() == b"0123456789"
    writer.get(timeout=1)
    assert (near.unsent(), far.read()) == (0, b"abcde")


def test_writer_gives_up_when_nothing_leaves_in_time(ends: Ends) -> None:
    near, _ = ends
    near.post([bytes(10)])
    with pytest.raises(TimeoutError):
        near.write([b"no room"], timeout=0.001)
    assert (near.torn, near.unsent()) == (False, 0)


def test_writer_goes_on_while_something_leaves() -> None:
    with virtual_time():
        near, far = transports(capacity=10)
        writer = gevent.spawn(near.write, [bytes(40)], 30.0)
        for _ in range(3):
            gevent.sleep(20)  # together longer than it may take without any
            far.read()
        writer.get(timeout=1)
        far.close()


def test_writer_gives_up_so_long_after_the_last_bytes_left() -> None:
    with virtual_time() as loop:
        near, far = transports(capacity=10)
        began = loop.time
        gevent.spawn_later(20, far.read)
        with pytest.raises(TimeoutError):
            near.write([bytes(40)], 30.0)
        assert loop.time == began + 50
        far.close()


def test_interrupted_write_takes_back_what_has_not_begun_to_leave(ends: Ends) -> None:
    near, far = ends
    near.post([b"0123456789", b"before"])
    writer = gevent.spawn(near.write, [b"never", b"mind"])
    run()
    near.post([b" after"])
    writer.kill()
    assert near.torn is False
    assert far.read() + far.read() + far.read() == b"0123456789before after"


def test_interrupted_write_is_torn_when_a_part_has_left(ends: Ends) -> None:
    near, _ = ends
    writer = gevent.spawn(near.write, [b"0123456789abcde"])
    run()
    writer.kill()
    assert near.torn is True


def test_post_that_had_to_wait_is_told_of_once_it_has_left(ends: Ends) -> None:
    near, far = ends
    drained: list[int] = []
    near.on_drained = lambda: drained.append(near.unsent())
    near.post([b"at once"])
    run()
    assert drained == []
    near.post([b"not at once"])
    run()
    far.read()
    assert drained == []
    run()
    assert drained == [0]


# Ending


def test_closed_end_reads_nothing_and_writes_nothing(ends: Ends) -> None:
    near, far = ends
    far.post([b"unread"])
    near.close()
    near.close()
    assert (near.closed, near.read(), near.read_now(), near.readable()) == (True, b"", b"", True)
    near.post([b"dropped"])
    with pytest.raises(ConnectionAbortedError):
        near.write([b"dropped"])


def test_peer_of_a_closed_end_reads_what_had_arrived_and_cannot_write(ends: Ends) -> None:
    near, far = ends
    near.post([b"last words"])
    near.close()
    assert (far.read(), far.read()) == (b"last words", b"")
    with pytest.raises(ConnectionResetError):
        far.write([b"lost"])


@pytest.mark.parametrize("end", [0, 1], ids=["near", "far"])
def test_close_wakes_whoever_waits_on_either_end(ends: Ends, end: int) -> None:
    near, _ = ends
    reader = gevent.spawn(near.read)
    writer = gevent.spawn(caught, near.write, [bytes(20)])
    run()
    ends[end].close()
    assert reader.get(timeout=1) == b""
    assert isinstance(writer.get(timeout=1), ConnectionError)


def test_cut_stream_raises_on_both_ends_after_what_had_arrived(ends: Ends) -> None:
    near, far = ends
    near.post([b"arrived", b" and this is lost"])
    near.cut()
    assert far.read() == b"arrived an"
    for end in ends:
        with pytest.raises(ConnectionResetError):
            end.read()
        with pytest.raises(ConnectionResetError):
            end.write([b"lost"])


def test_nothing_can_be_written_after_shutdown(ends: Ends) -> None:
    near, _ = ends
    near.shutdown()
    near.post([])
    assert near.error is None
    with pytest.raises(ConnectionResetError):
        near.write([b"late"])


def test_writer_that_waits_when_it_is_shut_down_still_gets_through(ends: Ends) -> None:
    near, far = ends
    writer = gevent.spawn(near.write, [bytes(15)])
    run()
    near.shutdown()
    assert [len(far.read()) for _ in range(3)] == [10, 5, 0]
    writer.get(timeout=1)


# What it is for


def test_caretaker_and_workers_serve_it_as_any_transport() -> None:
    near, far = transports(CAPACITY)
    served: Any = near
    connection = open_on(near, Side.SERVER, kind=EchoWebSocket)
    caretaker().watch(connection, served)
    workers().drive(connection, served)
    ended = near.event()
    connection.follow(lambda _: ended.set())
    client: WebSocket = open_on(far, Side.CLIENT)
    client.send("echo")
    assert client.receive(timeout=1) == "echo"
    client.close()
    assert ended.wait(timeout=5)


def test_others_run_while_one_breathes(ends: Ends) -> None:
    other = gevent.spawn(int)
    ends[0].breathe()
    assert other.ready()
