"""Ours: a WSGI application under one worker of gunicorn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gunicorn.app.base import BaseApplication

import geventws
from loadtests.bench.servers import HOST, MAX_SIZE, listening


def _echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    with geventws.upgrade(environ, start_response, max_size=MAX_SIZE) as ws:
        for message in ws:
            ws.send(message)
    return []


class _Gunicorn(BaseApplication):
    def __init__(self, port: int) -> None:
        self._port = port
        super().__init__()

    def load_config(self) -> None:
        wishes = {
            "bind": f"{HOST}:{self._port}",
            "worker_class": "geventws.adapters.gunicorn.GeventWebSocketWorker",
            "worker_connections": 20_000,
            "backlog": 4096,
            "loglevel": "warning",
            "post_worker_init": lambda worker: listening(),
        }
        for name, value in wishes.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return _echo


def serve(port: int) -> None:
    """Echo."""
    _Gunicorn(port).run()
