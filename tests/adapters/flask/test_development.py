from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from setup import ROOT
from tests.adapters.flask.app import application, visit

PATIENCE = 15.0


def test_session_is_that_of_the_opening() -> None:
    app = application()
    client: Any = app.test_client()
    with client.session_transaction() as stored:
        stored["user"] = "ada"
    with client.websocket("/who") as ws:
        for _ in range(2):
            ws.send("who am I?")
            assert ws.receive(PATIENCE) == "ada"


PROGRAM = """
from flask import Flask
from geventws.adapters.flask import Sockets

app = Flask("an application")

@Sockets(app).route("/echo")
def echo(ws):
    for message in ws:
        ws.send(message)

app.config["SERVER_NAME"] = "localhost:0"
app.run("127.0.0.1", debug=True, use_reloader={reloader}, threaded=True, log=None)
"""


@pytest.mark.parametrize("reloader", [False, True])
def test_application_is_run_by_our_server(reloader: bool, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(reloader=reloader))
    command = [sys.executable, str(program)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            port = next(line for line in lines if "Running on" in line).rpartition(":")[2]
            with visit(int(port), "/echo") as ws:
                ws.send("hello")
                assert ws.receive(PATIENCE) == "hello"
        finally:
            process.terminate()


def test_run_does_nothing_within_the_flask_command() -> None:
    program = PROGRAM.format(reloader=False)
    environ = {"FLASK_RUN_FROM_CLI": "true", "PATH": ""}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, b"")
