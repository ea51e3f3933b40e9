from __future__ import annotations

from loadtests.load import Counts, Server
from loadtests.locustfiles import storm
from tests.loadtests.locustfiles.swarm import swarming


def test_connections_come_and_go(server: Server) -> None:
    with swarming(storm, server.url, "--storm-messages", "2") as swarm:
        swarm.until_told("WSC close", 10)
    server.stop()
    rows = swarm.rows
    assert swarm.failures == set()
    assert rows["WS connect"] == rows["WS connect upgrade"] == rows["WSC close"]
    assert server.counts == Counts(rows["WS connect"], rows["WSX hello"])
    assert rows["WSX hello"] == 2 * rows["WS connect"]


def test_connections_are_held_and_paced(server: Server) -> None:
    words = ("--storm-hold", "0.05", "--storm-rate", "1")
    with swarming(storm, server.url, *words, users=1) as swarm:
        swarm.until_told("WSC close", 2)
        first, second = [each["start_time"] for each in swarm.events if each["name"] == "connect"]
    assert second - first > 0.25  # a second, less what the first one began late


def test_server_that_is_down_is_told_of() -> None:
    with swarming(storm, "ws://127.0.0.1:1", users=1) as swarm:
        swarm.until_told("WS connect")
        swarm.environment.stop_timeout = 0
        assert swarm.failures == {"cannot connect: ECONNREFUSED"}
