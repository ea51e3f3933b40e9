"""Chat: rooms full of people, and how long what one says takes to reach everybody.

    geventws serve --chat
    locust -f loadtests/locustfiles/chat.py --users 200 --spawn-rate 20 --chat-rooms 10

Row WSM "fan-out" has one time for each message and each person who hears it, the speaker too: from
before the sending until it was read. WSX "join" is entering a room, WSS "say" what is sent, and the
WSR rows count what the server sent, by its kind. An "error" of the server is a failure.

The time of the sending travels in the message, from a clock that all processes of one machine have
in common. What was said on another machine is counted in "fan-out" without a time.

The server takes no more than 20 messages in 10 seconds from one person, so at rates over 1 some are
refused, and it has 100 rooms at most.
"""

from __future__ import annotations

import json
import os
import platform
import random
import re
from itertools import count
from time import perf_counter
from typing import Any, Final

import gevent
from locust import events, task

from geventws.adapters.locust import MeasuredWebSocket, WebSocketUser, install_fine_buckets

install_fine_buckets()

HERE: Final = re.sub(r"\W", "-", platform.node()) or "here"
STAMP: Final = re.compile(r"@(\S+) (\d+\.\d+)")
TYPE: Final = re.compile(r'{"type":"(\w+)"')
numbers = count(1)  # of the people in this process


class Refused(Exception):
    """What the server says in an "error"."""


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_arguments(parser: Any) -> None:
    """Say what can be chosen."""
    add = parser.add_argument
    add("--chat-path", default="/chat", help="where the chat is [/chat]")
    add("--chat-rooms", type=int, default=10, help="how many rooms people are spread over [10]")
    add("--chat-rate", type=float, default=0.5, help="what one person says, a second [0.5]")
    add("--chat-size", type=int, default=64, help="characters of what is said [64]")


class Person(WebSocketUser):
    """Somebody in a room, who says something now and then and hears everything."""

    host = "ws://127.0.0.1:9000"

    def on_start(self) -> None:
        """Choose a room and enter it."""
        number = next(numbers)
        self.name = f"{os.getpid()}-{number}"
        self.room = f"room {number % self.environment.parsed_options.chat_rooms}"
        self.enter()

    def enter(self) -> bool:
        """Connect and join; return whether that went well."""
        return self.ws.connect(self.environment.parsed_options.chat_path) and bool(
            self.ws.request(
                {"type": "join", "room": self.room, "name": self.name, "key": self.name},
                name="join",
                match={"type": "welcome"},
            ).ok
        )

    def wait_time(self) -> float:
        """Return how long to be silent: people speak at random, not in chorus."""
        return random.expovariate(self.environment.parsed_options.chat_rate)

    @task
    def say(self) -> None:
        """Say something that tells when and where it was said."""
        if self.ws.is_open or self.enter():
            stamp = f"@{HERE} {perf_counter():.6f} "
            text = stamp.ljust(self.environment.parsed_options.chat_size, ".")
            self.ws.send({"type": "say", "text": text}, name="say")
        else:
            gevent.sleep(1)  # who is down is not asked again at once

    def classify(self, message: str | bytes) -> str:
        """Return the kind that the chat gives a message."""
        found = TYPE.match(str(message))
        return "message" if found is None else found[1]

    def on_message(self, ws: MeasuredWebSocket, message: str | bytes) -> None:
        """Hear a message."""
        heard_at = perf_counter()
        said = json.loads(message)
        if said["type"] == "error":
            self.report("error", None, Refused(said["text"]))
        elif said["type"] == "said" and (stamp := STAMP.match(said["text"])):
            passed = heard_at - float(stamp[2]) if stamp[1] == HERE else None
            self.report("fan-out", None if passed is None else passed * 1000)

    def report(
        self, name: str, response_time: float | None, error: Exception | None = None
    ) -> None:
        """Tell Locust of what has no row yet."""
        self.environment.events.request.fire(
            request_type="WSM",
            name=name,
            response_time=response_time,
            response_length=0,
            exception=error,
            context=self.context(),
        )
