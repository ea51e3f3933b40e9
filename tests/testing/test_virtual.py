"""Virtual time: timers that jump, and the library's clock meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.exceptions import LoopExit
from gevent.lock import Semaphore
from gevent.queue import Queue

from geventws import clock
from geventws.testing.pairs import pair
from geventws.testing.virtual import PATIENCE, START, VirtualLoop, virtual_time
from tests.ends import caught
from tests.pairs import burn

pytestmark = pytest.mark.usefixtures("leaks_nothing")

YEAR = 365 * 86400.0


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """Have time be virtual for a test."""
    with virtual_time() as made:
        yield made


def test_year_passes_while_everybody_sleeps(loop: VirtualLoop) -> None:
    began = time.monotonic()
    gevent.sleep(YEAR)
    assert loop.now() == START + YEAR
    assert time.monotonic() - began < 60


def test_sleepers_wake_in_the_order_of_their_times(loop: VirtualLoop) -> None:
    woken: list[tuple[float, float]] = []

    def sleep(seconds: float) -> None:
        gevent.sleep(seconds)
        woken.append((seconds, loop.time - START))

    sleepers = [gevent.spawn(sleep, seconds) for seconds in (3.0, 1.0, 2.0, 0.5, 1.0)]
    gevent.joinall(sleepers)
    assert woken == [(each, each) for each in (0.5, 1.0, 1.0, 2.0, 3.0)]


def test_waits_and_timeouts_take_their_time_and_no_more(loop: VirtualLoop) -> None:
    assert Event().wait(7) is False
    with pytest.raises(gevent.Timeout), gevent.Timeout(5):
        gevent.sleep(100)
    with gevent.Timeout(100):
        gevent.sleep(1)
    assert loop.time == START + 13


def test_timer_repeats_until_it_is_stopped(loop: VirtualLoop) -> None:
    times: list[float] = []
    with loop.timer(1.0, 2.0) as timer:
        timer.start(lambda: times.append(loop.time - START))
        assert (timer.active, timer.pending) == (True, False)
        gevent.sleep(6)
        timer.again(lambda: times.append(-1.0))
        gevent.sleep(1)
    gevent.sleep(10)
    assert (times, timer.active) == ([1.0, 3.0, 5.0], False)


def test_timer_that_is_due_may_still_be_stopped(loop: VirtualLoop) -> None:
    called: list[str] = []
    first, second = loop.timer(1.0), loop.timer(1.0)
    seen: list[bool] = []

    def stop_second() -> None:
        seen.append(second.pending)
        second.close()

    first.start(stop_second)
    second.start(called.append, "second")
    gevent.sleep(2)
    assert (seen, called) == ([True], [])


def test_higher_priority_comes_first_of_those_due_at_once(loop: VirtualLoop) -> None:
    called: list[str] = []
    loop.timer(1.0, priority=-1).start(called.append, "last")
    loop.timer(1.0).start(called.append, "first")
    gevent.sleep(2)
    assert called == ["first", "last"]


def test_time_stands_still_while_anything_can_run(loop: VirtualLoop) -> None:
    sleeper = gevent.spawn(gevent.sleep, 0.001)
    for _ in range(1000):  # more than gevent runs in a turn
        gevent.sleep(0)
    for _ in range(200):
        loop.run_callback(burn, 0.001)  # for longer than gevent runs callbacks in one go
    gevent.sleep(0)
    assert (loop.time, sleeper.ready()) == (START, False)
    sleeper.join()
    assert loop.time == START + 0.001


def test_error_of_a_callback_is_shown_and_time_goes_on(
    loop: VirtualLoop, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.timer(1.0).start(lambda: [][0])
    gevent.sleep(2)
    assert loop.time == START + 2
    assert "IndexError" in capsys.readouterr().err


def test_who_waits_for_ever_is_told_so_an_hour_later(loop: VirtualLoop) -> None:
    client, server = pair()
    gevent.sleep(10)
    with pytest.raises(LoopExit):
        client.receive()
    assert PATIENCE - 60 < loop.time - START - 10 <= PATIENCE
    assert server.stats.pings_received > 100
    for end in (client, server):
        end.drop()
    gevent.sleep(1)


def test_what_is_written_to_a_pipe_is_read_first(loop: VirtualLoop) -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"!")
        watcher = loop.io(reader, 1)
        woken: list[float] = []

        def wake() -> None:
            woken.append(loop.time)
            watcher.stop()

        watcher.start(wake)
        gevent.sleep(1)
        watcher.close()
        assert woken == [START]
    finally:
        os.close(reader)
        os.close(writer)


def test_library_goes_by_the_clock_and_no_longer_than_the_block() -> None:
    with virtual_time() as loop:
        assert clock.monotonic() == START
        gevent.sleep(5)
        assert clock.monotonic() == loop.time == START + 5
    assert not clock.is_held()


def test_deadlines_of_a_connection_are_exact() -> None:
    with virtual_time() as loop:
        client, server = pair(ping_interval=20.0, ping_timeout=10.0)
        with pytest.raises(TimeoutError):
            client.receive(timeout=1000)
        assert loop.time == START + 1000
        assert 49 <= server.stats.pings_received <= 50
        client.close()
        gevent.sleep(1)


def test_loop_of_before_is_there_again_though_the_block_fails() -> None:
    hub, before = gevent.get_hub(), gevent.get_hub().loop

    def fail() -> None:
        with virtual_time() as loop:
            assert hub.loop is loop
            raise KeyError

    assert isinstance(caught(fail), KeyError)
    assert hub.loop is before
    gevent.sleep(0.001)


def contend(lock: Semaphore, event: Event, queue: Queue[int]) -> None:
    """Have greenlets wait for each."""
    with lock:
        waiting = [gevent.spawn(each) for each in (lock.acquire, event.wait, queue.get)]
        gevent.sleep(0.001)
    event.set()
    queue.put(1)
    gevent.joinall(waiting, raise_error=True)
    event.clear()
    lock.release()


def test_locks_events_and_queues_serve_before_within_and_after() -> None:
    shared: Any = Semaphore(1), Event(), Queue[int]()
    for _ in range(2):
        contend(*shared)
        with virtual_time():
            contend(*shared)


def test_any_greenlet_may_have_a_block_while_others_wait_for_its_end() -> None:
    woken: list[bool] = []
    sleeper = gevent.spawn_later(0.001, lambda: woken.append(clock.is_held()))

    def live() -> float:
        with virtual_time() as loop:
            gevent.sleep(YEAR)
            assert isinstance(caught(Event().wait), LoopExit)
            return loop.time

    assert gevent.spawn(live).get() >= START + YEAR
    sleeper.join()
    assert woken == [False]


def test_who_is_killed_on_the_way_in_has_no_block() -> None:
    entered: list[VirtualLoop] = []

    def enter() -> None:
        with virtual_time() as loop:
            entered.append(loop)

    entering = gevent.spawn(enter)
    gevent.get_hub().loop.run_callback(entering.throw, gevent.GreenletExit)
    entering.join()
    gevent.sleep(0.001)
    assert (entered, clock.is_held()) == ([], False)


def test_care_for_connections_of_before_goes_on_after() -> None:
    client, server = pair(ping_interval=0.3, ping_timeout=10.0)
    gevent.sleep(0.001)
    with virtual_time():
        within, _ = pair(ping_interval=0.3)
        gevent.sleep(60)
        assert within.latency is not None
        within.close()
        gevent.sleep(1)
    assert client.latency is None
    with gevent.Timeout(10):
        while server.stats.pings_received == 0:
            gevent.sleep(0.01)
    for end in (client, server):
        end.drop()


def test_one_block_at_a_time_has_virtual_time(loop: VirtualLoop) -> None:
    def enter() -> None:
        with virtual_time():
            pass

    refused: list[Any] = [caught(enter)]
    thread = Thread(target=lambda: refused.append(caught(enter)))
    thread.start()
    thread.join()
    assert [type(each) for each in refused] == [RuntimeError, RuntimeError]
    assert gevent.get_hub().loop is loop
