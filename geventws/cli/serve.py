"""`geventws serve`: an echo, the chat demo, or a handler of yours."""

from __future__ import annotations

import argparse
import signal
import ssl
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import gevent

from geventws.demo import demo_handler, pages
from geventws.server import WebSocketServer
from geventws.server import serve as serve_websockets
from geventws.websocket import EchoWebSocket

DRAIN_TIMEOUT = 10.0  # seconds; what runs us waits about as long before it kills


def add_to(commands: Any) -> None:
    """Add this command to argparse's *commands*."""
    parser = commands.add_parser("serve", help="serve an echo, the chat demo, or your handler")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--echo", action="store_true", help="send every message back (the default)")
    what.add_argument("--chat", action="store_true", help="the chat page at /, its echo at /echo")
    what.add_argument(
        "--app", metavar="MODULE:NAME", help="a handler: a callable, or a WebSocket class"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on [%(default)s]"
    )
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one [%(default)s]")
    parser.add_argument("--certfile", help="for TLS: the certificate and its chain, PEM")
    parser.add_argument("--keyfile", help="for TLS: the key, PEM, if it is not in --certfile")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, then drain; a second signal ends it at once."""
    server = _server(options)
    server.start()
    scheme = "http" if options.certfile is None else "https"
    host = f"[{server.server_host}]" if ":" in server.server_host else server.server_host
    print(f"listening on {scheme}://{host}:{server.server_port}", flush=True)
    stopped = gevent.event.Event()
    handlers = [gevent.signal_handler(number, _stop, stopped) for number in _SIGNALS]
    try:
        stopped.wait()
        server.drain(DRAIN_TIMEOUT)
    finally:
        for handler in handlers:
            handler.cancel()
    return 0


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _stop(stopped: Any) -> None:
    if stopped.is_set():
        sys.exit(1)
    stopped.set()


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
    context.load_cert_chain(options.certfile, options.keyfile)
    return context


def load(name: str) -> Any:
    """Return the handler called *name*, as MODULE:NAME; the working directory is searched too.

    Raises:
        ValueError: there is no such module or name, or it cannot be called.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ValueError("--app: not of the form MODULE:NAME")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        handler = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ValueError(f"--app: {error}") from error
    except AttributeError as error:
        raise ValueError(f"--app: {error}") from error
    if not callable(handler):
        raise ValueError(f"--app: {name} cannot be called")
    return handler
