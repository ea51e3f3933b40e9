"""Several processes at one address, as a program of its own has them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.subprocess import PIPE, Popen

import geventws
from geventws.core.errors import ConnectionClosed
from geventws.prefork import prefork
from geventws.server import WebSocketServer, serve
from geventws.websocket import EchoWebSocket
from setup import ROOT

IN_TIME = 20.0  # seconds; what takes longer hangs
PROGRAM = """
import os, sys, time
from pathlib import Path
import gevent
from geventws.listening import listen, listen_for
from geventws.prefork import prefork
from geventws.server import serve

address, workers, drain_timeout, trouble = eval(sys.argv[1])
gevent.get_hub()  # as a program may have, before it forks

def handle(ws):
    ws.send(str(os.getpid()))
    for message in ws:
        if message == "stay":
            gevent.sleep(600)
        if message == "fork":
            message = str(os.fork() or time.sleep(600))
        if " " in message:
            os.write(1, f"received {message}\\n".encode())
        ws.send(message)

def make(listener):
    if os.path.exists(trouble):
        kind, _, said = Path(trouble).read_text().partition(" ")
        if kind == "raise" or (kind == "first" and listener is listeners[0]):
            raise ValueError(said)
        if kind == "first":
            time.sleep(0.3)  # until that one has ended
        elif kind == "hang":
            print("hangs", flush=True)
            time.sleep(600)
        else:
            gevent.get_hub().loop.run_callback(os._exit, 3)
    gevent.socket.getaddrinfo("localhost", 80)  # by threads of its own
    return serve(handle, listener)

shared = address.startswith("unix:") or workers == 3
listeners = [listen(address)] if shared else listen_for(workers, address)
name = listeners[0].getsockname()
uri = f"ws+unix://{name}" if isinstance(name, str) else f"ws://127.0.0.1:{name[1]}/"
told_once = prefork(make, listeners, workers, drain_timeout=drain_timeout,
    listening=lambda: print(uri, flush=True))
