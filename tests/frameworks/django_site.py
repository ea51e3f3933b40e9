"""A Django site whose view is given no adapter, which counts who is there.

Importing this configures Django, which a process can do once.
"""

from __future__ import annotations

from contextlib import suppress

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

import geventws

settings.configure(
    SECRET_KEY="secret", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None
)
django.setup()
rooms = {"tea": 0}


class Leaving(HttpResponse):  # type: ignore[misc]
    """A response after which somebody has left; Django ends a request when it is closed."""

    room: str

    def close(self) -> None:
        """Count one less in the room."""
        rooms[self.room] -= 1
        super().close()


def index(request: HttpRequest) -> HttpResponse:
    """Say how many are there."""
    return HttpResponse(f"{rooms['tea']} at tea")


def room(request: HttpRequest, name: str) -> HttpResponse:
    """Send every message back."""
    if request.GET.get("token") != "secret":
        return HttpResponse(status=401)
    if name not in rooms:
        raise Http404
    try:
        ws = geventws.upgrade(request.environ, subprotocols=["chat"], max_size=2**23)
    except geventws.InvalidHandshake as error:
        return HttpResponse(f"{error}", status=error.status, headers=dict(error.headers))
    rooms[name] += 1
    with suppress(geventws.ConnectionClosed), ws:
        for message in ws:
            ws.send(message)
    response = Leaving()
    response.room = name
    return response


urlpatterns = [path("", index), path("rooms/<str:name>", room)]
application = get_wsgi_application()
