"""picows, through its double of websockets: its own interface leaves compression to others."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

import picows.websockets.asyncio.client
import picows.websockets.asyncio.server
import picows.websockets.exceptions
from multidict import CIMultiDict
from picows.websockets.compat import Response

from geventws.core.deflate import Deflate
from tests.interop.peers.websockets import Websockets, WebsocketsServer, choose
from tests.interop.scenes import MAX_SIZE, REFUSAL


def method(compression: Deflate | None) -> str | None:
    """Return what picows is told of *compression*: it can be asked for no parameters."""
    return None if compression is None else "deflate"


def refuse(request: Any) -> Response | None:
    """Return what picows answers to a request for /refuse."""
    status, name, value, body = REFUSAL
    if request.path != "/refuse":
        return None
    return Response(status, HTTPStatus(status).phrase, CIMultiDict({name: value}), body)


class Picows(Websockets):
    """picows' client."""

    name = "picows"
    package = "picows"
    asks = ()
    exceptions = picows.websockets.exceptions

    async def _connect(self) -> Any:
        return await picows.websockets.asyncio.client.connect(
            self.uri,
            ssl=self.context,
            compression=method(self.compression),
            subprotocols=self.offers or None,
            max_size=MAX_SIZE,
            proxy=None,
        )


class PicowsServer(WebsocketsServer):
    """picows' server."""

    name = "picows"
    package = "picows"
    asks = ()
    fails: ClassVar = {"server_no_context_takeover": "accepts the offer without an answer to it"}
    closed_badly = picows.websockets.exceptions.ConnectionClosedError

    def _listen(self) -> Any:
        return picows.websockets.asyncio.server.serve(
            self._handle,
            "127.0.0.1",
            0,
            ssl=self.context,
            compression=method(self.compression),
            select_subprotocol=choose,
            process_request=lambda connection, request: refuse(request),
            max_size=MAX_SIZE,
        )
