"""The compiled twins of a checkout: which are there, and whether they are what the sources say."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from setup import ROOT


def source(module: str) -> Path:
    """Return the .py of a hot module of this checkout."""
    return ROOT / (module.replace(".", "/") + ".py")


def twin(path: Path) -> Path | None:
    """Return what is compiled from *path*, where it lies beside it and so is imported instead."""
    beside = (path.with_suffix(ending) for ending in EXTENSION_SUFFIXES)
    return next((file for file in beside if file.exists()), None)


def is_stale(path: Path) -> bool:
    """Return whether *path* or its C types were edited after it was compiled."""
    compiled = twin(path)
    if compiled is None:
        return False
    edited = [file.stat().st_mtime for file in (path, path.with_suffix(".pxd")) if file.exists()]
    return max(edited) > compiled.stat().st_mtime
