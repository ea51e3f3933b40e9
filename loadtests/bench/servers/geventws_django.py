"""Ours: a view of Django, without middleware."""

from __future__ import annotations

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest
from django.urls import URLPattern

import geventws
from geventws.adapters.django import websocket_path
from loadtests.bench.servers import HOST, MAX_SIZE, listening
from loadtests.bench.servers.geventws_pywsgi import MANY


def _echo(request: HttpRequest, ws: geventws.WebSocket) -> None:
    for message in ws:
        ws.send(message)


urlpatterns: list[URLPattern] = []


def serve(port: int) -> None:
    """Echo."""
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=[HOST], MIDDLEWARE=[])
    django.setup()
    urlpatterns.append(websocket_path("", _echo, max_size=MAX_SIZE))  # it asks for the settings
    server = geventws.WSGIServer((HOST, port), get_wsgi_application(), log=None, limits=MANY)
    server.start()
    listening()
    server.serve_forever()
