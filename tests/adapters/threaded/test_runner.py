from __future__ import annotations

import subprocess
import sys
from threading import Event
from typing import Any

import pytest

from geventws.adapters.threaded.runner import Runner
from setup import ROOT
from tests.threads import PATIENCE

CLIENTS = ["geventws.adapters.threaded", "geventws.adapters.ws4py.client.threadedclient"]


def test_runner_is_alive_while_it_works() -> None:
    going_on = Event()

    def work() -> None:
        going_on.wait(PATIENCE)

    runner = Runner(work, daemon=True)
    try:
        assert (runner.name, runner.daemon, runner.is_alive()) == ("WebSocketClient", True, False)
        runner.start()
        runner.join(0.01)
        assert runner.is_alive()
    finally:
        going_on.set()
    runner.join(PATIENCE)
    assert not runner.is_alive()
    runner.join()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_runner_whose_work_fails_is_done() -> None:
    def fail() -> None:
        raise LookupError("so it goes")

    runner = Runner(fail, daemon=True)
    runner.start()
    runner.join(PATIENCE)
    assert not runner.is_alive()


def test_join_is_refused_before_the_start_and_in_the_thread_itself() -> None:
    raised: list[Any] = []

    def join() -> None:
        try:
            runner.join()
        except RuntimeError as error:
            raised.append(error)

    runner = Runner(join, daemon=True)
    with pytest.raises(RuntimeError):
        runner.join()
    runner.start()
    runner.join(PATIENCE)
    assert len(raised) == 1


@pytest.mark.parametrize("module", CLIENTS)
def test_run_forever_goes_on_after_an_interrupt(module: str) -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.adapters.threaded.interrupted", module]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=6 * PATIENCE)
    said = ["interrupted", "the client is connected already", "closed 1000", "run"]
    assert (done.stdout.splitlines(), done.stderr) == (said, "")
