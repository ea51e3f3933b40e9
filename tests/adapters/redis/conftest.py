"""Redis for the tests of its door: one that all share, one that a test may kill, and a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from geventws.adapters.redis import RedisBroker
from tests.redises import Cable, Cluster, RedisServer, cabled, cluster, redis_server

Make = Callable[..., RedisBroker]
_prefixes = count()


@pytest.fixture(scope="session")
def server() -> Iterator[RedisServer]:
    """A Redis that lives on."""
    with redis_server() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def begun() -> Iterator[Cluster]:
    """A cluster that those who need none need not wait for."""
    with cluster() as running:
        yield running


@pytest.fixture(scope="session")
def clustered(begun: Cluster) -> list[RedisServer]:
    """A cluster that lives on: three masters and a replica of the first."""
    return begun.join()


@pytest.fixture
def mortal() -> Iterator[RedisServer]:
    """A Redis of the test's own, which keeps nothing on disk."""
    with redis_server() as running:
        yield running


@pytest.fixture
def cable(server: RedisServer) -> Iterator[Cable]:
    """What leads to the shared Redis, and can be cut."""
    with cabled(server) as running:
        yield running


@pytest.fixture
def make(server: RedisServer, leaks_nothing: None) -> Iterator[Make]:
    """Make brokers that share rooms, of the shared Redis or another URL; they are closed then."""
    brokers: list[RedisBroker] = []
    prefix = f"test{next(_prefixes)}:"

    def new(url: str = server.url, **options: Any) -> RedisBroker:
        brokers.append(RedisBroker(url, **{"prefix": prefix, **options}))
        return brokers[-1]

    yield new
    for broker in brokers:
        broker.close()
