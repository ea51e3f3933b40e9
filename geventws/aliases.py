"""One package under the name of another, for programs that import that one.

import old.inner -> Finder -> new.inner
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


def alias(old: str, new: str) -> None:
    """Have `import <old>` find the package *new*, in all code that is imported from now on.

    Called again it does nothing.

    Raises:
        RuntimeError: the real *old* is imported already.
    """
    if any(isinstance(finder, Finder) and finder.old == old for finder in sys.meta_path):
        return
    if old in sys.modules:
        raise RuntimeError(f"{old} is imported already")
    sys.meta_path.insert(0, Finder(old, new))


class Finder(MetaPathFinder, Loader):
    """Finds *old* and what is in it in *new*; each module is the same under both names.

    Attributes:
        old, new: the names of the packages.
    """

    def __init__(self, old: str, new: str) -> None:
        self.old = old
        self.new = new

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for *old* and what is in it, None for anything else."""
        if fullname.partition(".")[0] != self.old:
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module in *new*, imported under its own name."""
        module = importlib.import_module(self.new + spec.name.removeprefix(self.old))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give *module*, which ran under its own name, back what it was found by."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state
