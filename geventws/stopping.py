"""From signals to an end: a server that serves until it is told to stop.

SIGTERM, SIGINT -> drain() -> a second one -> stop(0)
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Final

import gevent

from geventws.ending import Ending
from geventws.options import seconds

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def serve_until_stopped(
    server: Ending,
    drain_timeout: float = 30.0,
    *,
    listening: Callable[[], object] | None = None,
) -> bool:
    """Serve until SIGTERM or SIGINT (Ctrl-C), drain, and return; True where one signal was enough.

    A second signal ends the drain: what is left is dropped at once. Takes *server* as it is,
    started or not, and returns too when somebody else stops or drains it. For the main thread.

    Args:
        server: from serve(), or a WSGIServer.
        drain_timeout: how long drain() may take. Whoever starts this process should wait longer
            than that before it kills.
        listening: called once *server* listens and signals are heeded.

    Raises:
        OSError: it cannot listen.
        TypeError: *drain_timeout* is no number.
    """
    seconds(drain_timeout, "drain_timeout", or_none="")
    told: list[object] = []

    def stop() -> None:
        told.append(stop)
        if len(told) == 1:
            server.drain(drain_timeout)
        else:
            server.stop(timeout=0)

    handlers = [gevent.signal_handler(number, stop) for number in SIGNALS]
    try:
        if not server.started:
            server.start()
        if listening is not None:
            listening()
        server.serve_forever()
    finally:
        for handler in handlers:
            handler.cancel()
    return len(told) < 2
