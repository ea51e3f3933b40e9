"""Routes that are WebSockets, and views that become one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ClassVar, TypeVar, Unpack

from flask import Blueprint, Flask, Response, after_this_request, current_app, request, session
from werkzeug.exceptions import HTTPException

from geventws.adapters.flask.development import SocketsClient, run
from geventws.adapters.flask.websocket import FlaskWebSocket
from geventws.adapters.flask.werkzeug import WerkzeugRequest
from geventws.core.codes import POLICY_VIOLATION
from geventws.core.errors import ConnectionClosed, InvalidHandshake
from geventws.core.handshake import HANDSHAKE, Request, refusal
from geventws.core.headers import user_headers
from geventws.environ import respond
from geventws.upgrader import AcceptArguments, ResponseHeaders, Upgrader
from geventws.websocket import WebSocket
from geventws.wsgi import open_websocket

View = TypeVar("View", bound=Callable[..., Any])


def upgrade(**arguments: Unpack[AcceptArguments]) -> FlaskWebSocket:
    """Upgrade the request that a Flask view is answering, and return the open connection.

    For views that decide late, as by abort(401). Their routes need websocket=True. Use the
    connection as a context manager. What was changed in the session goes out with the 101; later
    changes cannot. What the view returns afterwards is not sent.

    Raises:
        InvalidHandshake: the request opens no WebSocket, or its origin is not allowed. Flask
            answers it as it should be, if the view lets it pass, for it is an HTTPException too.
        ConnectionClosed: the peer is gone already.
        TypeError, ValueError: an argument is wrong, or the server cannot upgrade.
        RuntimeError: no view is answering a request.
    """
    return _open(FlaskWebSocket, upgrader_of(**arguments))


class Refused(InvalidHandshake, HTTPException):
    """An InvalidHandshake that Flask can answer, unless the application has a handler for it."""

    def __init__(self, error: InvalidHandshake) -> None:
        super().__init__(str(error), error.status, error.headers)
        self.code = error.status
        self.response = _answer(error)

    def __str__(self) -> str:
        return f"{self.description}"


class Sockets:
    """The routes of a Flask application that are WebSockets.

    Blueprints are given to route(). The application's run() is served by WSGIServer from then on,
    and its test_client() has websocket(), unless the application has a test client of its own.

    Args:
        app: the application; or init_app() is called later, for one or several.
        **options: of all routes: subprotocols, select_subprotocol, origins and headers, see
            Upgrader; the others, as max_size or ping_interval, see Options.

    Raises:
        TypeError, ValueError: an option is wrong.
    """

    websocket_class: ClassVar[type[FlaskWebSocket]] = FlaskWebSocket

    def __init__(self, app: Flask | None = None, **options: Unpack[AcceptArguments]) -> None:
        self._options = options
        self._upgrader_for({})  # a wrong option had better fail now
        self._app: Flask | None = None
        self._routes: Blueprint | None = None  # those that were declared before there was one
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add the routes that were declared without an application to *app*, and later ones too.

        Of several applications, those that are declared later are the last one's alone.
        """
        if self._routes is not None:
            app.register_blueprint(self._routes)
        self._app = app
        app.extensions["sockets"] = self
        app.run = partial(run, app)  # type: ignore[method-assign]
        if app.test_client_class is None:
            app.test_client_class = SocketsClient

    def route(
        self, rule: str, bp: Blueprint | None = None, **options: Any
    ) -> Callable[[View], View]:
        """Have the decorated view serve the WebSockets that connect to *rule*.

        The view is given the connection and what *rule* has of variables. When it returns the
        connection is closed with 1000; when it raises, with 1011, and Flask handles the error; when
        it aborts, with 1008. ConnectionClosed ends it quietly. To decide before the connection
        opens, use before_request functions, or upgrade() in a view of your own.

        Args:
            rule: as for Flask.route().
            bp: a blueprint to add the route to.
            **options: those of Sockets, for this route; the others, as endpoint or defaults, are
                Flask's.

        Raises:
            TypeError, ValueError: an option is wrong.
        """
        options["websocket"] = True
        names = AcceptArguments.__optional_keys__
        ours = {name: options.pop(name) for name in list(options) if name in names}
        make_upgrader = self._upgrader_for(ours)

        def decorate(view: View) -> View:
            @wraps(view)
            def serve(*args: Any, **kwargs: Any) -> Response:
                return _serve(self.websocket_class, make_upgrader(), partial(view, **kwargs))

            (bp or self._app or self._unbound()).route(rule, **options)(serve)
            return view

        return decorate

    def _unbound(self) -> Blueprint:
        if self._routes is None:
            self._routes = Blueprint(type(self).__name__.lower(), __name__)
        return self._routes

    def _upgrader_for(self, options: Any) -> Callable[[], Upgrader]:
        upgrader = upgrader_of(**{**self._options, **options})
        return lambda: upgrader


# Serving one request


def _serve(make: type[FlaskWebSocket], upgrader: Upgrader, view: Callable[..., Any]) -> Response:
    """Return the response to a request whose WebSocket *view* serves, if it opens."""
    try:
        ws = _open(make, upgrader)
    except ConnectionClosed:  # the peer is gone, and nobody left to answer
        return Response(status=400)
    try:
        with ws:
            _call(view, ws)
    except ConnectionClosed:
        pass
    finally:  # where Flask raises errors, as in debug mode, it calls nothing after the request
        if isinstance(request.environ["wsgi.input"], WerkzeugRequest):
            request.environ["wsgi.input"].end()
    return Response(status=101)  # for the log alone


def _call(view: Callable[..., Any], ws: WebSocket) -> None:
    try:
        view(ws)
    except HTTPException as error:
        WebSocket.close(ws, POLICY_VIOLATION, error.name)


def _open(make: type[FlaskWebSocket], upgrader: Upgrader) -> FlaskWebSocket:
    environ = request.environ
    if "werkzeug.socket" in environ and not isinstance(environ["wsgi.input"], WerkzeugRequest):
        environ["wsgi.input"] = WerkzeugRequest(environ)
        after_this_request(environ["wsgi.input"].leave)
    try:
        return open_websocket(environ, None, make, upgrader, True)
    except InvalidHandshake as error:
        raise Refused(error) from None


def _answer(error: InvalidHandshake) -> Response:
    begun: list[Any] = []
    body = respond(refusal(error), lambda *head: begun.extend(head))
    status, headers = begun
    return Response(body, status, headers)


def upgrader_of(headers: ResponseHeaders = (), **arguments: Any) -> Upgrader:
    """Return an Upgrader that sends the session with *headers*."""
    if not callable(headers):
        headers = user_headers(headers, HANDSHAKE).items()

    def headers_of(request: Request) -> list[tuple[str, str]]:
        given = headers(request) if callable(headers) else headers
        return [*user_headers(given, HANDSHAKE).items(), *_session_cookies()]

    return Upgrader(headers=headers_of, **arguments)


def _session_cookies() -> list[tuple[str, str]]:
    interface = current_app.session_interface
    response = current_app.response_class()
    if not interface.is_null_session(session):
        interface.save_session(current_app, session, response)
    return [("Set-Cookie", value) for value in response.headers.getlist("Set-Cookie")]
