"""A distributed load test on this machine: `make load`, or one of loadtests/locustfiles by name.

    python -m loadtests.load echo                              200 users for 20 seconds
    python -m loadtests.load chat --users 500 --seconds 30
    python -m loadtests.load reconnect --restart 5             with a server that restarts meanwhile
    python -m loadtests.load echo --echo-size 1024             what it does not know is Locust's

Serves what `geventws serve --chat` does, has one Locust master and two workers load it, writes the
HTML report, and compares what Locust counted with what the server did. The exit status is Locust's,
or 1 where the counts differ; with --restart, where some attempts must fail, it is 0 all the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import gevent
from gevent.subprocess import Popen

import geventws
from geventws.demo import demo_handler, pages
from setup import ROOT
from tests.ports import free_port

LOCUSTFILES: Final = ROOT / "loadtests" / "locustfiles"
HELPERS: Final = {"__init__", "finish", "shapes"}  # which have no users
ALL: Final = "all"
PLACE: Final = ROOT / "build" / "load"
STOPPING: Final = 10  # seconds that users have to finish what they do
OVERHEAD: Final = 90  # seconds for starting, stopping and writing the report
SENT: Final = ("WSX", "WSS")  # request types that are one message to the server each
PHASES: Final = tuple(f" {phase}" for phase in ("dns", "tcp", "tls", "upgrade"))  # of an opening


class Counts(NamedTuple):
    """What happened, as one side counted it."""

    connections: int
    messages: int  # that came to the server


class Server:
    """What `geventws serve --chat` serves, counting; after a restart it counts on."""

    def __init__(self, port: int = 0) -> None:
        self._address = ("127.0.0.1", port or free_port())
        self._connections = self._messages = 0
        self._server: Any = None

    @property
    def url(self) -> str:
        """Where it is."""
        return "http://{}:{}".format(*self._address)

    @property
    def counts(self) -> Counts:
        """What was counted, of messages only those on connections that have ended."""
        return Counts(self._connections, self._messages)

    def start(self) -> None:
        """Begin to serve."""
        self._server = geventws.serve(self._handle, self._address, process_request=pages)
        self._server.start()

    def stop(self) -> None:
        """Tell everybody that the server goes away, and stop when they have gone."""
        self._server.drain(timeout=STOPPING)

    def restart_every(self, seconds: float) -> None:
        """Stop and start again and again, until the calling greenlet is killed."""
        while True:
            gevent.sleep(seconds)
            self.stop()
            self.start()

    def _handle(self, ws: geventws.WebSocket) -> None:
        self._connections += 1
        try:
            demo_handler(ws)
        finally:
            self._messages += ws.stats.messages_received


class Run(NamedTuple):
    """How Locust is run.

    Attributes:
        report: where the HTML goes; what Locust counted is beside it, as JSON.
        others: arguments of Locust's and of the locustfile's.
    """

    locustfile: Path
    users: int
    seconds: int
    workers: int
    report: Path
    others: Sequence[str] = ()

    @property
    def counted(self) -> Path:
        """Where what Locust counted is."""
        return self.report.with_suffix(".json")

    def master(self, url: str, port: int) -> list[str]:
        """Return the command of the master."""
        options = {
            "--master-bind-host": "127.0.0.1",
            "--master-bind-port": port,
            "--expect-workers": self.workers,
            "--expect-workers-max-wait": OVERHEAD // 2,
            "--host": url,
            "--users": self.users,
            "--spawn-rate": self.users,
            "--run-time": self.seconds,
            "--stop-timeout": STOPPING,
            "--html": self.report,
            "--json-file": self.counted.with_suffix(""),
        }
        words = [str(word) for option in options.items() for word in option]
        return [*self._locust, "--master", "--headless", "--only-summary", *words, *self.others]

    def worker(self, port: int) -> list[str]:
        """Return the command of a worker."""
        return [*self._locust, "--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]

    @property
    def _locust(self) -> list[str]:
        files = f"{self.locustfile},{LOCUSTFILES / 'finish.py'}"
        return [sys.executable, "-m", "locust", "-f", files]


@contextmanager
def running(command: Sequence[str]) -> Iterator[Any]:
    """Have a program run; it is killed at the end, if it has not ended."""
    process = Popen(command, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def locust(run: Run, url: str) -> int:
    """Have a master and its workers load *url*, and return the exit status of the master.

    Raises:
        TimeoutError: it did not end when it should have.
    """
    run.report.parent.mkdir(parents=True, exist_ok=True)
    port = free_port()
    late = TimeoutError(f"locust still runs {OVERHEAD} s after its end")
    with ExitStack() as stack, gevent.Timeout(run.seconds + OVERHEAD, late):
        master = stack.enter_context(running(run.master(url, port)))
        workers = [stack.enter_context(running(run.worker(port))) for _ in range(run.workers)]
        status = int(master.wait())
        for worker in workers:
            worker.wait()
    return status


def counts_of(rows: Sequence[dict[str, Any]]) -> Counts:
    """Return what Locust counted, of the *rows* of its statistics."""
    openings = [row for row in rows if row["method"] == "WS" and not row["name"].endswith(PHASES)]
    sent = [row for row in rows if row["method"] in SENT]
    return Counts(
        sum(row["num_requests"] - row["num_failures"] for row in openings),
        sum(row["num_requests"] for row in sent),
    )


def load(run: Run, restart: float = 0.0) -> tuple[int, Counts, Counts]:
    """Return Locust's exit status, what it counted, and what the server did."""
    server = Server()
    server.start()
    restarting = gevent.spawn(server.restart_every, restart) if restart else None
    try:
        status = locust(run, server.url)
    finally:
        gevent.killall([restarting] if restarting is not None else [])
        server.stop()
    return status, counts_of(json.loads(run.counted.read_text())), server.counts


def table(theirs: Counts, ours: Counts) -> str:
    """Return both counts side by side."""
    lines = [f"{'':16}{'Locust':>12}{'server':>12}"]
    for what, counted, served in zip(Counts._fields, theirs, ours, strict=True):
        lines.append(f"{what:16}{counted:12,}{served:12,}")
    return "\n".join(lines)


def arguments_of(words: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Read the command line; return also what is for Locust."""
    names = sorted({path.stem for path in LOCUSTFILES.glob("*.py")} - HELPERS)
    what = "what users do; with all, some do each, and more and more of them"
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("locustfile", choices=[*names, ALL], help=what)
    add("--users", type=int, default=200, metavar="N", help="[%(default)s]")
    add("--seconds", type=int, default=20, metavar="S", help="of the run [%(default)s]")
    add("--workers", type=int, default=2, metavar="N", help="[%(default)s]")
    add("--restart", type=float, default=0, metavar="S", help="seconds between two restarts")
    add("--report", type=Path, default=PLACE / "report.html", metavar="FILE", help="the HTML")
    return parser.parse_known_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run the load test, print both counts, and return the exit status."""
    known, others = arguments_of(words)
    if known.restart:
        others += ["--exit-code-on-error", "0"]
    path = LOCUSTFILES if known.locustfile == ALL else LOCUSTFILES / f"{known.locustfile}.py"
    report = known.report.absolute()
    run = Run(path, known.users, known.seconds, known.workers, report, others)
    status, theirs, ours = load(run, known.restart)
    print(table(theirs, ours))
    print(f"the report is {report}")
    return status or int(theirs != ours and not known.restart)


if __name__ == "__main__":
    sys.exit(main())
