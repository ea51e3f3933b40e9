from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Barrier, Event, get_ident

import pytest

from geventws.adapters.threaded.workers import Workers
from tests.threads import PATIENCE, no_more_threads


@contextmanager
def at_most(count: int) -> Iterator[Workers]:
    """Give workers that end."""
    made = Workers(count)
    try:
        yield made
    finally:
        made.end()
        assert made.join(PATIENCE)


@pytest.fixture
def workers() -> Iterator[Workers]:
    with at_most(3) as made:
        yield made


@pytest.fixture
def many_workers() -> Iterator[Workers]:
    with at_most(50) as made:
        yield made


def test_workers_run_what_they_are_given(workers: Workers) -> None:
    done: SimpleQueue[int] = SimpleQueue()
    for number in range(50):
        workers.run(lambda number=number: done.put(number))  # type: ignore[misc]
    assert {done.get(timeout=PATIENCE) for _ in range(50)} == set(range(50))


def test_workers_run_jobs_at_once_up_to_their_limit(workers: Workers) -> None:
    together, go_on = Barrier(4), Event()
    begun: SimpleQueue[int] = SimpleQueue()

    def job() -> None:
        begun.put(get_ident())
        if not go_on.is_set():
            together.wait(PATIENCE)
            go_on.wait(PATIENCE)

    for _ in range(4):
        workers.run(job)
    together.wait(PATIENCE)  # three are at it
    first = {begun.get(timeout=PATIENCE) for _ in range(3)}
    assert begun.empty()
    go_on.set()
    assert len(first) == 3
    assert begun.get(timeout=PATIENCE) in first


def test_workers_keep_their_threads_for_the_next_job(many_workers: Workers) -> None:
    threads: SimpleQueue[threading.Thread] = SimpleQueue()
    seen = set()  # of threads, not of their numbers, which are used again
    for _ in range(100):
        many_workers.run(lambda: threads.put(threading.current_thread()))
        seen.add(threads.get(timeout=PATIENCE))
    assert len(seen) < 25  # where one is not back yet when the next job comes, there is another


def test_workers_run_a_job_later_when_there_was_no_thread_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    workers = Workers(2)
    done: SimpleQueue[int] = SimpleQueue()
    with no_more_threads():
        workers.run(lambda: done.put(1))
        workers.run(lambda: done.put(2))
        workers.hire()
        assert done.empty()
    assert len(caplog.records) == 1
    assert "callbacks wait, for no worker could be started" in caplog.text
    workers.hire()
    assert {done.get(timeout=PATIENCE) for _ in range(2)} == {1, 2}
    workers.end()
    assert workers.join(PATIENCE)


def test_workers_there_are_do_the_jobs_for_which_there_is_no_new_thread(workers: Workers) -> None:
    begun, go_on, done = Event(), Event(), Event()

    def job() -> None:
        begun.set()
        go_on.wait(PATIENCE)

    workers.run(job)
    assert begun.wait(PATIENCE)
    with no_more_threads():
        workers.run(done.set)
        go_on.set()
        assert done.wait(PATIENCE)


def test_workers_go_on_after_a_job_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: SimpleQueue[threading.ExceptHookArgs] = SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", failures.put)
    workers = Workers(1)
    done = Event()

    def fail() -> None:
        raise LookupError("so it goes")

    workers.run(fail)
    workers.run(done.set)
    assert done.wait(PATIENCE)
    assert failures.get(timeout=PATIENCE).exc_type is LookupError
    workers.end()
    assert workers.join(PATIENCE)


def test_workers_run_what_is_left_when_they_end() -> None:
    workers = Workers(1)
    begun, go_on, done = Event(), Event(), Event()

    def job() -> None:
        begun.set()
        go_on.wait(PATIENCE)

    workers.run(job)
    workers.run(done.set)
    assert begun.wait(PATIENCE)
    workers.end()
    assert not workers.join(0.01)
    go_on.set()
    assert workers.join(PATIENCE)
    assert done.is_set()


def test_workers_run_what_is_given_after_their_end() -> None:
    workers = Workers(1)
    workers.end()
    assert workers.join(0)
    done = Event()
    workers.run(done.set)
    assert done.wait(PATIENCE)
    assert workers.join(PATIENCE)
