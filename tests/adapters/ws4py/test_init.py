from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from geventws.adapters.ws4py import configure_logger, format_addresses
from setup import ROOT

INSTALLED = """
import sys
import geventws.adapters.ws4py
geventws.adapters.ws4py.install()
geventws.adapters.ws4py.install()
import ws4py
import ws4py.client.threadedclient
from ws4py.client import WebSocketBaseClient
from ws4py.websocket import EchoWebSocket
from geventws.adapters.ws4py.websocket import EchoWebSocket as Ours
assert EchoWebSocket is Ours
assert ws4py is geventws.adapters.ws4py
assert ws4py.client.threadedclient.__spec__.name == "geventws.adapters.ws4py.client.threadedclient"
assert WebSocketBaseClient.__module__ == "geventws.adapters.ws4py.client"
try:
    import ws4py.nothing
except ModuleNotFoundError as error:
    print(error)
assert "gevent" not in sys.modules
"""
TOO_LATE = """
import sys, types
sys.modules["ws4py"] = types.ModuleType("ws4py")
import geventws.adapters.ws4py
try:
    geventws.adapters.ws4py.install()
except RuntimeError as error:
    print(error)
"""


def said_by(program: str) -> str:
    """Return what *program* prints in an interpreter of its own."""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_install_has_import_find_this_package_under_ws4pys_name() -> None:
    assert said_by(INSTALLED) == "No module named 'geventws.adapters.ws4py.nothing'\n"


def test_install_comes_too_late_after_the_real_one() -> None:
    assert said_by(TOO_LATE) == "ws4py is imported already\n"


@pytest.mark.parametrize(
    ("local", "peer", "text"),
    [
        (("::1", 1), ("::1", 2), "[Local => ::1:1 | Remote => ::1:2]"),
        ("", "/run/my.sock", "[Bound to '/run/my.sock']"),
        ("/run/my.sock", "", "[Bound to '/run/my.sock']"),
    ],
)
def test_addresses_are_formatted_with_the_path_of_a_unix_socket(
    local: Any, peer: Any, text: str
) -> None:
    ws = SimpleNamespace(local_address=local, peer_address=peer)
    assert format_addresses(ws) == text


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("geventws")
    before, level = list(logger.handlers), logger.level
    yield logger
    for handler in set(logger.handlers) - set(before):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)


def test_logger_writes_once_however_often_it_is_configured(
    logger: logging.Logger, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "log"
    before = len(logger.handlers)
    for _ in range(3):
        assert configure_logger(filepath=str(path), level=logging.DEBUG) is logger
    logger.debug("hello")
    assert len(logger.handlers) == before + 2
    assert capsys.readouterr().out.count("DEBUG hello") == 1
    assert path.read_text().count("DEBUG hello") == 1


def test_logger_can_be_silent(logger: logging.Logger, capsys: Any) -> None:
    configure_logger()
    configure_logger(stdout=False)
    logger.info("hello")
    assert capsys.readouterr().out == ""
