from __future__ import annotations

import json

import pytest

from loadtests.load import Server
from loadtests.locustfiles import chat
from tests.loadtests.locustfiles.swarm import Swarm, swarming


def test_everybody_in_the_room_hears_what_is_said(server: Server) -> None:
    with swarming(chat, server.url, "--chat-rooms", "1", "--chat-rate", "1.5") as swarm:
        swarm.until_told("WSX join", 3)
        said = swarm.rows["WSS say"]
        swarm.until_told("WSM fan-out", 3 * (said + 2))
    assert swarm.failures == set()
    times = swarm.times("WSM fan-out")
    assert min(times) > 0
    assert max(times) < 5000


def test_rooms_are_apart(server: Server) -> None:
    with swarming(chat, server.url, "--chat-rooms", "3", "--chat-rate", "1.5") as swarm:
        swarm.until_told("WSM fan-out", 4)
    assert swarm.rows["WSM fan-out"] <= swarm.rows["WSS say"]


def test_message_is_as_long_as_was_asked_for(server: Server) -> None:
    heard = []
    with swarming(chat, server.url, "--chat-size", "300", "--chat-rate", "2", users=1) as swarm:
        requests = swarm.environment.events.request
        requests.add_listener(lambda name, response=None, **_: heard.append((name, response)))
        swarm.until(lambda: any(name == "said" for name, _ in heard))
    said = next(response.message for name, response in heard if name == "said")
    assert len(json.loads(said)["text"]) == 300


def test_what_another_machine_said_has_no_time(server: Server) -> None:
    with swarming(chat, server.url, "--chat-rate", "0.01", users=1) as swarm:
        swarm.until_told("WSX join")
        swarm.user.ws.send({"type": "say", "text": "@elsewhere 1.5 ..."})
        swarm.until(lambda: None in swarm.times("WSM fan-out"))
        assert swarm.times("WSM fan-out").count(None) == 1


def test_what_the_server_refuses_is_a_failure(server: Server) -> None:
    with swarming(chat, server.url, "--chat-rate", "0.01", users=1) as swarm:
        swarm.until_told("WSX join")
        swarm.user.ws.send("nonsense")
        swarm.until_told("WSM error")
        assert swarm.failures == {"not JSON"}


@pytest.mark.parametrize(
    ("message", "kind"),
    [('{"type":"said","text":"x"}', "said"), ("?", "message"), (b"", "message")],
)
def test_messages_are_named_by_their_type(message: str | bytes, kind: str) -> None:
    assert (
        Swarm(chat, "ws://127.0.0.1:1").environment.user_classes[0].classify(None, message) == kind
    )


def test_person_whose_connection_ends_comes_back(server: Server) -> None:
    with swarming(chat, server.url, "--chat-rate", "2", users=1) as swarm:
        swarm.until_told("WSX join")
        swarm.user.ws.close()
        swarm.until_told("WSX join", 2)


def test_server_that_is_down_is_told_of() -> None:
    with swarming(chat, "ws://127.0.0.1:1", "--chat-rate", "100", users=1) as swarm:
        swarm.until_told("WS connect", 2)
        swarm.environment.stop_timeout = 0
        assert swarm.failures == {"cannot connect: ECONNREFUSED"}
