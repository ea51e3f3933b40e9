"""The package under its old name."""

from __future__ import annotations

import subprocess
import sys

from geventws.adapters import gevent_websocket
from setup import ROOT

PROGRAM = """
import sys
from geventws.adapters import gevent_websocket as ours

ours.install()
ours.install()
assert len([each for each in sys.meta_path if type(each).__name__ == "Finder"]) == 1

import geventwebsocket
from geventwebsocket import Resource, WebSocketApplication, WebSocketError, WebSocketServer
from geventwebsocket.exceptions import FrameTooLargeException, ProtocolError
from geventwebsocket.gunicorn.workers import GeventWebSocketWorker
from geventwebsocket.handler import Client, WebSocketHandler
from geventwebsocket.protocols.base import BaseProtocol
from geventwebsocket.websocket import MSG_ALREADY_CLOSED, MSG_CLOSED, MSG_SOCKET_DEAD, WebSocket

assert geventwebsocket is ours
assert WebSocketServer is ours.WebSocketServer
assert ours.__spec__.name == "geventws.adapters.gevent_websocket"
"""
TOO_LATE = """
import sys, types
sys.modules["geventwebsocket"] = types.ModuleType("geventwebsocket")
from geventws.adapters import gevent_websocket
try:
    gevent_websocket.install()
except RuntimeError as error:
    assert str(error) == "geventwebsocket is imported already"
else:
    raise SystemExit("nothing was raised")
"""


def run(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_old_names_are_found_once_installed() -> None:
    run(PROGRAM)


def test_install_says_that_the_real_one_is_there() -> None:
    run(TOO_LATE)


def test_version_is_the_one_whose_names_these_are() -> None:
    assert gevent_websocket.get_version() == "0.10.1"
