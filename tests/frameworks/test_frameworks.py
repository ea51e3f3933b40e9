"""Every framework on every server: what upgrade() in a view can be relied on for.

docs/reference/frameworks.md has these as a table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from geventws.core.errors import Rejected
from tests.adapters.gunicorns import IN_TIME
from tests.crowds import until
from tests.frameworks.servers import SERVERS, Server, serving
from tests.rawpeer import RawPeer

FRAMEWORKS = ["plain", "lazy", "flask", "django", "pyramid", "bottle", "falcon"]
ROOM = "rooms/tea?token=secret"
LARGE = 2**23
CROWD = 10

each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)
each_server = pytest.mark.parametrize("server", SERVERS, indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Have one server run for all the tests on it."""
    with serving(request.param) as running:
        yield running


@each_server
@each_framework
def test_view_opens_with_a_subprotocol_and_gets_large_messages_whole(
    framework: str, server: Server
) -> None:
    with server.connect(f"{framework}/{ROOM}", subprotocols=["other", "chat"]) as ws:
        assert ws.subprotocol == "chat"
        for message in ("é", b"", os.urandom(LARGE)):
            ws.send(message)
            assert ws.receive(IN_TIME) == message
    assert ws.close_code == 1000


@each_server
@each_framework
def test_view_refuses_before_it_opens(framework: str, server: Server) -> None:
    for path, status in (("rooms/tea", 401), ("rooms/den?token=secret", 404)):
        with pytest.raises(Rejected) as rejected:
            server.connect(f"{framework}/{path}")
        assert rejected.value.status == status


@each_server
@each_framework
def test_wrong_requests_are_answered_as_they_should_be(framework: str, server: Server) -> None:
    reply = server.get(f"{framework}/{ROOM}")
    assert (reply.status, "no upgrade to websocket" in reply.body) == (426, True)
    reply = server.get(f"{framework}/{ROOM}", Upgrade="websocket", Connection="Upgrade", Origin="a")
    assert reply.status == 403


@each_server
@each_framework
def test_request_is_torn_down_when_the_websocket_is_over(framework: str, server: Server) -> None:
    def here(count: int) -> bool:
        return server.get(f"{framework}/").body == f"{count} at tea"

    with server.connect(f"{framework}/{ROOM}") as ws:
        ws.send("hello")
        assert ws.receive(IN_TIME) == "hello"
        with RawPeer.to(("127.0.0.1", server.port)) as lost:
            lost.upgrade(f"GET /{framework}/{ROOM} HTTP/1.1")
            until(lambda: here(2))
        until(lambda: here(1))
    until(lambda: here(0))


@each_server
@each_framework
def test_nothing_is_left_of_connections_that_are_over(framework: str, server: Server) -> None:
    def visit() -> None:
        with server.connect(f"{framework}/{ROOM}") as ws:
            ws.send("hello")
            assert ws.receive(IN_TIME) == "hello"

    def counted() -> Any:
        return json.loads(server.get("count/").body)

    visit()
    until(lambda: counted()[3] == 0)
    before = counted()
    for _ in range(CROWD):
        visit()
    until(lambda: all(now <= then for now, then in zip(counted(), before, strict=True)))
