"""The broker inside one process: it passes the suite of all brokers, and forgets what it may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from geventws.broker import MemoryBroker, Publication
from tests.brokers import BrokerContract, NewNode, inbox_of, wait_until

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def node() -> Iterator[NewNode]:
    made: list[MemoryBroker] = []

    def new_node(**options: Any) -> MemoryBroker:
        if not made:
            made.append(MemoryBroker(**options))
        return made[0]

    yield new_node
    for broker in made:
        broker.close()


class TestMemoryBroker(BrokerContract):
    """The suite, without a server."""


def test_what_one_subscriber_raises_is_raised_when_all_were_told() -> None:
    broker = MemoryBroker()

    def fail(publication: Publication) -> None:
        raise ValueError(publication.message)

    broker.subscribe("tea", fail)
    inbox = inbox_of(broker)
    with pytest.raises(ValueError, match="hot"):
        broker.publish("tea", "hot")
    assert inbox.messages(1) == ["hot"]


def test_room_with_subscribers_keeps_where_it_stands() -> None:
    broker = MemoryBroker(history_ttl=0.05)
    inbox_of(broker)
    first = broker.publish("tea", "1")
    last = broker.publish("tea", "2")
    wait_until(lambda: not broker.history("tea").publications)
    assert broker.history("tea", last) == ([], last, True)
    assert not broker.history("tea", first).recovered


def test_room_is_forgotten_while_others_are_talked_in() -> None:
    broker = MemoryBroker(history_ttl=0.05)
    broker.publish("tea", "old")
    broker.publish("milk", "old")
    wait_until(lambda: broker.publish("tea", "new") and not broker.history("milk").publications)
    assert broker.history("tea").publications


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"history": -1}, ValueError),
        ({"history": True}, TypeError),
        ({"history": 1.5}, TypeError),
        ({"history_ttl": 0}, ValueError),
        ({"history_ttl": "1"}, TypeError),
        ({"presence_ttl": float("inf")}, ValueError),
    ],
)
def test_broker_refuses_wrong_options(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=f"^{next(iter(options))}: "):
        MemoryBroker(**options)
