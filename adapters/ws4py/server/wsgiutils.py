"""The WSGI application as ws4py has it, for servers that let go of the socket (PEP 3333).

environ["ws4py.socket"] -> WebSocketWSGIApplication -> environ["ws4py.websocket"]

A server that wants to support it puts the socket into the environ, has the application answer 101,
writes that, leaves the socket alone and runs the websocket that it finds in the environ: by its
run(), or in a WebSocketManager. It takes both keys out of the environ then. The servers of this
package also say how they switch a connection over, so that nothing that was read is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, Unpack

from geventws.adapters.ws4py.driver import Driver
from geventws.adapters.ws4py.transports import transport_of
from geventws.adapters.ws4py.websocket import WebSocket
from geventws.core.deflate import Deflate
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Accepted, Request, Response, parse_response, refusal
from geventws.environ import Environ, is_secure, request_of, respond, upgrader_of
from geventws.upgrader import UpgradeArguments, Upgrader

__all__ = ["WebSocketWSGIApplication"]

SOCKET: Final = "ws4py.socket"
WEBSOCKET: Final = "ws4py.websocket"
SWITCH: Final = "geventws.ws4py"  # a Switch, where the server has one


_to_http = re.compile(rb"^(Origin:[ \t]*)ws(s?)://", re.IGNORECASE | re.MULTILINE).sub


class Switch:
    """How a server lets go of the connection of one request.

    Attributes:
        head: the head of the request as it came, or None where the server kept none.
    """

    head: bytes | None = None

    def __init__(self, sock: Any, start_response: Any) -> None:
        self._sock = sock
        self._start_response = start_response

    def open(self, upgrader: Upgrader, request: Request, accepted: Accepted) -> Driver:
        """Send the 101 and return the connection that begins with it."""
        _, _, headers = parse_response(accepted.response.removesuffix(b"\r\n\r\n"))
        self._start_response("101 Switching Protocols", headers.items())
        return upgrader.open(Driver, transport_of(self._sock), request, accepted, b"")

    def refuse(self, response: Response, start_response: Any) -> list[bytes]:
        """Answer with *response*."""
        return respond(response, start_response)


class WebSocketWSGIApplication:
    """A WSGI application that upgrades every request, and leaves a websocket for the server to run.

    What asks for no WebSocket is refused, by 426 and the like.

    Args:
        protocols: ours, the most wanted first; the first one that was offered is chosen.
        extensions: those to accept: None is permessage-deflate, an empty list is none.
        handler_cls: what make_websocket() makes: a subclass of WebSocket.
        **arguments: what ws4py had no argument for: origins, select_subprotocol, process_request
            and headers, see Upgrader. The options are those of *handler_cls*, see Options.
    """

    def __init__(
        self,
        protocols: Sequence[str] | None = None,
        extensions: Iterable[str | Deflate] | None = None,
        handler_cls: Any = WebSocket,
        **arguments: Unpack[UpgradeArguments],
    ) -> None:
        self.protocols = protocols
        self.extensions = extensions
        self.handler_cls = handler_cls
        self._arguments = arguments
        self._upgrader()  # a wrong argument had better fail now than each request

    def make_websocket(
        self, sock: Any, protocols: list[str], extensions: list[str], environ: Environ
    ) -> Any:
        """Return a websocket for what was agreed on, and leave it in *environ*. To be overridden.

        It gets a copy of *environ*, where an application may have put what it wants to find there.
        """
        websocket = self.handler_cls(sock, protocols, extensions, environ.copy())
        environ[WEBSOCKET] = websocket
        return websocket

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        """Answer one request.

        Raises:
            TypeError: the server has put no ws4py.socket into *environ*.
        """
        upgrader = self._upgrader()
        switch = environ.get(SWITCH) or Switch(environ.get(SOCKET), start_response)
        try:
            request = as_from_browser(request_of(environ, switch))
        except InvalidHandshake as error:
            return switch.refuse(refusal(error), start_response)
        answer = upgrader.answer(request, is_secure(environ))
        if isinstance(answer, Response):
            return switch.refuse(answer, start_response)
        if environ.get(SOCKET) is None:
            raise TypeError("environ: no ws4py.socket, so this server lets go of none")
        protocols, extensions = names_of(answer)
        made = self.make_websocket(environ[SOCKET], protocols, extensions, environ)
        websocket = environ.get(WEBSOCKET, made)  # an override may return none
        websocket.attach(switch.open(upgrader, request, answer))
        return []

    def _upgrader(self) -> Upgrader:
        arguments: Any = {**options_of_class(self.handler_cls), **self._arguments}
        return upgrader_of(self.protocols, self.extensions, arguments)


def as_from_browser(request: Request) -> Request:
    """Return *request* with the scheme that a browser's Origin has, and old ws4py's has not."""
    return Request(_to_http(rb"\1http\2://", request.head, 1), request.remote_address)


def names_of(accepted: Accepted) -> tuple[list[str], list[str]]:
    """Return the subprotocols and extensions that were agreed on, as ws4py lists them."""
    protocols = [] if accepted.subprotocol is None else [accepted.subprotocol]
    return protocols, [] if accepted.deflate is None else ["permessage-deflate"]


def options_of_class(handler_cls: Any) -> dict[str, Any]:
    """Return the options of a subclass of WebSocket by name, or the defaults."""
    options = getattr(handler_cls, "options", WebSocket.options)
    return {name: getattr(options, name) for name in type(options).__dataclass_fields__}
