"""The house rules: imports point down, files and functions stay small, every file has its test."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import geventws
from geventws.twins import INLINE
from setup import COMPILED, ROOT
from tests.house import (
    FILES,
    HOUSE,
    WITHOUT_GEVENT,
    breaches,
    imports_of,
    its_test,
    lengths,
    name_of,
    place,
    swallowers,
)

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
MEDIAN_FUNCTION = 7
UNFINISHED = re.compile(r"TOD[O]|FIXM[E]|XX[X]|NotImplementedErro[r]")


TEXTS = {path: (ROOT / path).read_text(encoding="utf-8") for path in FILES}
NAMED = {name_of(path): text for path, text in TEXTS.items()}


def texts(*endings: str) -> dict[Path, str]:
    """Return what people wrote in this checkout: the files that end so, by path."""
    tops = ["geventws", "adapters", "tests", "examples", "loadtests", "docs"]
    paths = [path for top in tops for path in (ROOT / top).rglob("*")] + list(ROOT.glob("*"))
    written = [path for path in paths if path.suffix in endings and "_build" not in path.parts]
    return {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in written}


class Loaded(NamedTuple):
    """What became of importing one module, alone, in a fresh interpreter."""

    traceback: str
    gevent: bool  # was imported with it


# A fork for each module costs milliseconds where an interpreter for each would cost seconds in all.
# What other people's packages cost is paid once, by those that may have gevent.
PROBE = """
import importlib, json, os, sys, traceback
for name in sys.argv[1].split():
    importlib.import_module(name)
for name in sys.argv[2:]:
    if os.fork():
        os.wait()
        continue
    problem = ""
    try:
        importlib.import_module(name)
    except BaseException:
        problem = traceback.format_exc()
    print(json.dumps([name, problem, "gevent" in sys.modules]), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, Loaded]:
    """Return what became of importing each module alone."""
    lean = sorted(WITHOUT_GEVENT & set(NAMED))
    patched = [name for name in NAMED if name.startswith("geventws.adapters.locust")]
    others = sorted({*NAMED} - {*lean, *patched})
    rows = probe("", lean) + probe("gevent", others) + probe("locust", patched)
    return {name: Loaded(problem, gevent) for name, problem, gevent in rows}


