"""`import geventws`: the public names, and that each is imported when it is first used."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import geventws

NAMES = [
    *("ConcurrencyError", "ConnectionClosed", "Deflate", "EchoWebSocket", "HandshakeError"),
    *("InvalidHandshake", "InvalidText", "InvalidURI", "Limits", "Manager", "MemoryBroker"),
    *("MessageTooBig", "Options", "Position", "ProtocolError", "Publication"),
    *("Rejected", "Request", "Response", "Stats", "WSGIServer"),
    *("WebSocket", "WebSocketError", "WebSocketServer", "WebSocketWSGIApplication"),
    *("__version__", "compiled", "connect", "reconnect", "serve", "upgrade"),
]
PLAIN = {"__version__": "geventws.version", "compiled": "geventws.twins"}  # know no module


def imported_by(*statements: str) -> set[str]:
    """Return the modules that a fresh interpreter has after *statements*."""
    program = [*statements, "import sys", "print(*sys.modules)"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(program)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_public_names_are_these() -> None:
    assert sorted(geventws.__all__) == sorted(NAMES)
    assert set(NAMES) <= set(dir(geventws))


@pytest.mark.parametrize("name", NAMES)
def test_public_name_is_what_its_module_has(name: str) -> None:
    value: Any = getattr(geventws, name)
    home = PLAIN.get(name) or value.__module__
    assert home.startswith("geventws.")
    assert getattr(sys.modules[home], name) is value


def test_public_names_can_all_be_imported_at_once() -> None:
    names: dict[str, object] = {}
    exec("from geventws import *", names)
    assert set(NAMES) <= set(names)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'geventws' has no attribute 'conect'"):
        assert geventws.conect  # type: ignore[attr-defined]
    with pytest.raises(ImportError, match="cannot import name 'conect'"):
        exec("from geventws import conect")
    assert not hasattr(geventws, "_private")


def test_modules_are_found_under_their_names() -> None:
    exec("import geventws.core.frame\nfrom geventws import core\nfrom geventws.core import frame")


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    found = imported_by("import geventws")
    assert {name for name in found if name.startswith("geventws")} == {"geventws"}


def test_names_of_the_core_leave_gevent_out() -> None:
    names = (
        "Deflate",
        "ConnectionClosed",
        "InvalidURI",
        "Request",
        "Response",
        "Options",
        "compiled",
    )
    found = imported_by("import geventws", *(f"geventws.{name}" for name in names), "dir(geventws)")
    assert "geventws.core.deflate" in found
    assert "gevent" not in found


def test_names_of_the_network_bring_gevent() -> None:
    assert "gevent" in imported_by("from geventws import connect")
