from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Barrier, Event, get_ident

import pytest

from geventws.adapters.threaded.workers import Workers
from tests.threads import PATIENCE


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(3)
    yield made
    made.end()
    assert made.join(PATIENCE)


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


def test_workers_keep_their_threads_for_the_next_job(workers: Workers) -> None:
    threads: SimpleQueue[int] = SimpleQueue()
    seen = set()
    for _ in range(100):
        workers.run(lambda: threads.put(get_ident()))
        seen.add(threads.get(timeout=PATIENCE))
    assert len(seen) <= 3


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
