"""Mixed: people who load pages over HTTP and talk over a WebSocket, as a web site's do.

    geventws serve --chat
    locust -f loadtests/locustfiles/mixed.py --users 100 --spawn-rate 20

The GET rows are Locust's own FastHttpUser, the others as in echo.py; both are one user and one
statistic. --host is that of the pages; the WebSocket is at the same place.
"""

from __future__ import annotations

import random
from typing import Any

from locust import FastHttpUser, events, task

from geventws.adapters.locust import WebSocketUser, install_fine_buckets

install_fine_buckets()


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_arguments(parser: Any) -> None:
    """Say what can be chosen."""
    add = parser.add_argument
    add("--mixed-path", default="/echo", help="where the echo is [/echo]")
    add("--mixed-pages", default="/,/chat.js,/chat.css", help="what to GET, with commas")
    add("--mixed-http", type=float, default=0.2, help="how many of the actions are GETs [0.2]")
    add("--mixed-pause", type=float, default=0.1, help="seconds between actions, on average [0.1]")


class Reader(WebSocketUser, FastHttpUser):
    """Somebody with a browser: pages, and a WebSocket beside them."""

    host = "http://127.0.0.1:9000"

    def on_start(self) -> None:
        """Load the first page, which then opens its WebSocket."""
        self.load(self.pages()[0])
        self.ws.connect(self.environment.parsed_options.mixed_path)

    def pages(self) -> list[str]:
        """Return what can be loaded."""
        return str(self.environment.parsed_options.mixed_pages).split(",")

    def load(self, page: str) -> None:
        """Load one page."""
        self.client.get(page)

    def wait_time(self) -> float:
        """Return how long to do nothing."""
        return random.uniform(0, 2 * self.environment.parsed_options.mixed_pause)

    @task
    def act(self) -> None:
        """Load something, or say something."""
        options = self.environment.parsed_options
        if random.random() < options.mixed_http:
            self.load(random.choice(self.pages()))
        elif self.ws.is_open or self.ws.connect(options.mixed_path):
            self.ws.request("hello", name="hello")
