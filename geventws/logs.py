"""Which connection a line of the log is about.

A connection has a number: the first that is asked for is 1, and so on in this process. Nothing is
kept for connections whose number nobody asks for.
"""

from __future__ import annotations

import logging
from itertools import count
from weakref import WeakKeyDictionary

from geventws.websocket import WebSocket

_numbers: WeakKeyDictionary[WebSocket, int] = WeakKeyDictionary()
_next = count(1)


def connection_id(connection: WebSocket) -> int:
    """Return the number of *connection*, the same at every call."""
    number = _numbers.get(connection)
    if number is None:
        number = _numbers.setdefault(connection, next(_next))
    return number


class ConnectionIds(logging.Filter):
    """Gives every record an attribute *connection*: the number of what it is about, or "-".

    Add it to a handler, and write %(connection)s in its format. What a record is about is the first
    WebSocket among its arguments.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Set *connection*; every record passes."""
        if not hasattr(record, "connection"):
            arguments = record.args if isinstance(record.args, tuple) else ()
            found = (each for each in arguments if isinstance(each, WebSocket))
            connection = next(found, None)
            record.connection = "-" if connection is None else connection_id(connection)
        return True
