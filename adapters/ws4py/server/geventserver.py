"""gevent's WSGIServer as ws4py has it: websockets run in a pool of greenlets.

WSGIServer -> the application -> environ["ws4py.websocket"] -> GEventWebSocketPool.track
"""

from __future__ import annotations

import logging
from typing import Any, Final

from gevent import Greenlet
from gevent.pool import Pool

from geventws import pywsgi
from geventws.adapters.ws4py import format_addresses
from geventws.adapters.ws4py.driver import Driver
from geventws.adapters.ws4py.hub import GreenTransport
from geventws.adapters.ws4py.server.wsgiutils import SOCKET, SWITCH, WEBSOCKET, Switch
from geventws.adapters.ws4py.server.wsgiutils import (
    WebSocketWSGIApplication as WebSocketWSGIApplication,
)
from geventws.core.codes import GOING_AWAY
from geventws.core.handshake import Accepted, Request
from geventws.upgrader import Upgrader

__all__ = ["GEventWebSocketPool", "WSGIServer", "WebSocketWSGIHandler"]

logger = logging.getLogger("geventws")

SHUTTING_DOWN: Final = "Server is shutting down"


class GEventWebSocketPool(Pool):
    """The greenlets that run a server's websockets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._websockets: dict[Greenlet[Any, Any], Any] = {}

    def track(self, websocket: Any) -> Greenlet[Any, Any]:
        """Run *websocket* in a greenlet, which is returned."""
        logger.info("Managing websocket %s", format_addresses(websocket))
        greenlet = self.spawn(websocket.run)
        self._websockets[greenlet] = websocket
        greenlet.rawlink(self._websockets.pop)
        return greenlet

    def clear(self) -> None:
        """Have every websocket close() with 1001; waits for none of them."""
        logger.info("Closing all websockets")
        for websocket in list(self._websockets.values()):
            try:
                websocket.close(GOING_AWAY, SHUTTING_DOWN)
            except Exception:  # an override's: the others are to be closed all the same
                logger.exception("%r: close() failed", websocket)


class _Switch(Switch):
    """How this server lets go of a connection: nothing that was read of it is lost."""

    def __init__(self, upgradable: Any) -> None:
        self.head = upgradable.head
        self._upgradable = upgradable

    def open(self, upgrader: Upgrader, request: Request, accepted: Accepted) -> Driver:
        """Send the 101 and return the connection that begins with it."""
        rest = self._upgradable.begin(accepted.response, None)
        transport = GreenTransport(self._upgradable.socket)
        driver = upgrader.open(Driver, transport, request, accepted, rest)
        self._upgradable.opened(driver)
        return driver


class WebSocketWSGIHandler(pywsgi.WebSocketWSGIHandler):
    """Serves requests; one that becomes a websocket lasts until that is over."""

    server: WSGIServer
    environ: Any

    def run_application(self) -> None:
        """Run the application, then the websocket that it leaves."""
        self.environ[SOCKET] = self.socket
        if self._input is not None:
            self.environ[SWITCH] = _Switch(self._input)
            self.application = _Running(self.application, self.server.pool)
        super().run_application()


class _Running:
    """A WSGI application, and after it the websocket that it left in the environ."""

    def __init__(self, application: Any, pool: GEventWebSocketPool) -> None:
        self._application = application
        self._pool = pool

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        result = self._application(environ, start_response)
        environ.pop(SOCKET, None)
        environ.pop(SWITCH, None)
        websocket = environ.pop(WEBSOCKET, None)
        if websocket is not None:
            self._see_out(self._pool.track(websocket))
        return result

    def _see_out(self, greenlet: Greenlet[Any, Any]) -> None:
        try:
            greenlet.join()
        except BaseException:  # this one is killed, and nobody else knows of the other
            greenlet.kill(block=False)
            raise


class WSGIServer(pywsgi.WSGIServer):
    """geventws.WSGIServer, which takes the same arguments, for ws4py's applications.

    Attributes:
        pool: the GEventWebSocketPool that runs the websockets.
    """

    handler_class = WebSocketWSGIHandler
    pool: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pool = GEventWebSocketPool()

    def stop(self, *args: Any, **kwargs: Any) -> None:
        """Stop accepting, and close every websocket with 1001; nothing is left after that.

        What has not ended in time is dropped and killed. See geventws.WSGIServer.
        """
        self.pool.clear()
        super().stop(*args, **kwargs)
