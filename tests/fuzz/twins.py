"""A tree of each twin to import the core from, and programs that run on it.

    python -P -m tests.fuzz.twins TARGET compiled FILE      prints the description of one input

The trees are made once for each state of the sources, so that neither an edit nor `make build`
changes what a run compares.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import IO, Final, Protocol

from setuptools import setup

from setup import COMPILED, ROOT, compiled_modules

CORE: Final = [name for name in COMPILED if name.startswith("geventws.core.")]
WORK: Final = ROOT / "build" / "fuzz"


class Target(Protocol):
    """A module of this package that can be fuzzed."""

    def check(self, data: bytes) -> object:
        """Return a description of what came of *data*; an AssertionError is a fault found."""


def trees(work: Path = WORK) -> dict[str, Path]:
    """Return where "interpreted" and "compiled" cores can be imported from; make them if need be.

    Raises:
        subprocess.CalledProcessError: something does not compile.
    """
    home = work / f"twins-{_key()}"
    found = {kind: home / kind for kind in ("interpreted", "compiled")}
    if not home.exists():
        shutil.rmtree(making := home.with_suffix(f".{os.getpid()}"), ignore_errors=True)
        for kind in found:
            _copy(making / kind)
        tree = making / "compiled"
        program = command("tests.fuzz.twins", "--compile")
        subprocess.run(program, cwd=tree, env=environment(tree), check=True)
        making.rename(home)
    return found


def _key() -> str:
    """Return a name for this state of the sources and this interpreter."""
    told = sha256(sys.version.encode())
    for path in [*sorted(_sources()), ROOT / "setup.py"]:
        told.update(path.name.encode() + path.read_bytes())
    return told.hexdigest()[:16]


def _sources() -> list[Path]:
    """Return the core's files and those that its import takes."""
    core = ROOT / "geventws" / "core"
    return [
        *(ROOT / "geventws" / name for name in ("__init__.py", "version.py")),
        *(path for path in core.iterdir() if path.suffix in (".py", ".pxd")),
    ]


def _copy(tree: Path) -> None:
    for path in _sources():
        copied = tree / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copied)


def _compile() -> None:
    """Compile the core that is below the working directory."""
    wished = compiled_modules("yes")
    wished["ext_modules"] = [each for each in wished["ext_modules"] if each.name in CORE]
    packages = ["geventws", "geventws.core"]
    arguments = ["--quiet", "build_ext", "--inplace"]
    setup(name="geventws", packages=packages, script_args=arguments, **wished)


def command(module: str, *arguments: str) -> list[str]:
    """Return how to run a *module* of this package as a program; environment() belongs to it."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(tree: Path) -> dict[str, str]:
    """Return the environment of a program that imports geventws from *tree*."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree), str(ROOT)])}


def require(kind: str) -> None:
    """Raise RuntimeError unless the whole core is of that *kind* here."""
    files = [str(import_module(name).__file__) for name in CORE]
    wrong = [file for file in files if file.endswith(".py") != (kind == "interpreted")]
    if wrong:
        raise RuntimeError(f"not {kind}: {' '.join(wrong)}")


def load(target: str) -> Target:
    """Import the module of a target."""
    module: Target = import_module(f"tests.fuzz.{target}")
    return module


def described(check: Callable[[bytes], object], data: bytes) -> str:
    """Return what *check* says of *data*, or the traceback of what it raises."""
    try:
        return repr(check(data))
    except Exception:
        return traceback.format_exc()


def put(stream: IO[bytes], data: bytes) -> None:
    """Write *data* so that take() finds its end."""
    stream.write(len(data).to_bytes(4, "big") + data)


def take(stream: IO[bytes]) -> bytes | None:
    """Return what put() wrote; None at the end, also where the writer died in the middle."""
    head = stream.read(4)
    size = int.from_bytes(head, "big")
    data = stream.read(size)
    return data if len(head) == 4 and len(data) == size else None


def main(target: str, kind: str = "", file: str = "") -> None:
    """Print the description of the input in a *file*; or compile what is here."""
    if target == "--compile":
        _compile()
        return
    require(kind)
    print(described(load(target).check, Path(file).read_bytes()))


if __name__ == "__main__":
    main(*sys.argv[1:])
