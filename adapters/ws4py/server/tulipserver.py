"""The asyncio server as ws4py has it: loop.create_server(lambda: WebSocketProtocol(handler_cls)).

transport -> WebSocketProtocol -> the opening handshake -> handler_cls.run()
"""

from __future__ import annotations

import asyncio
from typing import Any

from geventws.adapters import asyncio as door
from geventws.adapters.ws4py.server.wsgiutils import options_of_class
from geventws.awaiting import AsyncWebSocket

__all__ = ["WebSocketProtocol"]


class WebSocketProtocol(asyncio.Protocol):
    """One connection of an asyncio server: its opening handshake, and its websocket, *ws*.

    Args:
        handler_cls: a subclass of async_websocket.WebSocket.
        **arguments: subprotocols, origins and what else geventws.adapters.asyncio.serve() takes.
            The options are those of *handler_cls*.
    """

    def __init__(self, handler_cls: Any, **arguments: Any) -> None:
        self.ws = handler_cls(self)
        options = options_of_class(handler_cls)
        options["ping_interval"] = self.ws.heartbeat_freq or None
        self._wire = door.WebSocketProtocol(self._run, **{**options, **arguments})()

    def connection_made(self, transport: Any) -> None:
        """Begin the opening handshake on *transport*."""
        transport.set_protocol(self._wire)
        self._wire.connection_made(transport)

    def close(self) -> None:
        """Have the websocket close()."""
        self.ws.close()

    def timeout(self) -> None:
        """Drop the connection; closed() is called with 1006."""
        self.ws.close_connection()

    async def _run(self, connection: AsyncWebSocket) -> None:
        ws = self.ws
        assert connection.request is not None
        ws.headers = connection.request.headers
        ws.protocols = [] if connection.subprotocol is None else [connection.subprotocol]
        ws.extensions = list(connection.extensions)
        ws.carry(connection)
        await ws.run()
