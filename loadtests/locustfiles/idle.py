"""Idle: ten thousand connections that are open and, but for a ping now and then, silent.

    ulimit -n 20000          in every terminal: one open file for each connection, and some more
    geventws serve --chat
    locust -f loadtests/locustfiles/idle.py --users 10000 --spawn-rate 100 --processes 4

Rows: WS "connect" the openings, WSP "ping" whether the server is still awake, WSC "close" how
connections ended, WSR what the server said by itself.

Three limits are met before the server's own. Open files, on both sides: a user without one fails
with "cannot connect: EMFILE". The server's max_connections: min(10,000, its open files - 64) unless
it says otherwise, and more are refused with 503. Ports: one address has about 28,000 to connect
from (net.ipv4.ip_local_port_range), after which it is "cannot connect: EADDRNOTAVAIL"; give
--idle-sources 127.0.0.2,127.0.0.3 or addresses of your network card, and users take turns.
"""

from __future__ import annotations

import logging
import random
import resource
from itertools import count
from typing import Any

from locust import events, task

from geventws.adapters.locust import WebSocketUser, install_fine_buckets

install_fine_buckets()

SPARE = 64  # open files that are no connections
PATIENCE = 60.0  # seconds between two looks where nobody pings
numbers = count()


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_arguments(parser: Any) -> None:
    """Say what can be chosen."""
    add = parser.add_argument
    add("--idle-path", default="/echo", help="what to connect to [/echo]")
    add("--idle-ping", type=float, default=30.0, help="seconds between two pings; 0: none [30]")
    add("--idle-sources", default="", help="local IP addresses to connect from, with commas")


@events.init.add_listener  # type: ignore[untyped-decorator]
def allow_many_files(environment: Any, **_: Any) -> None:
    """Take as many open files as the system grants, and say where they cannot be enough."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    options = environment.parsed_options
    users: int = getattr(options, "num_users", None) or 0
    shared = getattr(options, "master", False) or getattr(options, "processes", None)
    if users > hard - SPARE and not shared:
        logging.warning("%d users, but open files are limited to %d: ulimit -n", users, hard)


class Sleeper(WebSocketUser):
    """Somebody who is connected, and that is all."""

    host = "ws://127.0.0.1:9000"
    unread_limit = 0
    ws_options = {"ping_interval": None}  # noqa: RUF012  # what keeps it up is the server's affair

    def on_start(self) -> None:
        """Connect."""
        self.connect()

    def connect(self) -> None:
        """Connect, from the next of the source addresses where there are some."""
        options = self.environment.parsed_options
        sources = [each.strip() for each in options.idle_sources.split(",") if each.strip()]
        source = (sources[next(numbers) % len(sources)], 0) if sources else None
        self.ws.connect(options.idle_path, source_address=source)

    def wait_time(self) -> float:
        """Return how long to sleep: no two users wake up at the same moment."""
        seconds = self.environment.parsed_options.idle_ping or PATIENCE
        return seconds * random.uniform(0.5, 1.5)

    @task
    def wake_up(self) -> None:
        """Look whether the connection is still there; if it is not, have another one."""
        if not self.ws.is_open:
            self.connect()
        elif self.environment.parsed_options.idle_ping:
            self.ws.ping()
