"""What every broker must do, by RedisBroker: on one Redis, and on a cluster."""

from __future__ import annotations

from functools import partial

import pytest

from tests.brokers import BrokerContract, NewNode


@pytest.fixture(params=["redis", "cluster"])
def node(request: pytest.FixtureRequest) -> NewNode:
    """Make brokers that share rooms."""
    url = request.getfixturevalue("server").url
    if request.param == "cluster":  # before make(), which looks for what is left behind
        url = f"redis+cluster://127.0.0.1:{request.getfixturevalue('clustered')[1].port}"
    made: NewNode = partial(request.getfixturevalue("make"), url)
    return made


class TestRedisBroker(BrokerContract):
    """The suite."""
