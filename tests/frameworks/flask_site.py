"""A Flask application whose view is given no adapter, which counts who is there."""

from __future__ import annotations

from contextlib import suppress

from flask import Flask, Response, abort, g, request

import geventws

application = Flask(__name__)
rooms = {"tea": 0}


@application.route("/")
def index() -> str:
    """Say how many are there."""
    return f"{rooms['tea']} at tea"


@application.route("/rooms/<name>", websocket=True)
@application.route("/rooms/<name>")
def room(name: str) -> str:
    """Send every message back."""
    if request.args.get("token") != "secret":
        abort(401)
    if name not in rooms:
        abort(404)
    rooms[name] += 1
    g.room = name
    ws = geventws.upgrade(request.environ, subprotocols=["chat"], max_size=2**23)
    with suppress(geventws.ConnectionClosed), ws:
        for message in ws:
            ws.send(message)
    return ""


@application.teardown_request
def leave(error: BaseException | None) -> None:
    """Count one less in the room."""
    if "room" in g:
        rooms[g.room] -= 1


@application.errorhandler(geventws.InvalidHandshake)
def refuse(error: geventws.InvalidHandshake) -> Response:
    """Answer as the handshake should be."""
    return Response(f"{error}", error.status, error.headers)
