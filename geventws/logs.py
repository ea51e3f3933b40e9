"""Which connection a line of the log is about."""

from __future__ import annotations

import logging

from geventws.ids import connection_id as connection_id
from geventws.websocket import WebSocket


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
