"""The one place that loads optional parts by name, and says how to get one that is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(name: str, extra: str) -> Any:
    """Return the module *name*, which comes with *extra* of this package.

    Raises:
        ImportError: it is not installed; the text says what to type.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name.partition(".")[0]:
            raise
        missing = error.name.partition(".")[0]
        text = f"{missing} is not installed: pip install geventws[{extra}]"
        raise ModuleNotFoundError(text, name=error.name) from None
