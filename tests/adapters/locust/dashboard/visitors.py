"""A locustfile for the tests of the dashboard: visitors do a known amount, and then it is over."""

from __future__ import annotations

from typing import Any

import gevent
import locust.runners
from locust import between, constant, events, task
from locust.exception import StopUser

from geventws.adapters.locust import MeasuredWebSocket, WebSocketUser
from geventws.adapters.locust.dashboard.install import KEY
from geventws.adapters.locust.gauges import Report

USERS = 6
ROUNDS = 10
TEXT = "hello"

locust.runners.WORKER_REPORT_INTERVAL = 0.2


class Visitor(WebSocketUser):
    """Talks on one connection and closes it with a code of its own, and leaves another one open."""

    wait_time = constant(0)

    @task
    def visit(self) -> None:
        MeasuredWebSocket(self).connect()
        self.ws.connect()
        for _ in range(ROUNDS):
            self.ws.request(TEXT, "say")
        self.ws.ping()
        self.ws.close(4001)
        raise StopUser


class Regular(WebSocketUser):
    """Goes on and on, for a picture."""

    wait_time = between(0.01, 0.1)

    def on_start(self) -> None:
        self.ws.connect()

    @task(30)
    def talk(self) -> None:
        self.ws.request(TEXT * 20, "say")

    @task(3)
    def ping(self) -> None:
        self.ws.ping()

    @task
    def come_again(self) -> None:
        self.ws.close()
        self.ws.connect()


@events.init.add_listener  # type: ignore[untyped-decorator]
def quit_when_all_is_reported(environment: Any, **_: Any) -> None:
    """End a run without a web page as soon as the master knows of all ends."""
    closed: dict[str, int] = {}

    def look(client_id: str, data: dict[str, Any], **_: Any) -> None:
        closed[client_id] = Report.of(data[KEY]).totals.flows["closed"]
        if sum(closed.values()) == 2 * USERS:
            gevent.spawn(environment.runner.quit)

    if environment.web_ui is None:
        environment.events.worker_report.add_listener(look)
