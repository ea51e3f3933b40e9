"""What goes on around a handler: it is given a connection, and closed up after."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from geventws.upgrader import finish
from geventws.websocket import WebSocket


def run_handler(handler: Callable[[WebSocket], object], connection: WebSocket) -> None:
    """Have *handler* use *connection*, and close that with 1000, or with 1011 where it fails.

    Where the greenlet is killed, the connection is dropped; the peer hears 1001 if that goes
    without waiting.
    """
    try:
        handler(connection)
    except (Exception, gevent.Timeout) as error:
        finish(connection, error)
    except BaseException:
        connection.drop()
        raise
    else:
        finish(connection)
