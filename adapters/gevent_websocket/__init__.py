"""The door for programs written for gevent-websocket: its modules and names, over this library.

import geventwebsocket -> geventws.adapters.gevent_websocket

A program migrates by changing its imports; install() does that for code that cannot be changed.
What behaves otherwise than there, and why, is in docs/howto/migrate-from-gevent-websocket.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

from geventws.adapters.gevent_websocket.exceptions import WebSocketError as WebSocketError
from geventws.adapters.gevent_websocket.resource import Resource as Resource
from geventws.adapters.gevent_websocket.resource import WebSocketApplication as WebSocketApplication
from geventws.adapters.gevent_websocket.server import WebSocketServer as WebSocketServer

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
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    if _OLD in sys.modules:
        raise RuntimeError("geventwebsocket is imported already")
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder, Loader):
    """Finds geventwebsocket and what is in it here; a module is the same under both names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != _OLD:
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(__name__ + spec.name.removeprefix(_OLD))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give *module*, which ran under its own name, back what it was found by."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state
