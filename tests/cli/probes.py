"""Probes of servers that are this test's own."""

from __future__ import annotations

from typing import Any

from geventws.cli.findings import Fact
from geventws.cli.probing import probe
from geventws.options import DEFLATE
from tests.servers import Serve, serving

PATIENCE = 10.0
AT_ONCE = 0.4  # seconds after which a step that is stuck is given up
ASKED: dict[str, Any] = {
    "subprotocols": [],
    "headers": [],
    "origin": None,
    "ssl": None,
    "compression": DEFLATE,
}


def probed(url: str, patience: float = PATIENCE, **asked: Any) -> list[Fact]:
    """Return what a probe of *url* finds out."""
    return probe(url, {**ASKED, **asked}, patience)


def last(url: str, patience: float = PATIENCE, **asked: Any) -> Fact:
    """Return what the failure of a probe of *url* is told to be; the one thing that is wrong."""
    *before, fact = probed(url, patience, **asked)
    assert fact.wrong
    assert not any(each.wrong for each in before)
    return fact


def answered(talk: Serve, path: str = "/", patience: float = PATIENCE, **asked: Any) -> Fact:
    """Return what a probe tells of a server that has *talk*."""
    with serving(talk) as server:
        return last(f"ws://127.0.0.1:{server.port}{path}", patience, **asked)


def valued(found: list[Fact], name: str) -> str:
    """Return what *found* says of *name*."""
    (value,) = [fact.value for fact in found if fact.name == name]
    return value
