from __future__ import annotations

from loadtests.load import Server
from loadtests.locustfiles import mixed
from tests.loadtests.locustfiles.swarm import swarming


def test_people_load_pages_and_talk(server: Server) -> None:
    words = ("--mixed-http", "0.5", "--mixed-pause", "0.01")
    with swarming(mixed, server.url, *words) as swarm:
        swarm.until(lambda: min(swarm.rows[row] for row in ("WSX hello", "GET /chat.js")) >= 5)
    assert swarm.rows["GET /"] >= 3
    assert swarm.rows["WS connect"] == 3
    assert swarm.failures == set()


def test_pages_are_those_that_are_named(server: Server) -> None:
    words = ("--mixed-http", "1", "--mixed-pages", "/nowhere", "--mixed-pause", "0.01")
    with swarming(mixed, server.url, *words, users=1) as swarm:
        swarm.until_told("GET /nowhere", 2)
    assert swarm.rows["WSX hello"] == 0
    assert any("404" in failure for failure in swarm.failures)
