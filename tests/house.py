"""The house rules as functions over source text, so that each can be shown to find a breach."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from setup import REQUIRED, ROOT

# The order in which the files are read; each may import those above it.
CORE = [
    *("codes", "errors", "growing", "mask", "frame"),
    *("headers", "deflate", "message", "handshake", "protocol"),
]
HOUSE = [
    "version",
    "twins",
    "extras",
    "aliases",
    "clock",
    "interfaces",
    "options",
    "keepalive",
    "backlog",
    "broker",
    "broadcasting",
    "rooms",
    "resuming",
    "sending",
    "connection",
    "attending",
    "callbacks",
    "outbox",
    "sockets",
    "websocket",
    "counts",
    "events",
    "ids",
    "logs",
    "frames",
    "pushed",
    "awaiting",
    "tasks",
    "looped",
    "upgrader",
    "environ",
    "rates",
    "trusted",
    "limits",
    "uri",
    "credentials",
    "cookies",
    "asking",
    "opening",
    "proxy",
    "socks",
    "wire",
    "kernel",
    "outgoing",
    "transport",
    "workers",
    "care",
    "lag",
    "metering",
    "pressure",
    "tls",
    "relay",
    "dial",
    "client",
    "returning",
    "reconnecting",
    "turns",
    "shared",
    "sharing",
    "manager",
    "ending",
    "listening",
    "acceptor",
    "handling",
    "upgradable",
    "wsgi",
    "stream",
    "pywsgi",
    "server",
    "stopping",
    "forked",
    "prefork",
    "memory",
    "testing",
    "pytest_plugin",
    "failures",
    "benchmarking",
    "assets",
    "demo",
    "dashboard",
    "sessions",
    "cli",
    "__main__",
]
DOORS_WITHOUT_GEVENT = ["threaded", "wsgiref", "cherrypy", "asyncio", "tornado"]
DOORS = [
    *DOORS_WITHOUT_GEVENT,
    *("gunicorn", "flask", "django", "engineio"),
    *("locust", "redis", "prometheus", "gevent_websocket", "ws4py"),
]
ORDER = [
    *(f"geventws.core.{name}" for name in CORE),
    *(f"geventws.{name}" for name in HOUSE),
    *(f"geventws.adapters.{name}" for name in DOORS),
]
WITHOUT_GEVENT = {
    *("geventws", "geventws.adapters", "geventws.core", *ORDER[: len(CORE)]),
    *(f"geventws.{name}" for name in HOUSE[: HOUSE.index("outgoing")]),
    *(f"geventws.adapters.{name}" for name in DOORS_WITHOUT_GEVENT),
}
LAZY = {"geventws"}  # this one may import inside functions
# what a file may have, or look for, though nothing requires it
OPTIONAL = {"geventws.core.mask": {"wsaccel"}, "geventws.pytest_plugin": {"pytest"}}
REQUIRED_TOPS = {re.split(r"[.<>=]", package)[0] for package in REQUIRED}

FILES = sorted(
    path.relative_to(ROOT)
    for top in ("geventws", "adapters")
    for path in (ROOT / top).rglob("*.py")
)
Function = ast.FunctionDef | ast.AsyncFunctionDef
DEEDS = ast.Call | ast.Raise | ast.Assign


class Import(NamedTuple):
    """One imported name, written whole: "geventws.core.frame.FrameReader"."""

    name: str
    line: int
    relative: bool
    inside: bool  # a function


def name_of(path: Path) -> str:
    """Return the name that *path* is imported under."""
    parts = path.with_suffix("").parts
    if parts[0] == "adapters":
        parts = ("geventws", *parts)
    return ".".join(parts).removesuffix(".__init__")


def imports_of(text: str) -> list[Import]:
    """Return everything that *text* imports, at its top and further in."""
    return list(_imports(ast.parse(text), inside=False))


def _imports(node: ast.AST, inside: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno, False, inside) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            name = f"{node.module}.{alias.name}"
            yield Import(name, node.lineno, node.level > 0, inside)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, inside or isinstance(node, Function))


def place(name: str) -> int | None:
    """Return where a module, or what is imported from it, stands in the order."""
    while name and name not in ORDER:
        name = name.rpartition(".")[0]
    return ORDER.index(name) if name else None


def breaches(module: str, text: str) -> list[str]:
    """Return what the import law holds against *module* when *text* stands in it."""
    found = ((each, _breach(module, each)) for each in imports_of(text))
    return [f"line {each.line}: {each.name} {why}" for each, why in found if why]


def _breach(module: str, each: Import) -> str:
    if each.relative:
        return "is a relative import"
    if each.inside and module not in LAZY:
        return "is imported inside a function"
    if each.name.partition(".")[0] == "geventws":
        return _inner_breach(module, each.name)
    return _outer_breach(module, each.name.partition(".")[0])


def _inner_breach(module: str, name: str) -> str:
    own, other = place(module), place(name)
    if module == "geventws":  # its names come from anywhere but a door
        return "is a door" if name.startswith("geventws.adapters") else ""
    if own is None:
        return f"is imported by {module}, which has no place in the order"
    if other is None:
        is_door = module.startswith("geventws.adapters.")
        return "" if is_door else "has no place in the order, or is the package itself"
    return "stands below" if other > own else ""


def _outer_breach(module: str, top: str) -> str:
    if top == "cython":
        return "is no run-time dependency: types belong into the .pxd"
    if top in sys.stdlib_module_names or module.startswith("geventws.adapters."):
        return ""
    if top in OPTIONAL.get(module, ()):
        return ""
    if module.startswith("geventws.core"):
        return "is not the standard library"
    return "" if top in REQUIRED_TOPS else "is not among what setup.py requires"


def lengths(text: str) -> dict[str, int]:
    """Return how many lines each function of *text* has under its docstring."""
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, Function)]
    return {f"{node.name}:{node.lineno}": _length(node) for node in functions}


def _length(function: Function) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def swallowers(text: str) -> list[int]:
    """Return the lines of handlers that catch everything: bare ones, and those that do nothing."""
    handlers = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ExceptHandler)]
    return [node.lineno for node in handlers if _catches_all(node) and not _does_something(node)]


def _catches_all(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {node.id for node in caught if isinstance(node, ast.Name)}
    return handler.type is None or bool(names & {"Exception", "BaseException"})


def _does_something(handler: ast.ExceptHandler) -> bool:
    inner = [node for statement in handler.body for node in ast.walk(statement)]
    return handler.type is not None and any(isinstance(n, DEEDS) for n in inner)


def its_test(path: Path) -> Path | None:
    """Return the file that tests the source file *path*; a package's own __init__ needs none."""
    if path == Path("geventws/version.py"):
        return Path("tests/test_packaging.py")
    if path.stem == "__init__" and path != Path("geventws/__init__.py"):
        return None
    inner = path.relative_to("geventws") if path.parts[0] == "geventws" else path
    return Path("tests") / inner.with_name(f"test_{path.stem.strip('_')}.py")
