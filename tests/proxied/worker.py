"""gunicorn's worker as it is behind a proxy of the same machine."""

from __future__ import annotations

from geventws.adapters.gunicorn import GeventWebSocketWorker


class Trusting(GeventWebSocketWorker):
    """A worker that believes the proxy."""

    arguments = {"trusted_proxies": ["127.0.0.1"]}  # noqa: RUF012
