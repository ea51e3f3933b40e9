"""Reconnect: what happens when the server restarts and everybody wants back at once.

    python -m loadtests.load reconnect --users 500 --restart 5    restarts its server every 5 s

or by hand, with a server that you stop and start while this runs:

    geventws serve --chat
    locust -f loadtests/locustfiles/reconnect.py --users 500 --spawn-rate 100

Row WSM "time to reconnect" is from the end of a connection until the next one is open; WS
"reconnect" has each attempt, of which those that nobody answered are failures. WSX "back" is the
first round trip afterwards. WSC tells how connections ended: 1001 and 1012 are no failures.

Between the end and the first attempt a user waits at random up to --reconnect-jitter seconds, and
twice as long with every attempt that fails, up to --reconnect-longest. With a jitter of 0 all come
in the same moment; so you see what it is good for.
"""

from __future__ import annotations

import random
from typing import Any

import gevent
from locust import events, task

from geventws.adapters.locust import WebSocketUser, install_fine_buckets

install_fine_buckets()

GONE = {1000, 1001, 1005, 1012}
MOMENT = 1.0  # seconds; Locust waits no longer than --stop-timeout for a task to end


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_arguments(parser: Any) -> None:
    """Say what can be chosen."""
    add = parser.add_argument
    add("--reconnect-path", default="/echo", help="where the echo is [/echo]")
    add("--reconnect-jitter", type=float, default=1.0, help="seconds of the first wait [1]")
    add("--reconnect-longest", type=float, default=10.0, help="seconds of any wait, at most [10]")


class Regular(WebSocketUser):
    """Somebody who stays as long as possible, and comes back when the server does."""

    host = "ws://127.0.0.1:9000"
    expected_close_codes = GONE

    def on_start(self) -> None:
        """Connect."""
        self.ws.connect(self.environment.parsed_options.reconnect_path)

    @task
    def stay(self) -> None:
        """Be there for a moment, or until the connection ends; then come back."""
        with gevent.Timeout(MOMENT, False):  # type: ignore[arg-type]
            for _ in self.ws.listen():
                pass  # it is counted
        if self.ws.is_open:
            return
        with self.ws.measure("time to reconnect"):
            self.come_back()
        self.ws.request("back", name="back")

    def come_back(self) -> None:
        """Try until the server is there again."""
        options = self.environment.parsed_options
        window = options.reconnect_jitter
        gevent.sleep(random.uniform(0, window))
        while not self.ws.connect(options.reconnect_path, name="reconnect"):
            window = min(max(window, 0.1) * 2, options.reconnect_longest)
            gevent.sleep(random.uniform(0, window))
