"""Werkzeug's development server, which the flask command runs, as one that can upgrade."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import suppress
from typing import Any

import gevent
from flask import Response
from zope.interface import classImplements

from geventws.core.codes import INTERNAL_ERROR
from geventws.interfaces import IUpgradable
from geventws.transport import SOCKET


class WerkzeugRequest:
    """A request on Werkzeug's development server, which has a thread for each, as an IUpgradable.

    The thread has a hub of its own, which runs while the view waits, and ends with the request.
    """

    head: bytes | None = None
    limits: Any = None

    def __init__(self, environ: dict[str, Any]) -> None:
        self.socket: Any = environ["werkzeug.socket"]
        self._theirs = self.socket
        self._reader = environ["wsgi.input"]
        self._connection: Any = None
        if isinstance(self.socket, ssl.SSLSocket):
            raise TypeError("environ: Werkzeug's server does not let go of TLS connections")

    def begin(self, response: bytes, start_response: object) -> bytes:
        """Send *response* and return what was read past the request. See IUpgradable."""
        self._theirs.sendall(response)
        self._theirs.settimeout(0.0)
        rest = b""
        with suppress(OSError):  # nothing is here
            rest = self._reader.read1() or b""
        self.socket = SOCKET(fileno=os.dup(self._theirs.fileno()))
        return rest

    def opened(self, connection: Any) -> None:
        """See to it that no response follows *connection*. See IUpgradable."""
        self._connection = connection
        connection.follow(self._break_pipe)

    def leave(self, response: Response) -> Response:
        """Do what end() does, and return *response*."""
        self.end()
        return response

    def end(self) -> None:
        """End what the view left open, and free the hub of the thread. Twice is no error."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop(INTERNAL_ERROR, "the view left it open")
            hub = gevent.get_hub()
            if not hub.loop.default:  # that one is the main thread's, which goes on
                hub.destroy(destroy_loop=True)

    def _break_pipe(self, _: object) -> None:
        with suppress(OSError):  # the peer was faster
            self._theirs.shutdown(socket.SHUT_RDWR)


classImplements(WerkzeugRequest, IUpgradable)
