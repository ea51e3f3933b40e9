from __future__ import annotations

from loadtests.load import Server
from loadtests.locustfiles import reconnect
from tests.loadtests.locustfiles.swarm import swarming


def test_users_come_back_after_a_restart(server: Server) -> None:
    with swarming(reconnect, server.url, "--reconnect-jitter", "0.2") as swarm:
        swarm.until_told("WS connect", 3)
        server.stop()
        swarm.until(lambda: "cannot connect: ECONNREFUSED" in swarm.failures)
        server.start()
        swarm.until_told("WSX back", 3)
    assert swarm.rows["WSM time to reconnect"] == 3
    assert min(swarm.times("WSM time to reconnect")) > 0
    assert swarm.failures == {"cannot connect: ECONNREFUSED"}


def test_no_jitter_is_an_attempt_at_once(server: Server) -> None:
    words = ("--reconnect-jitter", "0", "--reconnect-longest", "0.1")
    with swarming(reconnect, server.url, *words, users=1) as swarm:
        swarm.until_told("WS connect")
        server.stop()
        swarm.until_told("WS reconnect", 3)
        server.start()
        swarm.until_told("WSX back")
