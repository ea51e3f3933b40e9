"""The one place that loads optional parts by name, and says how to get one that is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(name: str, extra: str, package: str | None = None) -> Any:
    """Return the module *name*, which comes with *extra* of this package.

    Args:
        package: what *extra* installs, where *name* is a module of ours that imports it; by default
            the package that *name* is in.

    Raises:
        ImportError: it is not installed; the text says what to type.
    """
    package = name.partition(".")[0] if package is None else package
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        text = f"{package} is not installed: pip install geventws[{extra}]"
        raise ModuleNotFoundError(text, name=error.name) from None
