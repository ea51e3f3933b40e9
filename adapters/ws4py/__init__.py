"""The door for programs written for ws4py: its module tree and its names, over this library.

import ws4py -> import geventws.adapters.ws4py

A program migrates by changing its imports; install() does that for code that cannot be changed.
What behaves otherwise than in ws4py, and why, is in docs/howto/migrate-from-ws4py.
"""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from typing import Any, Final

from geventws.aliases import alias

__author__ = "geventws"
__version__ = "0.6.0"  # the ws4py whose names these are
__all__ = ["WS_KEY", "WS_VERSION", "configure_logger", "format_addresses", "install"]

WS_KEY: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
WS_VERSION: Final = (8, 13)  # what may be asked for; on the wire there is 13 alone

_OLD: Final = "ws4py"
_FORMAT: Final = "[%(asctime)s] %(levelname)s %(message)s"
_OURS: Final = "geventws.adapters.ws4py."  # what our handlers are called, to find them again


def configure_logger(
    stdout: bool = True, filepath: str | None = None, level: int = logging.INFO
) -> logging.Logger:
    """Have the library's logger write to standard output, to a file of at most 10 MiB, or both.

    Returns the logger. Three full files are kept. Called again, it replaces what it set up before.
    """
    logger = logging.getLogger("geventws")
    logger.setLevel(level)
    for handler in list(logger.handlers):
        if str(handler.name).startswith(_OURS):
            logger.removeHandler(handler)
            handler.close()
    if filepath:
        _add(logger, RotatingFileHandler(filepath, maxBytes=10 * 1024 * 1024, backupCount=3))
    if stdout:
        _add(logger, logging.StreamHandler(sys.stdout))
    return logger


def _add(logger: logging.Logger, handler: logging.Handler) -> None:
    handler.name = _OURS + type(handler).__name__
    handler.setLevel(logger.level)
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)


def format_addresses(ws: Any) -> str:
    """Return both addresses of *ws*, or the path of its unix socket, for a log."""
    local, peer = ws.local_address, ws.peer_address
    if isinstance(local, tuple) and isinstance(peer, tuple):
        return f"[Local => {local[0]}:{local[1]} | Remote => {peer[0]}:{peer[1]}]"
    return f"[Bound to '{local or peer}']"  # one end of a unix connection has no path


def install() -> None:
    """Have `import ws4py` find this package, in all code that is imported from now on.

    Called again it does nothing.

    Raises:
        RuntimeError: the real ws4py is imported already.
    """
    alias(_OLD, __name__)
