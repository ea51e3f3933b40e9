"""What other libraries publish as their examples and tests, run on ours, the imports changed."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest
from gevent.subprocess import PIPE, Popen

from geventws.client import connect
from geventws.core.errors import WebSocketError
from tests.ports import free_port
from tests.published.sdists import sdist

IN_TIME = 50.0  # seconds; what takes longer hangs
GEVENT_WEBSOCKET = "gevent-websocket==0.10.1"  # the last there is
OURS = ("geventwebsocket", "geventws.adapters.gevent_websocket")


def readme_programs() -> list[str]:
    """Return the two programs in gevent-websocket's README, for a Python of today."""
    text = sdist(GEVENT_WEBSOCKET)["README.rst"]
    blocks = re.findall(r"::\n\n((?:    .*\n|\n)+)", text)
    programs = [textwrap.dedent(block) for block in blocks if "import" in block]
    return [re.sub(r"print (.*)", r"print(\1)", program) for program in programs]


@contextmanager
def running(program: str, place: Path, port: int) -> Iterator[None]:
    """Have *program* run, which listens at *port*; it must have nothing to complain about."""
    path = place / "program.py"
    path.write_text(program)
    process = Popen([sys.executable, "-W", "error", str(path)], stderr=PIPE)
    try:
        yield
    finally:
        process.kill()
        complaints = process.communicate()[1].decode()
    assert "Traceback" not in complaints, complaints


def answer(url: str, message: str) -> str | bytes:
    """Return what the program at *url* answers to *message*, once it listens."""
    with gevent.Timeout(IN_TIME):
        while True:
            try:
                ws = connect(url)
            except (ConnectionRefusedError, WebSocketError):
                gevent.sleep(0.05)
                continue
            with ws:
                ws.send(message)
                return ws.receive()


@pytest.mark.parametrize(("number", "path"), [(0, "/"), (1, "/echo")])
def test_program_of_gevent_websockets_readme_runs(number: int, path: str, tmp_path: Path) -> None:
    port = free_port()
    program = readme_programs()[number].replace(*OURS).replace("8000", str(port))
    with running(program, tmp_path, port):
        assert answer(f"ws://127.0.0.1:{port}{path}", "hello") == "hello"


@pytest.mark.parametrize("number", [0, 1])
def test_program_of_gevent_websockets_readme_runs_with_its_own_imports(
    number: int, tmp_path: Path
) -> None:
    port = free_port()
    install = f"import {OURS[1]} as names\nnames.install()\n"
    program = install + readme_programs()[number].replace("8000", str(port))
    with running(program, tmp_path, port):
        url = f"ws://127.0.0.1:{port}" + ("/", "/echo")[number]
        assert answer(url, "hello") == "hello"


def test_flask_socks_own_tests_pass(tmp_path: Path) -> None:
    text = sdist("flask-sock==0.7.0")["tests/test_flask_sock.py"]
    ours = "import geventws.adapters.flask as flask_sock"
    changed, count = re.subn("^import flask_sock$", ours, text, flags=re.MULTILINE)
    assert count == 1
    (tmp_path / "test_flask_sock.py").write_text(changed)
    command = [sys.executable, "-m", "unittest", "-v", "test_flask_sock"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"\.\.\. ok$", done.stderr, re.MULTILINE)) == text.count("def test_")


def test_flask_socketios_example_runs_as_it_is(tmp_path: Path) -> None:
    found = re.search(r"```py\n(.*?)```", sdist("Flask-SocketIO>=5.3")["README.md"], re.DOTALL)
    assert found is not None
    port = free_port()
    install = "from geventws.adapters.engineio import install\ninstall()\n"
    program = found[1].replace("socketio.run(app)", f"socketio.run(app, port={port})")
    with running(install + program, tmp_path, port):
        url = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
        assert str(answer(url, "40")).startswith("0{")
