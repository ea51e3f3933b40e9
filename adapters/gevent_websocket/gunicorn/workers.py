"""The worker of gunicorn's whose applications find environ["wsgi.websocket"].

gunicorn -k geventws.adapters.gevent_websocket.gunicorn.workers.GeventWebSocketWorker
"""

from __future__ import annotations

from typing import Any

from geventws.adapters import gunicorn
from geventws.adapters.gevent_websocket.handler import WebSocketHandler
from geventws.upgrader import AcceptArguments


class WebSocketServer(gunicorn.WSGIServer):
    """The server of a worker, with what WebSocketHandler looks for."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What upgrade() takes, of the worker's arguments."""
        ours, given = AcceptArguments.__optional_keys__, self.worker.arguments
        return {name: given[name] for name in given if name in ours}


class GunicornHandler(WebSocketHandler, gunicorn.WebSocketHandler):
    """WebSocketHandler, whose requests are counted and logged by gunicorn."""

    log_request = gunicorn.WebSocketHandler.log_request


class GeventWebSocketWorker(gunicorn.GeventWebSocketWorker):
    """The worker of geventws.adapters.gunicorn, for gevent-websocket's applications."""

    server_class = WebSocketServer
    wsgi_handler = GunicornHandler
