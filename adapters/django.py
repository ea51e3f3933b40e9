"""Django: views that are WebSockets.

request -> middleware -> ALLOWED_HOSTS, trusted origins -> Upgrader -> 101 -> the view(connection)

Django gives a view its database connections for as long as the request lasts, which for a WebSocket
may be days. Here they are returned whenever the view waits for a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any, Unpack, overload
from urllib.parse import urlsplit
from wsgiref.util import is_hop_by_hop

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.http import is_same_domain

from geventws.core.codes import NORMAL_CLOSURE, POLICY_VIOLATION
from geventws.core.errors import ConnectionClosed, InvalidHandshake
from geventws.core.handshake import refusal
from geventws.environ import respond
from geventws.upgrader import AcceptArguments, Upgrader
from geventws.websocket import WebSocket
from geventws.wsgi import open_websocket

View = Callable[..., Any]


class DjangoWebSocket(WebSocket):
    """A connection that a Django view serves.

    Whenever the view waits in receive(), for the next message of an iteration, or in close(), the
    database connections of its greenlet are closed, which returns them to a pool where there is
    one; those in a transaction stay. Django opens them again when the view next needs them. So that
    each greenlet has connections of its own, the standard library must be patched by gevent.
    """

    __slots__ = ()

    def receive(self, timeout: float | None = None) -> str | bytes:
        """Wait for the next message, without database connections, and return it."""
        _release_connections()
        return super().receive(timeout)

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection, and wait for the peer's answer without database connections."""
        _release_connections()
        super().close(code, reason)


def _release_connections() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


@overload
def websocket_view(view: View, /, **options: Unpack[AcceptArguments]) -> View: ...
@overload
def websocket_view(**options: Unpack[AcceptArguments]) -> Callable[[View], View]: ...
def websocket_view(view: View | None = None, /, **options: Unpack[AcceptArguments]) -> Any:
    """Return a Django view that upgrades its requests and has *view* serve the connections.

    *view* is called with the request, the connection and what the URL has of variables. By then
    middleware has run, so that session and user are there; a session that is stored on the server
    is saved when the connection is over. When *view* returns the connection is closed with 1000;
    when it raises, with 1011, and Django handles the error; with PermissionDenied or Http404, with
    1008. ConnectionClosed ends it quietly. It never runs in the transaction of ATOMIC_REQUESTS.

    A Host that ALLOWED_HOSTS does not have is answered 400. An Origin must be that of the request,
    scheme included, or one of CSRF_TRUSTED_ORIGINS, as for Django's forms; others are answered 403,
    and requests that ask for no WebSocket 426.

    Args:
        view: what serves a connection; without it a decorator is returned.
        **options: subprotocols, select_subprotocol and headers, see Upgrader; origins, which then
            replaces the rule above; the others, as max_size or ping_interval, see Options.

    Raises:
        TypeError, ValueError: an option is wrong.
    """
    if view is None:
        return partial(websocket_view, **options)
    checks_origin = options.get("origins") is None
    if checks_origin:
        options["origins"] = "*"
    upgrader = Upgrader(**options)

    @wraps(view)
    def serve(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        request.get_host()  # raises what Django answers 400
        try:
            if checks_origin and not _is_trusted(request):
                raise InvalidHandshake("origin is not trusted (RFC 6455 10.2)", 403)
            ws = open_websocket(request.META, None, DjangoWebSocket, upgrader, True)
        except InvalidHandshake as error:
            return _refused(request, error)
        except ConnectionClosed:  # the peer is gone, and nobody left to answer
            return HttpResponse(status=400)
        _call(partial(view, request, ws, *args, **kwargs), ws)
        return HttpResponse(status=101)  # for the log alone

    for alias in connections:
        serve = transaction.non_atomic_requests(using=alias)(serve)
    return serve


def websocket_path(
    route: str,
    view: View,
    kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
    **options: Unpack[AcceptArguments],
) -> URLPattern:
    """Return an entry of urlpatterns: path() for websocket_view(*view*, **options).

    Raises:
        TypeError, ValueError: an option is wrong.
    """
    served = websocket_view(view, **options)
    entry: URLPattern = path(route, served, dict(kwargs or {}), name)
    return entry


def _call(view: Callable[[], Any], ws: WebSocket) -> None:
    try:
        with ws:
            try:
                view()
            except (PermissionDenied, Http404) as error:
                ws.close(POLICY_VIOLATION, type(error).__name__)
    except ConnectionClosed:
        return


def _is_trusted(request: HttpRequest) -> bool:
    """Return whether the page that the request comes from may, as Django has it for forms."""
    origin = request.META.get("HTTP_ORIGIN")
    scheme = "https" if request.is_secure() else "http"
    if origin is None or origin == f"{scheme}://{request.get_host()}":
        return True
    return any(_matches(origin, trusted) for trusted in settings.CSRF_TRUSTED_ORIGINS)


def _matches(origin: str, trusted: str) -> bool:
    scheme, _, host = trusted.partition("://")
    if not host.startswith("*"):
        return origin == trusted
    try:
        given = urlsplit(origin)
    except ValueError:
        return False
    return given.scheme == scheme and is_same_domain(given.netloc, host.removeprefix("*"))


def _refused(request: HttpRequest, error: InvalidHandshake) -> HttpResponse:
    begun: list[Any] = []
    body = respond(refusal(error), lambda *head: begun.extend(head))
    status, headers = begun
    if request.META.get("SERVER_SOFTWARE", "").startswith("WSGIServer"):  # manage.py runserver
        headers = [item for item in headers if not is_hop_by_hop(item[0])]  # or it would fail
    return HttpResponse(b"".join(body), status=int(status[:3]), headers=dict(headers))
