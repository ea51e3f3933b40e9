"""The server's side of the opening handshake, whichever way a request comes in (RFC 6455 4.2).

Request -> process_request, check_request, check_origin, negotiate -> Accepted | Response
Accepted -> WebSocket -> the handler -> finish
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeAlias, TypeVar, Unpack

from geventws.core.codes import INTERNAL_ERROR, NORMAL_CLOSURE, Side
from geventws.core.errors import ConnectionClosed, InvalidHandshake
from geventws.core.handshake import (
    HANDSHAKE,
    Accepted,
    Origins,
    Request,
    Response,
    SelectSubprotocol,
    check_origin,
    check_request,
    negotiate,
    refusal,
    user_subprotocols,
)
from geventws.core.headers import HeaderItems, Headers, user_headers
from geventws.options import OptionArguments, options_of
from geventws.websocket import WebSocket, establish

logger = logging.getLogger("geventws")

Handler: TypeAlias = "Callable[[WebSocket], object] | type[WebSocket]"
ProcessRequest: TypeAlias = Callable[[Request], Response | None]
ResponseHeaders: TypeAlias = "HeaderItems | Callable[[Request], HeaderItems]"
W = TypeVar("W", bound=WebSocket)

_SAMPLE: Final = Request(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")


class AcceptArguments(OptionArguments, total=False):
    """The keyword arguments of upgrade(): see Upgrader."""

    subprotocols: Sequence[str]
    select_subprotocol: SelectSubprotocol | None
    origins: Origins
    headers: ResponseHeaders


class UpgradeArguments(AcceptArguments, total=False):
    """The keyword arguments that serve() and WebSocketWSGIApplication share: see Upgrader."""

    process_request: ProcessRequest | None


class Upgrader:
    """What a server answers to opening handshakes; the same for all of its connections.

    Args:
        subprotocols: ours, the most wanted first; the first one that was offered is chosen.
        select_subprotocol: chooses instead, given what was offered, which may be nothing.
        origins: whose pages may connect: exact origins, patterns for the whole of one, "*" for any,
            or a callable taking Origin (or None) and the Request; None is the same host and port.
        process_request: called with each Request first; a Response answers it, None goes on.
        headers: more headers for the 101: a mapping, pairs, or a callable of the Request.
        **options: see Options.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    __slots__ = (
        "_headers",
        "_origins",
        "_process_request",
        "_select_subprotocol",
        "_subprotocols",
        "options",
    )

    def __init__(
        self,
        *,
        subprotocols: Sequence[str] = (),
        select_subprotocol: SelectSubprotocol | None = None,
        origins: Origins = None,
        process_request: ProcessRequest | None = None,
        headers: ResponseHeaders = (),
        **options: Unpack[OptionArguments],
    ) -> None:
        _check_function("select_subprotocol", select_subprotocol)
        _check_function("process_request", process_request)
        _check_origins(origins)
        self.options = options_of(options)
        self._subprotocols = user_subprotocols(subprotocols)
        self._select_subprotocol = select_subprotocol
        self._origins = origins
        self._process_request = process_request
        self._headers = headers if callable(headers) else user_headers(headers, HANDSHAKE)
        if isinstance(self._headers, Headers):  # a wrong one had better fail now than each request
            negotiate(_SAMPLE, compression=None, headers=self._headers)

    def answer(self, request: Request, secure: bool | None) -> Accepted | Response:
        """Return what to answer *request*, whatever it or the application's functions do wrong.

        Args:
            request: what came.
            secure: whether the client sees TLS; None where nobody can be trusted to say.
        """
        try:
            response = None if self._process_request is None else self._process_request(request)
            if response is None:
                return self.accept(request, secure)
            response.to_bytes()  # where it cannot be sent, that must be known here
            return response
        except InvalidHandshake as error:
            return refusal(error)
        except Exception:
            logger.exception("%s: an opening handshake failed", request.remote_address)
            return Response(500, body="internal server error\n")

    def accept(self, request: Request, secure: bool | None) -> Accepted:
        """Return what is agreed on with *request*; process_request is not asked.

        Raises:
            InvalidHandshake: *request* opens no WebSocket, or its origin is not allowed.
            ValueError: the application selected or answered something that cannot be sent.
        """
        check_request(request)
        check_origin(request, self._origins, secure)
        return negotiate(
            request,
            subprotocols=self._subprotocols,
            select_subprotocol=self._select_subprotocol,
            compression=self.options.compression,
            headers=self._headers(request) if callable(self._headers) else self._headers,
        )

    def open(
        self, make: type[W], transport: Any, request: Request, accepted: Accepted, rest: bytes
    ) -> W:
        """Return the connection that begins with the 101 just sent, and with *rest* received."""
        return establish(make, transport, self.options, Side.SERVER, accepted, rest, request)


def _check_function(name: str, given: object) -> None:
    if given is not None and not callable(given):
        raise TypeError(f"{name}: a callable or None")


def _check_origins(given: object) -> None:
    if given is None or callable(given):
        return
    listed = given if isinstance(given, Collection) else [given]
    if not all(isinstance(entry, str | re.Pattern) for entry in listed):
        raise TypeError("origins: a str or pattern, a collection of them, a callable or None")


def is_callback_style(handler: object) -> bool:
    """Return whether *handler* is a subclass of WebSocket, and not a function that is given one.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(handler, type) and issubclass(handler, WebSocket):
        return True
    if not callable(handler):
        raise TypeError("handler: a callable or a subclass of WebSocket")
    return False


def finish(connection: WebSocket, error: BaseException | None = None) -> None:
    """Close *connection* after its handler has returned, or has raised *error*.

    An error is logged with its traceback and both addresses; of it the peer hears no more than
    1011. ConnectionClosed is none: most handlers end that way.
    """
    code, reason = NORMAL_CLOSURE, ""
    if error is not None and not isinstance(error, ConnectionClosed):
        logger.error("%r: the handler failed", connection, exc_info=error)
        code, reason = INTERNAL_ERROR, "the application failed"
    try:
        connection.close(code, reason)
    except BaseException:  # killed while it waited
        connection.drop()
        raise