def probe(first: str, modules: list[str]) -> list[tuple[str, str, bool]]:
    """Return what became of importing each of *modules* after the packages that *first* names."""
    command = [sys.executable, "-W", "error", "-c", PROBE, first, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


each_file = pytest.mark.parametrize("path", FILES, ids=name_of)


@each_file
def test_file_keeps_the_import_law(path: Path) -> None:
    assert breaches(name_of(path), TEXTS[path]) == []


@each_file
def test_file_imports_alone(path: Path, loaded: dict[str, Loaded]) -> None:
    traceback = loaded[name_of(path)].traceback
    assert not traceback, traceback


@each_file
def test_file_is_short_and_so_are_its_functions(path: Path) -> None:
    assert len(TEXTS[path].splitlines()) <= LONGEST_FILE
    functions = lengths(TEXTS[path])
    assert {name: long for name, long in functions.items() if long > LONGEST_FUNCTION} == {}


@each_file
def test_file_swallows_no_error(path: Path) -> None:
    assert swallowers(TEXTS[path]) == []


@each_file
def test_file_has_its_test(path: Path) -> None:
    test = its_test(path)
    assert test is None or (ROOT / test).is_file()


def test_order_names_every_file() -> None:
    packages = {"geventws", "geventws.core", "geventws.adapters"}
    assert {name for name in NAMED if place(name) is None} == packages


def test_files_do_not_import_in_circles() -> None:
    graph = {
        name: {known(each.name) for each in imports_of(text)} - {""} for name, text in NAMED.items()
    }
    TopologicalSorter(graph).prepare()  # raises where there is a circle


def known(name: str) -> str:
    """Return the module that *name* is, or is imported from; nothing where it is not ours."""
    while name and name not in NAMED:
        name = name.rpartition(".")[0]
    return name


def test_median_function_is_short() -> None:
    bodies = [lines for text in NAMED.values() for lines in lengths(text).values() if lines]
    assert statistics.median(bodies) <= MEDIAN_FUNCTION


@pytest.mark.parametrize("name", sorted(WITHOUT_GEVENT & set(NAMED)))
def test_importing_leaves_gevent_out(name: str, loaded: dict[str, Loaded]) -> None:
    assert not loaded[name].gevent


def test_hot_modules_are_those_with_c_types() -> None:
    typed = {name_of(path.relative_to(ROOT)) for path in (ROOT / "geventws").rglob("*.pxd")}
    assert typed == {*COMPILED, *INLINE}


def test_reference_documents_the_public_names() -> None:
    reference = "\n".join(
        text for path, text in texts(".md").items() if path.parts[:2] == ("docs", "reference")
    )
    assert [name for name in geventws.__all__ if not re.search(rf"\b{name}\b", reference)] == []


def test_documentation_names_only_what_is_public() -> None:
    public = {*geventws.__all__, *(name.split(".")[1] for name in NAMED if "." in name)}
    named = {
        (str(path), name)
        for path, text in texts(".md").items()
        for name in re.findall(r"(?<![\w.])geventws\.([A-Za-z_]\w*)", text)
    }
    assert {(path, name) for path, name in named if name not in public} == set()


def test_nothing_is_left_unfinished() -> None:
    found = {
        path: UNFINISHED.findall(text)
        for path, text in texts(".py", ".pxd", ".md", ".html", ".css", ".js").items()
    }
    assert {path: words for path, words in found.items() if words} == {}


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("geventws.core.frame", "from geventws.core.protocol import Protocol"),
        ("geventws.core.frame", "from geventws.core import protocol"),
        ("geventws.core.frame", "import geventws.client"),
        ("geventws.core.frame", "import gevent"),
        ("geventws.core.frame", "import wsaccel"),
        ("geventws.core.frame", "import cython"),
        ("geventws.core.frame", "from . import mask"),
        ("geventws.core.frame", "def f():\n    import os"),
        ("geventws.core.frame", "class A:\n    async def f(self):\n        import os"),
        ("geventws.websocket", "if True:\n    from geventws.transport import Transport"),
        ("geventws.websocket", "import geventws"),
        ("geventws.websocket", "from geventws import connect"),
        ("geventws.client", "import prompt_toolkit"),
        ("geventws.cli.serve", "from geventws.__main__ import main"),
        ("geventws.server", "from geventws.adapters import threaded"),
        ("geventws", "from geventws.adapters.threaded import serve"),
        ("geventws.adapters.threaded", "from geventws.adapters.asyncio import serve"),
        ("geventws.elsewhere", "from geventws.core.frame import Frame"),
    ],
)
def test_law_flags(module: str, text: str) -> None:
    assert len(breaches(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("geventws.core.frame", "from geventws.core.mask import mask"),
        ("geventws.core.frame", "import struct"),
        ("geventws.core.mask", "try:\n    from wsaccel.xormask import X\nexcept ImportError: pass"),
        ("geventws.transport", "import gevent.socket"),
        ("geventws.interfaces", "from zope.interface import Interface"),
        ("geventws.cli", "from geventws.cli.serve import serve"),
        ("geventws", "def f():\n    from geventws.server import serve"),
        ("geventws.adapters.tornado", "import tornado\nfrom geventws import connect"),
        ("geventws.adapters.tornado", "from geventws.adapters.asyncio import serve"),
        ("geventws.adapters.asyncio", "import asyncio\nfrom geventws.core.frame import Frame"),
    ],
)
def test_law_allows(module: str, text: str) -> None:
    assert breaches(module, text) == []


@pytest.mark.parametrize(
    ("handler", "count"),
    [
        ("except:\n    raise", 1),
        ("except Exception:\n    pass", 1),
        ("except (OSError, BaseException):\n    return None", 1),
        ("except OSError:\n    pass", 0),
        ("except Exception as error:\n    report(error)", 0),
    ],
)
def test_swallowers_flags_what_catches_everything(handler: str, count: int) -> None:
    body = f"try:\n    work()\n{handler}\n".replace("\n", "\n    ")
    assert len(swallowers(f"def f():\n    {body}")) == count


def test_lengths_leaves_out_signature_and_docstring() -> None:
    text = 'def f(\n    a,\n):\n    """Say.\n\n    More.\n    """\n    a()\n    return a\n'
    assert lengths(text) == {"f:1": 2}
    assert lengths('def f(): """Only this."""') == {"f:1": 0}


def test_architecture_page_names_every_room() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    rooms = set(re.findall(r"`(\w+)/?`", page[page.index("| room |") :]))
    assert set(HOUSE) <= rooms
