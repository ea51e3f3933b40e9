"""Finish: a headless master that waits for the last figures of its workers.

    locust -f loadtests/locustfiles/idle.py,loadtests/locustfiles/finish.py --headless --master ...

At the end of a run Locust's master gives its workers half a second to report. Where users take
longer to stop, with many of them or with --stop-timeout, what they did last is missing in the
totals. With this, the master waits until every worker has ended, or for --stop-timeout and a minute
more.
"""

from __future__ import annotations

import logging
from typing import Any

import gevent
from locust import events
from locust.rpc import Message
from locust.runners import MasterRunner

GRACE = 60.0  # seconds


@events.init.add_listener  # type: ignore[untyped-decorator]
def prepare(environment: Any, runner: Any, **_: Any) -> None:
    """Have a master of a headless run wait at its end."""
    if isinstance(runner, MasterRunner) and environment.parsed_options.headless:
        environment.events.test_stop.add_listener(lambda **_: wait_for_workers(runner))


def wait_for_workers(runner: Any) -> None:
    """Tell all workers to end, and wait until they have; that each tells after its last report."""
    for worker in list(runner.clients.all):
        message = Message("quit", None, worker.id)  # type: ignore[no-untyped-call]
        runner.server.send_to_client(message)
    with gevent.Timeout(runner.environment.stop_timeout + GRACE, False):  # type: ignore[arg-type]
        while runner.clients.all:
            gevent.sleep(0.05)
    if runner.clients.all:
        left = len(runner.clients.all)
        logging.error("%d workers have not ended; the totals lack their last figures", left)
