from __future__ import annotations

import logging
import resource
from types import SimpleNamespace
from typing import Any

import pytest
from gevent.event import Event

from geventws.server import serve
from loadtests.load import Server
from loadtests.locustfiles import idle
from tests.loadtests.locustfiles.swarm import Swarm, swarming
from tests.serving import LOCAL, running

MANY = 2**40  # more than any system grants


def test_users_are_connected_and_ping(server: Server) -> None:
    with swarming(idle, server.url, "--idle-ping", "0.1") as swarm:
        swarm.until_told("WSP ping", 9)
        assert swarm.rows["WS connect"] == 3
    assert swarm.failures == set()


def test_users_only_wait_where_nobody_pings(server: Server) -> None:
    with swarming(idle, server.url, "--idle-ping", "0") as swarm:
        swarm.until_told("WS connect", 3)
        assert 30 <= swarm.environment.user_classes[0](swarm.environment).wait_time() <= 90
    assert set(swarm.rows) == {"WS connect", "WSC close"}


def test_users_take_turns_with_the_source_addresses() -> None:
    came: set[str] = set()
    both = Event()

    def note(ws: Any) -> None:
        came.add(ws.peer_address[0])
        if len(came) == 2:
            both.set()
        for _ in ws:
            pass

    with running(serve(note, LOCAL)) as server:
        url = f"ws://127.0.0.1:{server.address[1]}"
        with swarming(idle, url, "--idle-sources", "127.0.0.2, 127.0.0.3,", users=2):
            assert both.wait(10)
    assert came == {"127.0.0.2", "127.0.0.3"}


def test_user_whose_connection_ends_has_another_one(server: Server) -> None:
    with swarming(idle, server.url, "--idle-ping", "0.1", users=1) as swarm:
        swarm.until_told("WSP ping")
        swarm.user.ws.close()
        swarm.until_told("WS connect", 2)


@pytest.mark.parametrize(
    ("users", "own", "warned"),
    [(10, {}, False), (MANY, {}, True), (MANY, {"master": True}, False), (None, {}, False)],
)
def test_too_few_open_files_are_told_of(
    users: int | None, own: dict[str, Any], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        options = SimpleNamespace(num_users=users, **own)
        with caplog.at_level(logging.WARNING):
            idle.allow_many_files(SimpleNamespace(parsed_options=options))
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == limits[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert ("open files are limited to" in caplog.text) == warned


def test_nothing_is_kept_for_who_never_receives() -> None:
    assert Swarm(idle, "ws://127.0.0.1:1").kind.unread_limit == 0