print("ended", told_once)
"""


class Program:
    """The program in a process of its own."""

    def __init__(
        self, workers: int, address: str, drain_timeout: float, trouble: Path | str
    ) -> None:
        given = repr((address, workers, drain_timeout, str(trouble)))
        self.process = Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, given],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=PIPE,
            stderr=PIPE,
        )
        self.uri = ""

    def line(self, stream: str = "stdout") -> str:
        """Wait for a line and return it."""
        with gevent.Timeout(IN_TIME):
            said: bytes = getattr(self.process, stream).readline()
        return said.decode().strip()

    def connect(self) -> Visitor:
        return Visitor(self.uri)

    def told(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, list[str], str]:
        """Wait until it has ended and all of its workers; return status, output and errors."""
        with gevent.Timeout(IN_TIME):
            out, err = self.process.communicate()
        return self.process.returncode, out.decode().splitlines(), err.decode()


class Visitor:
    """A connection and the worker that has it."""

    def __init__(self, uri: str) -> None:
        self.ws = geventws.connect(uri)
        self.worker = int(self.ws.receive(timeout=IN_TIME))

    def is_served(self) -> bool:
        self.ws.send("hello")
        return self.ws.receive(timeout=IN_TIME) == "hello"

    def end(self) -> int:
        """Wait for the end and return its code."""
        with pytest.raises(ConnectionClosed) as caught:
            self.ws.receive(timeout=IN_TIME)
        return caught.value.code


@contextmanager
def running(
    workers: int = 2,
    address: str = "127.0.0.1:0",
    drain_timeout: float = 5.0,
    trouble: Path | str = "/nowhere",
) -> Iterator[Program]:
    """Have the program run; its workers end with it."""
    program = Program(workers, address, drain_timeout, trouble)
    try:
        program.uri = program.line()
        yield program
    finally:
        program.process.kill()
        with gevent.Timeout(IN_TIME):
            program.process.communicate()


def visit_all(program: Program, count: int) -> list[Visitor]:
    """Return connections to *count* different workers and to some of them several."""
    visitors: list[Visitor] = []
    while len({each.worker for each in visitors}) < count:
        visitors.append(program.connect())
    return visitors


@pytest.mark.parametrize("workers", [2, 3], ids=["each-its-listener", "shared"])
def test_workers_drain_on_sigterm(workers: int) -> None:
    with running(workers) as program:
        visitors = [program.connect() for _ in range(10)]
        program.told(signal.SIGTERM)
        assert {each.end() for each in visitors} == {1001}
        assert program.ended() == (0, ["ended True"], "")
        with pytest.raises(ConnectionRefusedError):
            program.connect()


def test_workers_serve_a_unix_socket(tmp_path: Path) -> None:
    with running(2, f"unix:{tmp_path / 'socket'}") as program:
        assert program.connect().is_served()
        program.told(signal.SIGTERM)
        assert program.ended()[0] == 0


def test_killed_worker_takes_its_own_connections_alone_and_is_replaced() -> None:
    with running(4) as program:
        visitors = visit_all(program, 4)
        victim = visitors[0].worker
        os.kill(victim, signal.SIGKILL)
        assert program.line("stderr").endswith(": killed by SIGKILL; the next starts in 0.1 s")
        assert {each.end() for each in visitors if each.worker == victim} == {1006}
        assert all(each.is_served() for each in visitors if each.worker != victim)
        known = {each.worker for each in visitors}
        later = visit_all(program, 4)
        assert len({each.worker for each in later} - known) == 1
        program.told(signal.SIGTERM)
        assert program.ended()[0] == 0


def test_every_message_that_was_received_is_answered_before_the_end() -> None:
    answered: list[str] = []
    ends: list[tuple[int, bool]] = []

    def converse(number: int) -> None:
        ws = program.connect().ws
        try:
            for count in range(1_000_000):
                ws.send(f"{number} {count}")
                answered.append(str(ws.receive(timeout=IN_TIME)))
                if len(answered) == 1000:
                    program.told(signal.SIGTERM)
        except ConnectionClosed as closed:
            ends.append((closed.code, closed.clean))

    with running(2, drain_timeout=20) as program:
        talks = [gevent.spawn(converse, number) for number in range(20)]
        output = gevent.spawn(program.ended)
        gevent.joinall(talks, timeout=IN_TIME, raise_error=True)
        status, said, _ = output.get()
    received = [line.removeprefix("received ") for line in said if line.startswith("received")]
    assert (status, ends) == (0, [(1001, True)] * 20)
    assert len(answered) >= 1000
    assert sorted(received) == sorted(answered)


def test_restart_refuses_nobody() -> None:
    ends: list[int] = []
    fresh: set[int] = set()

    def come_and_go(before: set[int]) -> None:
        while len(fresh) < 2:
            try:
                visitor = program.connect()
            except ConnectionClosed as closed:  # it was opened as a drain began
                ends.append(closed.code)
                continue
            if visitor.worker not in before:
                fresh.add(visitor.worker)
                assert visitor.is_served()
            else:
                with suppress(ConnectionClosed):
                    while visitor.is_served():
                        pass
                ends.append(visitor.ws.close_code or 0)
            visitor.ws.close()

    with running(2) as program:
        before = {each.worker for each in visit_all(program, 2)}
        visiting = [gevent.spawn(come_and_go, before) for _ in range(10)]
        program.told(signal.SIGHUP)
        gevent.joinall(visiting, timeout=IN_TIME, raise_error=True)
        assert len(fresh) == 2
        assert set(ends) == {1012}
        program.told(signal.SIGTERM)
        assert program.ended()[0] == 0


def test_restart_ends_where_a_new_worker_cannot_serve(tmp_path: Path) -> None:
    trouble = tmp_path / "trouble"
    with running(2, trouble=trouble) as program:
        before = visit_all(program, 2)
        trouble.write_text("raise no database")
        program.told(signal.SIGHUP)
        said = "the restart is broken off, a new worker does not listen: no database"
        assert program.line("stderr") == said
        assert all(each.is_served() for each in before)
        trouble.unlink()
        program.told(signal.SIGHUP)
        assert {each.end() for each in before} == {1012}


def test_worker_that_ends_early_again_and_again_is_replaced_ever_later(tmp_path: Path) -> None:
    trouble = tmp_path / "trouble"
    with running(2, trouble=trouble) as program:
        visitor = program.connect()
        trouble.write_text("exit")
        os.kill(visitor.worker, signal.SIGKILL)
        waits = [program.line("stderr").rpartition(" in ")[2] for _ in range(3)]
        assert waits == ["0.1 s", "0.2 s", "0.4 s"]
        trouble.unlink()
        visit_all(program, 2)
        program.told(signal.SIGTERM)
        assert program.ended()[0] == 0


def test_restart_gives_up_a_new_worker_that_does_not_come_to_listen_when_told_again(
    tmp_path: Path,
) -> None:
    trouble = tmp_path / "trouble"
    with running(2, trouble=trouble, drain_timeout=0.1) as program:
        before = visit_all(program, 2)
        trouble.write_text("hang")
        program.told(signal.SIGHUP)
        assert program.line() == "hangs"
        trouble.unlink()
        program.told(signal.SIGHUP)
        assert {each.end() for each in before} == {1012}
        program.told(signal.SIGTERM)
        program.told(signal.SIGINT)  # or it would be waited for
        assert program.ended() == (0, ["ended False"], "")


def test_killed_worker_is_replaced_while_a_process_of_its_own_goes_on() -> None:
    with running(2) as program:
        visitor = program.connect()
        visitor.ws.send("fork")
        child = int(visitor.ws.receive(timeout=IN_TIME))
        try:
            os.kill(visitor.worker, signal.SIGKILL)
            assert "killed by SIGKILL" in program.line("stderr")
            visit_all(program, 2)
        finally:
            os.kill(child, signal.SIGKILL)


def test_second_signal_kills_the_workers() -> None:
    with running(2, drain_timeout=60) as program:
        visitor = program.connect()
        visitor.ws.send("stay")
        program.told(signal.SIGTERM)
        program.told(signal.SIGINT)
        assert program.ended() == (0, ["ended False"], "")


def test_workers_drain_when_their_parent_is_killed() -> None:
    with running(2) as program:
        visitors = visit_all(program, 2)
        program.told(signal.SIGKILL)
        assert {each.end() for each in visitors} == {1001}
        assert program.ended()[0] == -signal.SIGKILL  # and they have closed its output


def test_program_hears_why_the_first_workers_cannot_serve(tmp_path: Path) -> None:
    trouble = tmp_path / "trouble"
    trouble.write_text("raise no database")
    program = Program(2, "127.0.0.1:0", 10, trouble)
    status, said, errors = program.ended()
    assert (status, said) == (1, [])
    assert errors.endswith("ChildProcessError: no database\n")


def test_program_is_not_told_that_it_serves_when_one_of_the_first_workers_cannot(
    tmp_path: Path,
) -> None:
    trouble = tmp_path / "trouble"
    trouble.write_text("first no database")
    status, said, errors = Program(2, "127.0.0.1:0", 10, trouble).ended()
    assert (status, said) == (1, [])
    assert errors.endswith("ChildProcessError: no database\n")


def echoing(listener: Any) -> WebSocketServer:
    return serve(EchoWebSocket, listener)


@pytest.mark.parametrize(
    ("workers", "listeners", "said"),
    [
        (0, 1, "workers: must be at least 1"),
        (True, 1, "workers: an int"),
        (3, 2, "listeners: one for all, or one for each worker"),
    ],
)
def test_what_makes_no_sense_is_refused(workers: Any, listeners: int, said: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        prefork(echoing, [None] * listeners, workers)
    assert str(caught.value) == said


def test_drain_timeout_is_a_number() -> None:
    drain_timeout: Any = "10"
    with pytest.raises(TypeError, match=r"^drain_timeout: a number of seconds$"):
        prefork(echoing, [None], 1, drain_timeout=drain_timeout)
