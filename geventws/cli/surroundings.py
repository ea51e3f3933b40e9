"""What a program finds around it that decides whether its WebSockets work.

gevent's patches, gunicorn's worker class, proxies of the environment, and whom TLS trusts.
"""

from __future__ import annotations

import ast
import os
import shlex
import ssl
import sys
from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.request import getproxies_environment

from gevent.monkey import get_original, is_module_patched

from geventws.cli.findings import Fact
from geventws.cli.terminal import printable
from geventws.proxy import parse_proxy

PATCHES: Final = ("socket", "ssl", "select", "threading", "time", "subprocess", "queue")
# what other modules like to import by name, which a patch that comes later does not reach
_TAKEN: Final = {
    "socket": ("socket", "create_connection", "getaddrinfo"),
    "ssl": ("SSLContext", "SSLSocket"),
    "select": ("select",),
    "time": ("sleep",),
}
_OURS: Final = {"gevent", "geventws"}  # which take the originals on purpose
EARLIER: Final = (
    "what they took blocks every greenlet, or fails in TLS; call gevent.monkey.patch_all() in the "
    "first line of the program, before any other import"
)

WORKER: Final = "geventws.adapters.gunicorn.GeventWebSocketWorker"
_WITHOUT: Final = {
    "sync": "a connection occupies the whole worker for as long as it is open",
    "eventlet": "it has another hub than gevent's",
    "tornado": "it runs no gevent",
    "asgi": "it runs asyncio and no gevent",
}
_PROXIES: Final = ("wss", "https", "ws", "http", "socks", "all")


def surroundings() -> list[Fact]:
    """Find out what is around this process."""
    gunicorn = gunicorn_settings()
    workers = [worker(gunicorn)] if gunicorn else []
    return [patches(list(taken_before())), *workers, *proxies(), trust()]


# gevent's patches


def patches(taken: list[str]) -> Fact:
    """Return what gevent has patched, and what was *taken* of it before."""
    patched = [name for name in PATCHES if is_module_patched(name)]
    if not patched:
        return Fact("patched", "nothing, which geventws does not need")
    value = " ".join(patched)
    if not taken:
        return Fact("patched", value)
    return Fact("patched", value, f"too late for {', '.join(taken)}: {EARLIER}", wrong=True)


def taken_before() -> Iterator[str]:
    """Yield which modules have what gevent patched as it was before: "requests (ssl.SSLContext)".

    Modules of the standard library are left out: what gevent patches includes what they need.
    """
    names = {
        id(get_original(module, name)): f"{module}.{name}"
        for module, taken in _TAKEN.items()
        if is_module_patched(module)
        for name in taken
    }
    for name, module in sorted(sys.modules.items()):
        top = name.partition(".")[0]
        if top in _OURS or top in sys.stdlib_module_names:
            continue
        held = sorted({names[id(each)] for each in _values(module) if id(each) in names})
        if held:
            yield f"{name} ({' '.join(held)})"


def _values(module: Any) -> list[Any]:
    return list(getattr(module, "__dict__", {}).values())


# gunicorn


def worker(settings: list[tuple[str, str]]) -> Fact:
    """Return gunicorn's worker class, the first of its *settings*, and whether it serves."""
    name, source = settings[0]
    value = printable(f"{name}, says {source}")
    why = _WITHOUT.get(name) or ("it runs asyncio and no gevent" if "uvicorn" in name else "")
    if not why:
        return Fact("gunicorn worker", value)
    return Fact("gunicorn worker", value, f"{why}; gunicorn -k {WORKER}", wrong=True)


def gunicorn_settings(process: int | None = None) -> list[tuple[str, str]]:
    """Return which worker class is chosen and where, what counts most first; none without gunicorn.

    Args:
        process: whose command line may be gunicorn's; the parent's by default.
    """
    line = _command_line(os.getppid() if process is None else process)
    # python /usr/bin/gunicorn, python -m gunicorn, or a title: "gunicorn: master [app]"
    is_there = any(Path(word).name.partition(":")[0] == "gunicorn" for word in line[:3])
    name, config = _options(line) if is_there else (None, "")
    found = {
        "its command line": name,
        "GUNICORN_CMD_ARGS": _of_environment(),
        config or "gunicorn.conf.py": _of_file(Path(config or "gunicorn.conf.py")),
    }
    if set(found.values()) == {None}:
        return []
    chosen = [(name, source) for source, name in found.items() if name]
    return [*chosen, ("sync", "gunicorn's default")]


