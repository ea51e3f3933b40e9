"""`geventws serve`: an echo, the chat demo, or a handler of yours."""

from __future__ import annotations

import argparse
import signal
import ssl
import sys
import traceback
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import gevent
from gevent.event import Event

from geventws.demo import demo_handler, pages
from geventws.server import WebSocketServer
from geventws.server import serve as serve_websockets
from geventws.websocket import EchoWebSocket

DRAIN_TIMEOUT: Final = 10.0  # seconds; what runs us waits about as long before it kills
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
STATUSES: Final = """\
SIGTERM or Ctrl-C tells every client 1001 and waits ten seconds for them; a second one ends it now.

exit status:
  0    it served until it was told to stop
  1    it cannot serve, or was told twice
  2    the arguments make no sense
"""


def add_to(commands: Any) -> None:
    """Add this command to argparse's *commands*."""
    parser = commands.add_parser(
        "serve",
        help="serve an echo, the chat demo, or your handler",
        description="Serve WebSockets until told to stop.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--echo", action="store_true", help="send every message back (the default)")
    what.add_argument("--chat", action="store_true", help="the chat page at /, its echo at /echo")
    what.add_argument(
        "--app", metavar="MODULE:NAME", help="a handler: a callable, or a WebSocket class"
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on [%(default)s]")
    add("--port", type=_port, default=9000, help="0 takes a free one [%(default)s]")
    add("--certfile", metavar="FILE", help="for TLS: the certificate and its chain, PEM")
    add("--keyfile", metavar="FILE", help="for TLS: the key, PEM, if it is not in --certfile")
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError("not from 0 to 65535")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, then drain; a second signal ends it at once."""
    server = _server(options)
    server.start()
    stopped = Event()
    handlers = [gevent.signal_handler(number, _stop, stopped) for number in SIGNALS]
    try:
        print(f"listening on {_address(server, options)}", flush=True)
        stopped.wait()
        server.drain(DRAIN_TIMEOUT)
    finally:
        for handler in handlers:
            handler.cancel()
    return 0


def _stop(stopped: Event) -> None:
    if stopped.is_set():
        sys.exit(1)
    stopped.set()


def _address(server: WebSocketServer, options: argparse.Namespace) -> str:
    scheme = "http" if options.certfile is None else "https"
    host = f"[{server.server_host}]" if ":" in str(server.server_host) else server.server_host
    return f"{scheme}://{host}:{server.server_port}"


def _server(options: argparse.Namespace) -> WebSocketServer:
    listen = partial(serve_websockets, address=(options.host, options.port), ssl=_context(options))
    if options.chat:
        return listen(demo_handler, process_request=pages)
    return listen(EchoWebSocket if options.app is None else load(options.app))


def _context(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.certfile is None:
        if options.keyfile is not None:
            raise ValueError("--keyfile goes with --certfile")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.certfile, options.keyfile)
    except OSError as error:  # which names neither option nor file
        raise ValueError(f"--certfile, --keyfile: {error.strerror or error}") from error
    return context


def load(name: str) -> Any:
    """Return the handler called *name*, as MODULE:NAME; the working directory is searched too.

    Raises:
        ValueError: there is no such module or name, the module fails, or it cannot be called.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ValueError("--app: not of the form MODULE:NAME")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        imported = import_module(module)
    except Exception as error:
        raise ValueError(f"--app: {_blame(error)}") from error
    if not hasattr(imported, attribute):
        raise ValueError(f"--app: module {module!r} has no attribute {attribute!r}")
    handler = getattr(imported, attribute)
    if not callable(handler):
        raise ValueError(f"--app: {name} cannot be called")
    return handler


def _blame(error: Exception) -> str:
    """Return in one line what a module failed with, and where in it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    said = f"{type(error).__name__}: {error}"
    return said if "importlib" in last.filename else f"{said} ({last.filename}, line {last.lineno})"
