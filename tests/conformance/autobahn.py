"""The Autobahn test suite: installed once into a cache, and run against the ends behind our doors.

It is a program for Python 2.7, which PYTHON27 may name; otherwise the PATH and pyenv are searched.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, NamedTuple

from setup import ROOT
from tests.conformance.doors import command, running
from tests.ports import free_port

VERSION: Final = "25.10.1"
INSTALLED: Final = Path.home() / ".cache" / "geventws" / f"autobahn-{VERSION}"
STARTING: Final = 60  # seconds
PATIENCE: Final = 7200  # seconds for a whole run; the suite has deadlines for each of its cases


class NoSuite(Exception):
    """Why there is no suite; *is_mistake* where somebody meant to have one."""

    def __init__(self, why: str, is_mistake: bool) -> None:
        super().__init__(why)
        self.is_mistake = is_mistake


class Verdict(NamedTuple):
    """What the suite says of one case: of its messages, and of its closing handshake."""

    behavior: str
    closing: str


Verdicts = dict[str, Verdict]  # by the case's number, as "1.1.1"


def suite() -> Path:
    """Return the suite's program, having installed it where that was not done.

    Raises:
        NoSuite: there is no Python 2.7, or it could not install the suite.
    """
    program = INSTALLED / "bin" / "wstest"
    if not program.exists():
        python = _python27()
        print(f"installing autobahntestsuite {VERSION} into {INSTALLED}", flush=True)
        quietly = ["--quiet", "--no-warn-script-location", "--disable-pip-version-check"]
        package = f"autobahntestsuite=={VERSION}"
        installing = subprocess.run(
            [python, "-m", "pip", "install", "--user", *quietly, package],
            env=_environment(),
            capture_output=True,  # pages of pip's, on the end of Python 2.7
            text=True,
        )
        if installing.returncode:
            raise NoSuite(f"{python} cannot install it: {installing.stderr[-1000:]}", True)
    return program


def _python27() -> str:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    named = os.environ.get("PYTHON27")
    if named:
        if not _is_python27(named):
            raise NoSuite(f"PYTHON27 is {named!r}, which is no Python 2.7", True)
        return named
    versions = sorted(root.glob("versions/2.7.*/bin/python2.7"))
    found = next(filter(_is_python27, [*map(str, versions), "python2.7"]), None)
    if found is None:
        raise NoSuite(
            "the Autobahn test suite needs a Python 2.7: install one, as by "
            "`pyenv install 2.7.18`, or name it by PYTHON27",
            False,
        )
    return found


def _is_python27(program: str) -> bool:
    check = "import sys; sys.exit(sys.version_info[:2] != (2, 7))"
    return shutil.which(program) is not None and not subprocess.call([program, "-c", check])


def _environment() -> dict[str, str]:
    # a directory that pip takes for the user's own, so that no virtual environment is needed
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONUSERBASE": str(INSTALLED)}


def judge_server(program: Path, door: str, cases: Sequence[str]) -> Verdicts:
    """Run *cases*, as "1.*", against the echo server behind *door*."""
    with running(door) as port, tempfile.TemporaryDirectory() as place:
        servers = [{"agent": door, "url": f"ws://127.0.0.1:{port}"}]
        with _suite(program, "fuzzingclient", place, cases, servers=servers) as tester:
            if tester.wait(PATIENCE):
                raise RuntimeError(f"the suite failed: {tester.returncode}")
        return _verdicts(Path(place), door)


def judge_client(program: Path, door: str, cases: Sequence[str]) -> Verdicts:
    """Run *cases*, as "1.*", against the echo client behind *door*."""
    port = free_port()
    url = f"ws://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as place:
        with _suite(program, "fuzzingserver", place, cases, url=url) as tester:
            _wait_for(port, tester)
            subprocess.run(command(door, "cases", url), cwd=ROOT, timeout=PATIENCE, check=True)
        return _verdicts(Path(place), door)


@contextmanager
def _suite(
    program: Path, mode: str, place: str, cases: Sequence[str], **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the suite in *place*, and end it."""
    spec = Path(place) / "spec.json"
    wanted = {"outdir": place, "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}}
    spec.write_text(json.dumps({**wanted, **more}))
    arguments = [str(program), "--mode", mode, "--spec", str(spec)]
    if mode == "fuzzingserver":
        arguments += ["--webport", "0"]
    with subprocess.Popen(
        arguments, cwd=place, env=_environment(), stdout=subprocess.DEVNULL
    ) as tester:
        try:
            yield tester
        finally:
            tester.kill()


def _wait_for(port: int, tester: subprocess.Popen[bytes]) -> None:
    """Return when *tester* listens at *port*."""
    deadline = monotonic() + STARTING
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if tester.poll() is not None or monotonic() > deadline:
                raise
            sleep(0.1)


def _verdicts(place: Path, door: str) -> Verdicts:
    said = json.loads((place / "index.json").read_text())[door]
    return {
        number: Verdict(verdict["behavior"], verdict["behaviorClose"])
        for number, verdict in sorted(said.items(), key=lambda item: _order(item[0]))
    }


def _order(number: str) -> list[int]:
    return [int(part) for part in number.split(".")]
