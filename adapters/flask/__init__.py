"""The door for Flask: routes that are WebSockets, with Flask's contexts around each message.

request -> before_request -> Upgrader -> 101 -> the view(connection) -> teardown

A view serves its connection in the greenlet of its request, so everything of Flask's is there:
request, session, g, current_app. While it waits for a message it holds none of that, or a thousand
idle connections would hold a thousand database sessions.
"""

from __future__ import annotations

from geventws.adapters.flask.development import SocketsClient as SocketsClient
from geventws.adapters.flask.development import run as run
from geventws.adapters.flask.sock import Sock as Sock
from geventws.adapters.flask.sock import SockWebSocket as SockWebSocket
from geventws.adapters.flask.sockets import Sockets as Sockets
from geventws.adapters.flask.sockets import upgrade as upgrade
from geventws.adapters.flask.websocket import FlaskWebSocket as FlaskWebSocket
