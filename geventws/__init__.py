"""WebSockets for the gevent world.

How the house is built, from the ground up:

- core/ is the protocol, bytes in and bytes out; it knows neither sockets nor greenlets nor clocks.
- connection.py drives a core over an ITransport: who reads, who writes, who is told.
  callbacks.py and websocket.py give that its two faces.
- transport.py is gevent's socket as an ITransport; workers.py and care.py serve the hub.
- client.py, wsgi.py and server.py are the ways in; manager.py groups what came in, and over a
  broker what came in to other processes.
- adapters/ holds the doors to other frameworks, imported as geventws.adapters.*.

Imports point from later to earlier in that list, never back. The names below are the public ones;
each is imported when it is first used, so that a door without gevent stays without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geventws.broker import MemoryBroker as MemoryBroker
    from geventws.broker import Position as Position
    from geventws.broker import Publication as Publication
    from geventws.client import connect as connect
    from geventws.core.deflate import Deflate as Deflate
    from geventws.core.errors import ConcurrencyError as ConcurrencyError
    from geventws.core.errors import ConnectionClosed as ConnectionClosed
    from geventws.core.errors import HandshakeError as HandshakeError
    from geventws.core.errors import InvalidHandshake as InvalidHandshake
    from geventws.core.errors import InvalidText as InvalidText
    from geventws.core.errors import InvalidURI as InvalidURI
    from geventws.core.errors import MessageTooBig as MessageTooBig
    from geventws.core.errors import ProtocolError as ProtocolError
    from geventws.core.errors import Rejected as Rejected
    from geventws.core.errors import WebSocketError as WebSocketError
    from geventws.core.handshake import Request as Request
    from geventws.core.handshake import Response as Response
    from geventws.limits import Limits as Limits
    from geventws.manager import Manager as Manager
    from geventws.options import Options as Options
    from geventws.pywsgi import WSGIServer as WSGIServer
    from geventws.reconnecting import reconnect as reconnect
    from geventws.server import WebSocketServer as WebSocketServer
    from geventws.server import serve as serve
    from geventws.twins import compiled as compiled
    from geventws.version import __version__ as __version__
    from geventws.websocket import EchoWebSocket as EchoWebSocket
    from geventws.websocket import Stats as Stats
    from geventws.websocket import WebSocket as WebSocket
    from geventws.wsgi import WebSocketWSGIApplication as WebSocketWSGIApplication
    from geventws.wsgi import upgrade as upgrade

_ERRORS = (
    "ConcurrencyError ConnectionClosed HandshakeError InvalidHandshake InvalidText InvalidURI "
    "MessageTooBig ProtocolError Rejected WebSocketError"
)
_HOME = {
    "geventws.broker": "MemoryBroker Position Publication",
    "geventws.client": "connect",
    "geventws.core.deflate": "Deflate",
    "geventws.core.errors": _ERRORS,
    "geventws.core.handshake": "Request Response",
    "geventws.limits": "Limits",
    "geventws.manager": "Manager",
    "geventws.options": "Options",
    "geventws.pywsgi": "WSGIServer",
    "geventws.reconnecting": "reconnect",
    "geventws.server": "WebSocketServer serve",
    "geventws.twins": "compiled",
    "geventws.version": "__version__",
    "geventws.websocket": "EchoWebSocket Stats WebSocket",
    "geventws.wsgi": "WebSocketWSGIApplication upgrade",
}
_MODULES = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = sorted(_MODULES)


if not TYPE_CHECKING:  # to whom every name would be right

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module 'geventws' has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
