"""Importing locust patches the standard library: see test_locustfiles.py, which runs these."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gevent.monkey import is_module_patched

from loadtests.load import Server

collect_ignore_glob = [] if is_module_patched("socket") else ["test_*.py"]


@pytest.fixture
def server(leaks_nothing: None) -> Iterator[Server]:
    """Have run what `geventws serve --chat` serves."""
    server = Server()
    server.start()
    yield server
    server.stop()
