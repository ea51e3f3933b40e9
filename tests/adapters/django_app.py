"""A Django site of one file, and who visits it for the length of a test.

Importing this configures Django, which a process can do once.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from gevent.event import AsyncResult

from geventws.adapters.django import DjangoWebSocket, websocket_path, websocket_view
from geventws.client import connect
from geventws.pywsgi import WSGIServer
from geventws.websocket import WebSocket
from tests.serving import LOCAL, running

LARGE = 8 * 1024 * 1024
folder = Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, folder)

settings.configure(
    SECRET_KEY="secret",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1", "example.org"],
    CSRF_TRUSTED_ORIGINS=["https://trusted.example", "https://*.wide.example"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(folder / "database"),
            "ATOMIC_REQUESTS": True,
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    LOGGING_CONFIG=None,
    USE_TZ=True,
)
django.setup()


def echo(request: HttpRequest, ws: DjangoWebSocket) -> None:
    """Send every message back."""
    for message in ws:
        ws.send(message)


@websocket_view
def room(request: HttpRequest, ws: DjangoWebSocket, number: int) -> None:
    """Say where the request led."""
    ws.send(f"{number} {request.GET['q']} {request.get_host()}")


@websocket_view(subprotocols=["who"])
def who(request: Any, ws: DjangoWebSocket) -> None:
    """Say who the session and the user are, at every message."""
    for _ in ws:
        ws.send(f"{request.session.get('name')} {request.user.is_authenticated}")


@websocket_view
def query(request: HttpRequest, ws: DjangoWebSocket) -> None:
    """Use the database at every message; say whether it was open and in a transaction before."""
    use_database()
    for message in ws:
        ws.send(f"{connection.connection is not None} {connection.in_atomic_block}")
        use_database()
        if message == "in a transaction":
            with transaction.atomic():
                ws.receive()
                ws.send(str(connection.connection is not None))


def use_database() -> None:
    """Ask the database for something."""
    with connection.cursor() as cursor:
        cursor.execute("select 1")


closed: AsyncResult[bool] = AsyncResult()  # whether the database was open after a close()


@websocket_view
def closing(request: HttpRequest, ws: DjangoWebSocket) -> None:
    """Close the connection after a use of the database."""
    use_database()
    ws.close()
    closed.set(connection.connection is not None)


@websocket_view
def deny(request: HttpRequest, ws: DjangoWebSocket) -> None:
    """Find out too late."""
    ws.receive()
    raise PermissionDenied


@websocket_view
def fail(request: HttpRequest, ws: DjangoWebSocket) -> None:
    """Fail."""
    ws.receive()
    raise RuntimeError("by itself")


@websocket_view(origins=["https://only.example"])
def particular(request: HttpRequest, ws: DjangoWebSocket) -> None:
    """Let one origin in."""
    ws.send("come in")


def page(request: HttpRequest) -> HttpResponse:
    """Return a page."""
    return HttpResponse("a page")


urlpatterns = [
    path("page", page),
    websocket_path("echo", echo, name="echo", max_size=LARGE + 1),
    path("room/<int:number>", room),
    path("who", who),
    path("query", query),
    path("closing", closing),
    path("deny", deny),
    path("fail", fail),
    path("particular", particular),
]
application = get_wsgi_application()


@contextmanager
def serving() -> Iterator[int]:
    """Serve the site by our server, and give its port."""
    with running(WSGIServer(LOCAL, application, log=None, error_log=None)) as server:
        yield int(server.address[1])


def visit(port: int, path: str, **options: Any) -> WebSocket:
    """Return a connection to *path*."""
    ws: WebSocket = connect(f"ws://127.0.0.1:{port}{path}", **options)
    return ws
