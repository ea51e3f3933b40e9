"""Echo: each user says a message, waits until it is back, and says it again.

    geventws serve --chat
    locust -f loadtests/locustfiles/echo.py --users 100 --spawn-rate 50 --echo-rate 10

Row WSX "echo" has the round trips. What comes back must be what was sent, or it is no reply.
Without --echo-rate a user goes as fast as the server answers: that finds the most the server can
do, but says little about latency, for a slow server is asked less. With a rate the times count from
when each message was due.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from locust import constant, events, task

from geventws.adapters.locust import WebSocketUser, constant_rate, install_fine_buckets

install_fine_buckets()


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_arguments(parser: Any) -> None:
    """Say what can be chosen."""
    add = parser.add_argument
    add("--echo-path", default="/echo", help="where the echo is [/echo]")
    add("--echo-size", type=int, default=64, help="characters, or bytes, of a message [64]")
    add("--echo-rate", type=float, default=0.0, help="messages a second of a user; 0: no pause [0]")
    add("--echo-binary", action="store_true", help="send bytes instead of text")


class Echo(WebSocketUser):
    """Somebody who says the same thing again and again."""

    host = "ws://127.0.0.1:9000"
    pace: Callable[[Any], float]
    message: str | bytes

    def on_start(self) -> None:
        """Prepare the message and connect."""
        options = self.environment.parsed_options
        self.message = bytes(options.echo_size) if options.echo_binary else "x" * options.echo_size
        self.pace = constant_rate(options.echo_rate) if options.echo_rate else constant(0)
        self.ws.connect(options.echo_path)

    def wait_time(self) -> float:
        """Return how long to pause before the next message."""
        return self.pace(self)

    @task
    def echo(self) -> None:
        """Make one round trip."""
        if self.ws.is_open or self.ws.connect(self.environment.parsed_options.echo_path):
            self.ws.request(self.message, name="echo", match=self.message)
        else:
            gevent.sleep(1)  # who is down is not asked again at once
