"""Rounds of measurements: contenders pinned to one core, what loads them to another."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import clock_gettime, sleep
from typing import Any, Final, NamedTuple

from loadtests.bench import messages
from loadtests.bench.building import last_line
from loadtests.bench.contenders import Contender
from loadtests.bench.messages import KINDS, Message
from loadtests.bench.scenarios import Scenario
from tests.ports import free_port

STARTING: Final = 30  # seconds
RUNNING: Final = 120  # seconds, for one measurement
CALM: Final = 0.02  # of a core: a server that uses no more than that is done with what was before
CALMING: Final = 5  # seconds


class Failed(Exception):
    """Something could not be measured; it says why."""


class Sample(NamedTuple):
    """What one measurement found.

    Attributes:
        value: in the scenario's unit; None where *error* says why there is none.
        rate: messages a second.
        slowest: seconds that the slowest late handshake took.
    """

    scenario: str
    contender: str
    round: int
    value: float | None = None
    rate: float = 0.0
    slowest: float = 0.0
    error: str = ""


class Tools(NamedTuple):
    """What was built: see building.py."""

    python: Path
    wsload: Path
    wsecho: Path
    copies: dict[str, Path]
    environment: dict[str, str]

    def command(self, contender: Contender, port: int) -> list[str]:
        """Return how *contender* is started at *port*."""
        known = {"python": self.python, "wsecho": self.wsecho, "port": port}
        return [word.format(**known) for word in contender.command]


class Length(NamedTuple):
    """How long to measure: rounds, and in each seconds to get warm and seconds that count."""

    rounds: int
    warm: float
    seconds: float


def cores() -> tuple[int, int]:
    """Return the core of the contenders and that of their load, the same where there is but one."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[-1], mine[0]


def allow_many_files() -> None:
    """Let this process and those it starts open as many files as the system grants."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def family(pid: int) -> list[int]:
    """Return *pid* and all its descendants."""
    pids = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            pids += family(int(child))
    return pids


def processor_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that processes have used, user and system, all threads."""
    # clock_getcpuclockid(3), which Python lacks: to the nanosecond, where /proc/PID/stat has ticks
    return sum(clock_gettime(~pid << 3 | 2) for pid in pids)


def calm_down(pid: int) -> None:
    """Return when a process has nothing more to do, or never seems to come to that."""
    before = processor_seconds(family(pid))
    for _ in range(CALMING * 10):
        sleep(0.1)
        used = processor_seconds(family(pid))
        if used - before < CALM * 0.1:
            return
        before = used


@contextmanager
def running(command: Sequence[str], core: int, log: Path, **where: Any) -> Iterator[int]:
    """Have a server run on *core*, and give its process.

    Raises:
        Failed: it does not say that it is listening.
    """
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            start_new_session=True,
            **where,
        ) as process,
    ):
        try:
            _wait_until_listening(process, log)
            yield process.pid
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _wait_until_listening(process: subprocess.Popen[bytes], log: Path) -> None:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], STARTING)
    if not ready:
        raise Failed(f"does not listen after {STARTING} s")
    if process.stdout.readline() != b"listening\n":
        raise Failed(last_line(log.read_text()) or "ended")


def load(wsload: Path, core: int, **options: object) -> dict[str, float]:
    """Run the load generator on *core*, and return what it found.

    Raises:
        Failed: a reply was wrong or missing, or the server went away.
    """
    words = [f"{name}={value}" for name, value in options.items()]
    found = _json_of([str(wsload), *words], core)
    if "error" in found:
        raise Failed(str(found["error"]))
    return found


