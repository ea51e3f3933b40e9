"""Which twin of each hot module is in use: plain Python, or what was compiled from it.

`compiled` is True where every hot module in use is compiled; False where one of them, or all, is
interpreted. Finding out imports none of them.
"""

from __future__ import annotations

from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec
from pathlib import Path
from typing import Final

INLINE: Final = {"geventws.kernel", "geventws.core.growing"}  # C for the modules that call it


def hot_modules() -> list[str]:
    """Return the names of the hot modules: those with C types beside them, in a .pxd."""
    here = Path(__file__).parent
    typed = (path.relative_to(here.parent).with_suffix("") for path in here.rglob("*.pxd"))
    return sorted({".".join(path.parts) for path in typed} - INLINE)


def is_compiled(module: str) -> bool:
    """Return whether *module* is compiled: what is imported, or would be; it need not be yet."""
    spec = find_spec(module)
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)


def all_compiled(modules: list[str]) -> bool:
    """Return whether there are *modules*, and no interpreted one is among them."""
    return bool(modules) and all(map(is_compiled, modules))


compiled: Final = all_compiled(hot_modules())
