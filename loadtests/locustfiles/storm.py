"""Storm: connections that are opened, used for a moment and closed, one after another.

    geventws serve --chat
    locust -f loadtests/locustfiles/storm.py --users 50 --spawn-rate 50

Row WS "connect" has the openings, and those below it their phases: name lookup, TCP, TLS, upgrade.
WSC "close" has the closing handshakes. --storm-hold keeps each connection open for a while, so that
they add up: users times hold is nearly what is open at once.
"""

from __future__ import annotations

from typing import Any

import gevent
from locust import constant_throughput, events, task

from geventws.adapters.locust import WebSocketUser, install_fine_buckets

install_fine_buckets()


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_arguments(parser: Any) -> None:
    """Say what can be chosen."""
    add = parser.add_argument
    add("--storm-path", default="/echo", help="where the echo is [/echo]")
    add("--storm-messages", type=int, default=1, help="round trips on each connection [1]")
    add("--storm-hold", type=float, default=0.0, help="seconds to stay after them [0]")
    add("--storm-rate", type=float, default=0.0, help="visits a second, each user; 0: no pause [0]")


class Visitor(WebSocketUser):
    """Somebody who comes, says hello and goes, all the time."""

    host = "ws://127.0.0.1:9000"
    report_phases = True

    def wait_time(self) -> float:
        """Return how long to stay away."""
        rate = self.environment.parsed_options.storm_rate
        return constant_throughput(rate)(self) if rate else 0.0

    @task
    def visit(self) -> None:
        """Open a connection, use it and close it."""
        options = self.environment.parsed_options
        if not self.ws.connect(options.storm_path):
            gevent.sleep(1)  # who is down is not asked again at once
            return
        for _ in range(options.storm_messages):
            self.ws.request("hello", name="hello")
        gevent.sleep(options.storm_hold)
        self.ws.close()