def _command_line(process: int) -> list[str]:
    """Return the words that *process* was started with; none where no /proc tells."""
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def _of_environment() -> str | None:
    """Return the worker class that the environment sets, "" for none; None without gunicorn."""
    if "GUNICORN_CMD_ARGS" not in os.environ:
        return None
    with suppress(ValueError):  # a quote that nothing closes, with which gunicorn does not start
        return _options(shlex.split(os.environ["GUNICORN_CMD_ARGS"]))[0]
    return ""


def _options(words: list[str]) -> tuple[str, str]:
    """Return the worker class and the settings file that *words* have for gunicorn, "" for none."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-k", "--worker-class", default="")
    parser.add_argument("-c", "--config", default="")
    parser.add_argument("--threads", default="1")
    with suppress(ArgumentError):  # an option without its value, likewise
        found, _ = parser.parse_known_args(words)
        name = _threaded(found.worker_class, found.threads != "1")
        return name, found.config.removeprefix("file:")
    return "", ""


def _of_file(path: Path) -> str | None:
    """Return the worker class that a settings file sets, "" for none; it is read and not run."""
    try:
        module = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    values: dict[str, Any] = {}
    for node in module.body:
        match node:
            case ast.Assign(targets=targets, value=value):
                values.update(dict.fromkeys(map(ast.unparse, targets), _plain(value)))
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                values[ast.unparse(target)] = _plain(value)
    return _threaded(str(values.get("worker_class", "")), values.get("threads", 1) != 1)


def _plain(value: ast.expr) -> Any:
    return value.value if isinstance(value, ast.Constant) else ast.unparse(value)


def _threaded(name: str, threads: bool) -> str:
    """Return what gunicorn makes of the worker class *name* where it is given *threads*."""
    return "gthread" if threads and name in ("", "sync") else name


# Proxies


def proxies() -> Iterator[Fact]:
    """Yield the proxies that the environment names, without credentials."""
    found = getproxies_environment()
    named = [name for name in _PROXIES if found.get(name)]
    yield from (_proxy(name, found[name]) for name in named)
    if named and found.get("no"):
        yield Fact("no_proxy", printable(found["no"]))


def _proxy(name: str, url: str) -> Fact:
    url = f"socks5h://{url.rpartition('://')[2]}" if name == "socks" else url
    name = f"{name}_proxy"
    try:
        proxy = parse_proxy(url)
    except ValueError as error:
        return Fact(name, "malformed", f"{error}", wrong=True)
    known = "" if proxy.user is None else ", with credentials"
    value = f"{proxy.scheme}://{proxy.host}:{proxy.port}{known}"
    if proxy.scheme.startswith("socks") and find_spec("python_socks") is None:
        return Fact(name, value, "it takes pip install geventws[socks]", wrong=True)
    return Fact(name, value)


# TLS


def trust() -> Fact:
    """Return whom TLS trusts by default, and whether the operating system could be asked."""
    paths = ssl.get_default_verify_paths()
    file = os.environ.get("SSL_CERT_FILE", paths.openssl_cafile)
    directories = os.environ.get("SSL_CERT_DIR", paths.openssl_capath).split(os.pathsep)
    counts = {file: _in_file(file), **{path: _in_directory(path) for path in directories}}
    places = ", ".join(f"{count} in {path}" for path, count in counts.items() if count)
    asked = "there" if find_spec("truststore") else "not there"
    value = printable(f"certificates: {places or 'none'}; truststore is {asked}")
    advice = _distrust(counts)
    return Fact("TLS trust", value, advice, wrong=bool(advice))


def _in_file(path: str) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with suppress(OSError):  # of which ssl.SSLError is one
        context.load_verify_locations(path)
    return context.cert_store_stats()["x509"]


def _in_directory(path: str) -> int:
    return len(list(Path(path).glob("*.[0-9]")))  # as OpenSSL looks them up, when it needs one


def _distrust(counts: dict[str, int]) -> str:
    so = "" if any(counts.values()) else ", so no wss:// opens"
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        given = os.environ.get(name)
        if given is not None and not any(
            counts.get(path) for path in (given, *given.split(os.pathsep))
        ):
            return printable(f"{name} names {given}, where no certificate is{so}")
    return so and f"nobody is trusted{so}; install ca-certificates, or see truststore"
