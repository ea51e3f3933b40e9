"""gevent-websocket's server, which is geventws.WSGIServer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from geventws import pywsgi
from geventws.adapters.gevent_websocket.handler import Client, WebSocketHandler
from geventws.upgrader import AcceptArguments

_FORMAT = "%(levelname)s in %(module)s [%(pathname)s:%(lineno)d]:\n%(message)s"


class WebSocketServer(pywsgi.WSGIServer):
    """geventws.WSGIServer, which takes the same arguments, for gevent-websocket's applications.

    Args:
        debug: whether its logger writes everything to standard error.
        pre_start_hook: called with the handler of each request first; where it returns true, the
            application is called without a WebSocket.

    Attributes:
        clients: a Client for each WebSocket whose application runs, by the address of its socket.
        logger: where it logs to.
        arguments: what upgrade() takes, of those that were given.
    """

    handler_class = WebSocketHandler

    def __init__(
        self,
        *args: Any,
        debug: bool = False,
        pre_start_hook: Callable[[WebSocketHandler], object] | None = None,
        **kwargs: Any,
    ) -> None:
        ours = AcceptArguments.__optional_keys__
        self.arguments = {name: kwargs[name] for name in kwargs if name in ours}
        self.clients: dict[Any, Client] = {}
        self.debug = debug
        self.pre_start_hook = pre_start_hook
        self.logger = _debugging() if debug else logging.getLogger("geventws")
        super().__init__(*args, **kwargs)


def _debugging() -> logging.Logger:
    """Return a logger that writes everything to standard error."""
    logger = logging.getLogger("geventws.debug")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    return logger
