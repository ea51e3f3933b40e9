"""What a RedisBroker is given, by its owner or by strangers."""

from __future__ import annotations

from typing import Any

import pytest

from geventws.adapters.redis import RedisBroker
from geventws.broker import Position
from tests.adapters.redis.conftest import Make
from tests.brokers import Inbox, messages


def test_position_that_a_client_made_up_changes_nothing(make: Make) -> None:
    broker, other = make(), make()
    now = broker.publish("tea", "hot")
    assert now is not None
    for node in (broker, other):
        assert not node.history("tea", now._replace(offset=2**53 - 1)).recovered
        assert node.history("tea", now).recovered


@pytest.mark.parametrize("since", [Position(-1, ""), Position(5, "\ud800"), Position(0, "x" * 500)])
def test_position_that_a_client_made_up_is_not_recovered(make: Make, since: Position) -> None:
    broker = make()
    now = broker.publish("tea", "hot")
    assert now is not None
    for wrong in (since, since._replace(epoch=now.epoch, offset=-1)):
        history = broker.history("tea", wrong)
        assert (messages(history), history.recovered) == (["hot"], False)


def test_names_that_are_no_text_are_refused_where_they_are_given(make: Make) -> None:
    broker = make()
    calls: list[Any] = [
        lambda: broker.publish("\ud800", "x"),
        lambda: broker.publish("tea", "x", ["\ud800"]),
        lambda: broker.subscribe("\ud800", Inbox().deliver),
        lambda: broker.history("\ud800"),
        lambda: broker.presence("\ud800"),
        lambda: broker.enter("\ud800", "x-1"),
        lambda: broker.enter("tea", "\ud800"),
    ]
    for call in calls:
        with pytest.raises(UnicodeEncodeError):
            call()
    broker.enter("tea", "x-1")
    assert broker.presence("tea") == {"x-1": None}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        *(({name: -1}, ValueError) for name in ("history", "timeout", "presence_ttl")),
        *(({name: "1"}, TypeError) for name in ("history", "timeout", "history_ttl")),
        ({"prefix": "a{"}, ValueError),
        ({"prefix": 5}, TypeError),
    ],
    ids=str,
)
def test_arguments_are_checked(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"^{next(iter(options))}: "):
        RedisBroker("redis://127.0.0.1", **options)
