"""The door for programs written for gevent-websocket: its modules and names, over this library.

import geventwebsocket -> geventws.adapters.gevent_websocket

A program migrates by changing its imports; install() does that for code that cannot be changed.
What behaves otherwise than there, and why, is in docs/howto/migrate-from-gevent-websocket.
"""

from __future__ import annotations

from typing import Any, Final

from geventws.adapters.gevent_websocket.exceptions import WebSocketError as WebSocketError
from geventws.adapters.gevent_websocket.resource import Resource as Resource
from geventws.adapters.gevent_websocket.resource import WebSocketApplication as WebSocketApplication
from geventws.adapters.gevent_websocket.server import WebSocketServer as WebSocketServer
from geventws.aliases import alias

__all__ = [
    *("Resource", "WebSocketApplication", "WebSocketError", "WebSocketServer"),
    *("get_version", "install"),
]

VERSION: Final = (0, 10, 1, "final", 0)  # the gevent-websocket whose names these are
_OLD: Final = "geventwebsocket"


def get_version(*args: Any, **kwargs: Any) -> str:
    """Return the version of gevent-websocket whose names these are."""
    return ".".join(str(part) for part in VERSION[:3])


def install() -> None:
    """Have `import geventwebsocket` find this package, in all code that is imported from now on.

    Called again it does nothing.

    Raises:
        RuntimeError: the real geventwebsocket is imported already.
    """
    alias(_OLD, __name__)
