"""What has to be made before anything can be measured: programs, the peers' venv, our two copies.

C programs and copies lie under build/bench, the venv and Node's packages in the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadtests.bench.contenders import COMPILED, INTERPRETED
from setup import ROOT
from tests.interop import node

HERE: Final = Path(__file__).parent
PLACE: Final = ROOT / "build" / "bench"
VENV: Final = Path.home() / ".cache" / "geventws" / "bench-{}.{}".format(*sys.version_info)
REQUIREMENTS: Final = HERE / "requirements.txt"
PROGRAMS: Final = ("wsload", "wsecho")
COPIED: Final = ("geventws", "adapters", "tests", "loadtests", "setup.py", "README.md", "LICENSE")
LINK: Final = ("geventws", "adapters")  # to what is copied anyway
SOURCES: Final = {".py", ".pxd", ".js", ".md"}


def say(what: str) -> None:
    """Tell who waits what is going on."""
    print(what, file=sys.stderr, flush=True)


def build_program(name: str, place: Path = PLACE) -> Path:
    """Return the C program *name*, compiled into *place* where it was not, or was edited since."""
    source, program = HERE / f"{name}.c", place / name
    edited = max(file.stat().st_mtime for file in HERE.glob(f"{name}.[ch]"))
    if not program.exists() or program.stat().st_mtime < edited:
        place.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = ["cc", "-O2", "-Wall", "-Wextra", "-o", program, source]
        subprocess.run(command, check=True)
    return program


def peers() -> Path:
    """Return the Python of the peers' venv, with what can be installed into it.

    What cannot be is said; whoever needs it then fails to start, and is named with the reason.
    """
    python, stamp = VENV / "bin" / "python", VENV / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        say(f"installing the peers into {VENV}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        lines = REQUIREMENTS.read_text().splitlines()
        packages = [line for line in lines if line and not line.startswith("#")]
        if _install(python, *packages) or _each(python, packages):
            stamp.write_text(wanted)
    return python


def _install(python: Path, *packages: str) -> bool:
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--quiet",
        "install",
    ]
    done = subprocess.run([*pip, *packages], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        say(f"not installed: {' '.join(packages)}: {last_line(done.stderr)}")
    return done.returncode == 0


def _each(python: Path, packages: list[str]) -> bool:
    """Install whatever can be; return whether all could, or the rest is tried again next time."""
    return [_install(python, package) for package in packages].count(False) == 0


def last_line(text: str) -> str:
    """Return the last line of *text* that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def node_environment() -> dict[str, str]:
    """Return the environment in which Node finds ws, installed where it was not."""
    try:
        node.version()
    except node.Missing as missing:
        say(str(missing))
    return {**os.environ, "NODE_PATH": str(node.CACHE / "node_modules")}


def build_copy(tree: str, python: Path) -> Path:
    """Return a copy of the checkout that is up to date: *tree* is "compiled" or "interpreted"."""
    copy = PLACE / tree
    changed = synchronise(ROOT, copy)
    stamp = copy / "built"
    if tree == COMPILED and (changed or not stamp.exists()):
        say("compiling a copy of the checkout")
        stamp.unlink(missing_ok=True)
        _compile(copy, python)
        stamp.touch()
    return copy


def _compile(copy: Path, python: Path) -> None:
    done = subprocess.run(
        [python, "setup.py", "--quiet", "build_ext", "--inplace", "--parallel", "2"],
        cwd=copy,
        env={**os.environ, "GEVENTWS_COMPILE": "yes"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout)


def copies(python: Path) -> dict[str, Path]:
    """Return both copies of the checkout, by the names of the trees."""
    return {tree: build_copy(tree, python) for tree in (COMPILED, INTERPRETED)}


def synchronise(checkout: Path, copy: Path) -> bool:
    """Make the sources of *copy* those of *checkout*; return whether a compiled one changed.

    What did not change keeps its time, so that only what did is compiled again.
    """
    wanted = set(_sources(checkout))
    stale = set(_sources(copy)) - wanted if copy.exists() else set()
    for path in stale:
        for file in (copy / path).parent.glob(f"{path.stem}.*"):
            file.unlink()
    changed = [path for path in wanted if _differs(checkout / path, copy / path)]
    for path in changed:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkout / path, copy / path)
    link = copy / "geventws" / "adapters"
    if not link.is_symlink():
        link.symlink_to("../adapters")
    return any(path.parts[0] in ("geventws", "setup.py") for path in {*changed, *stale})


def _sources(root: Path) -> Iterator[Path]:
    for name in COPIED:
        top = root / name
        files = [top] if top.is_file() else top.rglob("*")
        for file in files:
            path = file.relative_to(root)
            if (file == top or file.suffix in SOURCES) and path.parts[:2] != LINK:
                yield path


def _differs(one: Path, other: Path) -> bool:
    return not other.exists() or one.read_bytes() != other.read_bytes()
