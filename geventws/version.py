"""The one place that says which version this is; setup.py and the documentation read it."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
