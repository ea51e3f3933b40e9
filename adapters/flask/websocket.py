"""A connection that a Flask view serves, and the contexts of that view."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask.globals import app_ctx, request_ctx
from greenlet import getcurrent

from geventws.websocket import WebSocket


class FlaskWebSocket(WebSocket):
    """A connection that a Flask view serves.

    While the view waits in receive(), or for the next message of an iteration, the contexts of its
    request are popped: teardown_request and teardown_appcontext functions run, as at the end of a
    request, and what they return to a pool is free for others. With the message the request and its
    session are back, in a new application context, and so with a new g. In another greenlet than
    the view's, and inside a context that the view has pushed itself, nothing is popped.
    """

    __slots__ = ("_contexts",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._contexts = _Contexts()

    def receive(self, timeout: float | None = None) -> str | bytes:
        """Wait for the next message, without contexts, and return it. See WebSocket."""
        with self._contexts.put_down():
            return super().receive(timeout)


class _Contexts:
    """The contexts of a request, which the greenlet of its view puts down while it waits."""

    def __init__(self) -> None:
        self._greenlet = getcurrent()
        self._request = _behind(request_ctx)
        self._application = _behind(app_ctx)

    @contextmanager
    def put_down(self) -> Iterator[None]:
        """Pop them for the block, unless they are not those on top."""
        if not self._are_on_top():
            yield
            return
        try:
            self._request.pop(None)
            yield
        finally:  # though a teardown function failed: Flask pops them once more at the end
            self._request.push()
            self._application = _behind(app_ctx)

    def _are_on_top(self) -> bool:
        return (
            getcurrent() is self._greenlet
            and bool(request_ctx)
            and _behind(request_ctx) is self._request
            and _behind(app_ctx) is self._application
        )


def _behind(proxy: Any) -> Any:
    return proxy._get_current_object()
