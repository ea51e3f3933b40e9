"""What ws4py called by one name under Python 2 and 3, as Python 3 has it."""

from __future__ import annotations

import builtins
from typing import Any, Final
from urllib.parse import urlsplit as urlsplit

py3k: Final = True
range = builtins.range
unicode = str
basestring: Final = (bytes, str)


def ord(c: int | str | bytes) -> int:
    """Return the number of a character, or of a byte, which already is one."""
    return c if isinstance(c, int) else builtins.ord(c)


def get_connection(fileobj: Any) -> Any:
    """Return the socket under a buffered file that a server reads requests from."""
    return fileobj.raw._sock


def detach_connection(fileobj: Any) -> None:
    """Have *fileobj* leave its socket alone from now on."""
    fileobj.detach()