def _json_of(command: Sequence[str], core: int, **where: Any) -> dict[str, Any]:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=RUNNING,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            **where,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {RUNNING} s") from None
    if not done.stdout.startswith("{"):
        raise Failed(last_line(done.stderr) or f"ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Bench:
    """Measures scenarios with what was built; what servers complain of goes to *place*/logs."""

    def __init__(self, tools: Tools, length: Length, place: Path) -> None:
        self._tools = tools
        self._length = length
        self._logs = place / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._core, self._load_core = cores()

    def rounds(self, scenario: Scenario, contenders: Iterable[Contender]) -> Iterator[list[Sample]]:
        """Measure *scenario*, and yield each round: every contender once, all in the same noise.

        Servers stay up for all rounds, but start anew for each measurement of memory.
        """
        with ExitStack() as stack:
            measures: dict[str, Callable[[], Sample]] = {}
            for contender in contenders:
                measures[contender.name] = self._prepared(scenario, contender, stack)
            for number in range(scenario.rounds(self._length.rounds)):
                yield [
                    _measured(measure, Sample(scenario.title, name, number))
                    for name, measure in measures.items()
                ]

    def _prepared(
        self, scenario: Scenario, contender: Contender, stack: ExitStack
    ) -> Callable[[], Sample]:
        """Return what measures *contender* once, its server already running if it may be."""
        if scenario.mode == "client":
            return lambda: self._measure_client(scenario, contender)
        if scenario.mode == "idle":
            return lambda: self._measure_anew(scenario, contender)
        try:
            port, pid = stack.enter_context(self._serving(scenario, contender))
        except (Failed, OSError) as failed:
            error = Sample(scenario.title, contender.name, 0, error=f"did not start: {failed}")
            return lambda: error
        return lambda: self._measure(scenario, contender, port, pid)

    @contextmanager
    def _serving(self, scenario: Scenario, contender: Contender) -> Iterator[tuple[int, int]]:
        port = free_port()
        command = self._tools.command(contender, port)
        if scenario.mode == "broadcast":
            command.append("broadcast")
        log = self._logs / f"{contender.name}.log"
        with running(command, self._core, log, **self._where(contender)) as pid:
            yield port, pid

    def _where(self, contender: Contender) -> dict[str, Any]:
        return {"cwd": self._tools.copies[contender.tree], "env": self._tools.environment}

    def _measure_anew(self, scenario: Scenario, contender: Contender) -> Sample:
        with self._serving(scenario, contender) as (port, pid):
            return self._measure(scenario, contender, port, pid)

    def _measure(self, scenario: Scenario, contender: Contender, port: int, pid: int) -> Sample:
        calm_down(pid)
        with tempfile.TemporaryDirectory() as place:
            message = KINDS[scenario.kind](scenario.size)
            found = load(
                self._tools.wsload,
                self._load_core,
                mode="raw" if contender.raw else scenario.mode,
                port=port,
                pids=",".join(map(str, family(pid))),
                connections=scenario.connections,
                flight=scenario.flight,
                path=contender.path,
                greetings=contender.greetings,
                late=scenario.late,
                warm=self._length.warm,
                seconds=self._length.seconds,
                **_written(message, Path(place), scenario.size > 0),
            )
            _check_capture(Path(place), message)
        return _sample(scenario, contender, found)

    def _measure_client(self, scenario: Scenario, contender: Contender) -> Sample:
        port = free_port()
        echo = [str(self._tools.wsecho), str(port), *(["raw"] if contender.raw else [])]
        length = (scenario.connections, scenario.size, self._length.warm, self._length.seconds)
        command = [*self._tools.command(contender, port), *map(str, length)]
        with running(echo, self._load_core, self._logs / "wsecho.log"):
            return _sample(
                scenario, contender, _json_of(command, self._core, **self._where(contender))
            )


def _measured(measure: Callable[[], Sample], named: Sample) -> Sample:
    try:
        return measure()._replace(round=named.round)
    except (Failed, OSError) as failed:
        return named._replace(error=str(failed))


def _written(message: Message, place: Path, said: bool) -> dict[str, object]:
    """Write *message* for wsload, and return the options that say where and what it is."""
    if not said:
        return {}
    options: dict[str, object] = {"opcode": message.opcode}
    for name, data in (("send", message.wire), ("expect", message.payload)):
        (place / name).write_bytes(data)
        options[name] = place / name
    if message.compressed:
        options.update(offer=1, capture=place / "capture")
    return options


def _check_capture(place: Path, message: Message) -> None:
    if (place / "capture").exists():
        problem = messages.problem((place / "capture").read_bytes(), message)
        if problem:
            raise Failed(problem)


def _sample(scenario: Scenario, contender: Contender, found: dict[str, Any]) -> Sample:
    if "bytes_each" in found:
        return Sample(scenario.title, contender.name, 0, found["bytes_each"])
    if not found["messages"]:
        raise Failed("no answer")
    if scenario.late and found["late"] < scenario.late:
        # it is a figure all the same, and tells how many of the handshakes it is of
        error = f"{found['late']} of {scenario.late} handshakes"
    else:
        error = ""
    rate = found["messages"] / found["seconds"]
    value = found["cpu"] / found["messages"] * 1e6
    slowest = found.get("slowest", 0.0)
    return Sample(scenario.title, contender.name, 0, value, rate, slowest, error)
