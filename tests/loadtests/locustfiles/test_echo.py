from __future__ import annotations

import gevent
import pytest

from loadtests.load import Counts, Server
from loadtests.locustfiles import echo
from tests.loadtests.locustfiles.swarm import swarming


@pytest.mark.parametrize("words", [(), ("--echo-binary", "--echo-size", "70000")])
def test_messages_come_back_and_are_all_counted(server: Server, words: tuple[str, ...]) -> None:
    with swarming(echo, server.url, *words) as swarm:
        swarm.until_told("WSX echo", 20)
    server.stop()
    assert swarm.failures == set()
    assert server.counts == Counts(3, swarm.rows["WSX echo"])


def test_rate_is_kept(server: Server) -> None:
    with swarming(echo, server.url, "--echo-rate", "50", users=1) as swarm:
        swarm.until_told("WSX echo")
        before, first = swarm.rows["WSX echo"], swarm.user.last_due
        swarm.until_told("WSX echo", before + 10)
        assert (swarm.user.last_due - first) * 50 == pytest.approx(10, abs=1.5)


def test_another_message_is_no_answer(server: Server) -> None:
    with swarming(echo, server.url, "--echo-path", "/chat", users=1) as swarm:
        swarm.environment.user_classes[0].reply_timeout = 0.1
        swarm.until(lambda: "no reply in 0.1 s" in swarm.failures)


def test_server_that_is_down_is_not_asked_again_at_once() -> None:
    with swarming(echo, "ws://127.0.0.1:1", users=1) as swarm:
        swarm.until_told("WS connect", 2)  # in on_start() and in the first task
        swarm.environment.stop_timeout = 0
        gevent.idle()
        assert swarm.rows["WS connect"] == 2
        assert swarm.failures == {"cannot connect: ECONNREFUSED"}


def test_user_whose_connection_ends_has_another_one(server: Server) -> None:
    with swarming(echo, server.url, users=1) as swarm:
        swarm.until_told("WSX echo")
        swarm.user.ws.close()
        swarm.until_told("WS connect", 2)
