"""`geventws doctor`: what is in use here, and why a server cannot be reached."""

from __future__ import annotations

import argparse
import platform
import resource
import ssl
from collections.abc import Sequence
from typing import Any, Final

import gevent
import greenlet

from geventws.cli.amounts import positive
from geventws.cli.findings import Fact, as_json, report
from geventws.cli.probing import probe
from geventws.cli.reaching import add_reaching, reaching
from geventws.cli.surroundings import surroundings
from geventws.core import mask
from geventws.limits import MAX_CONNECTIONS, SPARE_FILES, most_connections
from geventws.twins import hot_modules, is_compiled
from geventws.version import __version__

HELP: Final = """\
Say what geventws runs on here, and what could be better. With a URL, open a WebSocket there, step
by step, and say why that fails, or what was agreed on.
"""
STATUSES: Final = """\
A note says what could be better, such as compiled instead of interpreted modules.

exit status:
  0    nothing is wrong
  1    something is wrong, and a line says what
  2    the arguments make no sense
"""
COMPILE: Final = (
    "messages cost more CPU time interpreted; install a C compiler and Python's headers, "
    "then geventws again with GEVENTWS_COMPILE=yes"
)
ACCELERATE: Final = "where nothing can be compiled, pip install geventws[wsaccel] makes it faster"


def add_to(commands: Any) -> None:
    """Add this command to argparse's *commands*."""
    parser = commands.add_parser(
        "doctor",
        help="say what is in use, and why a server cannot be reached",
        description=HELP,
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("uri", nargs="?", help="ws://, wss://, ws+unix:// or wss+unix://")
    add_reaching(parser)
    add(
        "--timeout",
        type=positive,
        default=10.0,
        metavar="SECONDS",
        help="how long each step may take [%(default)s]",
    )
    add("--json", action="store_true", help="print a JSON array of what was found out")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what is in use, and how it went to open a WebSocket; return 1 where that is wrong.

    Raises:
        ValueError: an option that says how a server is asked is wrong.
    """
    found = facts()
    if options.uri is not None:
        found += probe(options.uri, reaching(options, options.uri), options.timeout)
    print(as_json(found) if options.json else report(found))
    return int(any(fact.wrong for fact in found))


def facts() -> list[Fact]:
    """Find out what is in use in this process, and around it."""
    hot = hot_modules()
    return [
        Fact("geventws", __version__),
        Fact("Python", f"{platform.python_version()}, {platform.python_implementation()}"),
        Fact("gevent", gevent.__version__),
        Fact("greenlet", greenlet.__version__),
        event_loop(gevent.get_hub().loop),
        twins(hot, [name for name in hot if not is_compiled(name)]),
        masking(mask.COMPILED, vars(mask)["XorMaskerSimple"] is not None),
        Fact("TLS", ssl.OPENSSL_VERSION),
        open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0], most_connections()),
        *surroundings(),
    ]


def event_loop(loop: Any) -> Fact:
    """Return whose *loop* it is, gevent.libev.corecext's say, and what it asks the kernel with."""
    library = type(loop).__module__.removeprefix("gevent.").partition(".")[0]
    backend = "" if loop.backend == "default" else f", {loop.backend}"  # libuv does not say
    return Fact("event loop", f"{library}{backend}")


def twins(hot: Sequence[str], interpreted: Sequence[str]) -> Fact:
    """Return which of the *hot* modules are *interpreted*."""
    if hot and not interpreted:
        return Fact("hot modules", f"compiled, all {len(hot)}")
    if len(interpreted) == len(hot):
        return Fact("hot modules", f"interpreted, all {len(hot)}", COMPILE)
    names = " ".join(name.removeprefix("geventws.") for name in interpreted)
    value = f"{len(hot) - len(interpreted)} of {len(hot)} compiled; interpreted: {names}"
    return Fact("hot modules", value, COMPILE)


def masking(compiled: bool, accelerated: bool) -> Fact:
    """Return what lays the key over a payload."""
    if compiled:
        return Fact("masking", "the compiled loop")
    if accelerated:
        return Fact("masking", f"wsaccel; big integers below {mask.ACCELERATED} bytes")
    return Fact("masking", "big integers", ACCELERATE)


def open_files(files: int, most: int) -> Fact:
    """Return the limit of open *files*, and the *most* connections of a server that follow."""
    limit = "unlimited" if files == resource.RLIM_INFINITY else str(files)
    value = f"{limit}, so max_connections is {most} by default"
    if most == MAX_CONNECTIONS:
        return Fact("open files", value)
    enough = MAX_CONNECTIONS + SPARE_FILES
    advice = f"for {MAX_CONNECTIONS} connections, ulimit -n {enough} before the start"
    return Fact("open files", value, advice, wrong=most == 1)
