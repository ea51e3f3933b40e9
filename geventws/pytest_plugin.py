"""Fixtures for pytest: servers, connections, a network with faults, and no leaks.

pytest knows this plugin where geventws is installed. It imports no more than pytest until a fixture
is used, so that it costs other tests nothing, and finds gevent as they have patched it.

ws_server(handler) -> WebSocketServer       ws_connect(server | application | url) -> WebSocket
ws_pair() -> two WebSockets                 ws_network -> a Network    --geventws-seed N
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import pytest

FIXTURES: Final = "geventws.testing.fixtures"
SEED: Final = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --geventws-seed and the ini option geventws_leaks."""
    group = parser.getgroup("geventws")
    group.addoption(
        "--geventws-seed", type=int, metavar="N", help="the seed of ws_network, to repeat a failure"
    )
    parser.addini(
        "geventws_leaks", "whether greenlets and descriptors left behind fail a test", "bool", True
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Add the seed of its network to the report of a test that has failed."""
    report = yield
    seed = item.stash.get(SEED, None)
    if seed is not None and report.failed:
        report.sections.append(("geventws", f"the network's seed: --geventws-seed={seed}"))
    return report


@pytest.fixture
def ws_no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the test fail that leaves greenlets or descriptors behind; the other fixtures use it.

    geventws_leaks = false in the ini file turns that off.
    """
    if not request.config.getini("geventws_leaks"):
        yield
        return
    with import_module(FIXTURES).nothing_left() as left:
        yield
    if left:
        pytest.fail("left behind:\n" + "\n".join(left), pytrace=False)


@pytest.fixture
def ws_server(ws_no_leaks: None) -> Iterator[Any]:
    """Give ws_server(handler, **arguments): a server on a free port, stopped after the test.

    The arguments are those of geventws.serve(); it returns the started WebSocketServer.
    """
    with import_module(FIXTURES).servers() as start:
        yield start


@pytest.fixture
def ws_connect(ws_no_leaks: None) -> Iterator[Any]:
    """Give ws_connect(to, path, **arguments): an open connection, closed after the test.

    *to* is what ws_server() returned, a WSGI application, or a url, which has its path itself. The
    arguments are those of geventws.connect(), or of geventws.testing.connect().
    """
    with import_module(FIXTURES).connections() as connect:
        yield connect


@pytest.fixture
def ws_pair(ws_no_leaks: None) -> Iterator[Any]:
    """Give ws_pair(), which is geventws.testing.pair(); both ends are dropped after the test."""
    with import_module(FIXTURES).pairs() as make:
        yield make


@pytest.fixture
def ws_network(request: pytest.FixtureRequest, ws_no_leaks: None) -> Iterator[Any]:
    """Give an open geventws.testing.Network, in whose time the test runs.

    Where the test fails, its report has the seed; --geventws-seed repeats it.
    """
    with import_module(FIXTURES).networks(request.config.getoption("--geventws-seed")) as network:
        request.node.stash[SEED] = network.seed
        yield network
