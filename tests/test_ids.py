"""What connections are called, in this process and everywhere."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from geventws.ids import Ids, _numbers, connection_id
from geventws.testing import pair
from geventws.websocket import WebSocket

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def ends() -> Iterator[tuple[WebSocket, WebSocket]]:
    both = pair()
    yield both
    for each in both:
        each.drop()


def test_connection_keeps_its_number(ends: tuple[WebSocket, WebSocket]) -> None:
    client, server = ends
    assert connection_id(client) == connection_id(client)
    assert connection_id(server) == connection_id(client) + 1


def test_number_keeps_no_connection() -> None:
    client, server = pair()
    connection_id(client)
    before = len(_numbers)
    client.drop()
    server.drop()
    del client, server
    gc.collect()
    assert len(_numbers) < before


def test_member_is_found_by_its_id_where_it_was_asked_for(
    ends: tuple[WebSocket, WebSocket],
) -> None:
    here, elsewhere = Ids(), Ids()
    names = [here.of(ws) for ws in ends]
    assert names == [here.of(ws) for ws in ends]
    assert len({*names, *(elsewhere.of(ws) for ws in ends)}) == 4
    assert here.named([names[1], elsewhere.of(ends[0]), "stranger"]) == {ends[1]}


def test_id_keeps_no_member() -> None:
    both, ids = pair(), Ids()
    names = [ids.of(ws) for ws in both]
    for ws in both:
        ws.drop()
    del both, ws
    gc.collect()
    assert ids.named(names) == set()
