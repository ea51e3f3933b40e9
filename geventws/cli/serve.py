"""`geventws serve`: an echo, the chat demo, or a handler of yours."""

from __future__ import annotations

import argparse
import ssl
import sys
import traceback
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from geventws.cli.amounts import seconds
from geventws.cli.brokers import MEMORY, BrokeredServer, broker_of, with_manager
from geventws.dashboard import Dashboard, new_token
from geventws.demo import demo_handler, demo_over, pages
from geventws.listening import listen_for
from geventws.manager import Manager
from geventws.prefork import prefork
from geventws.server import WebSocketServer
from geventws.server import serve as serve_websockets
from geventws.stopping import serve_until_stopped
from geventws.websocket import EchoWebSocket, WebSocket

DRAIN_TIMEOUT: Final = 10.0  # seconds; what runs us waits about as long before it kills
STATUSES: Final = """\
SIGTERM or Ctrl-C lets what is under way finish, tells every client 1001 and waits for them; a
second one ends it now. With --workers, SIGHUP replaces them one by one (1012).

With --broker a handler is given two arguments, the connection and the Manager of all connections,
whose rooms reach every process that has the same broker: redis://, rediss://, unix://, or memory:
for one process alone.

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
    add("--workers", metavar="N", type=_workers, help="serve in N processes of their own")
    add("--broker", metavar="URL", help="what rooms of several processes and hosts run on")
    add("--reuse-port", action="store_true", help="let other programs share the port")
    add(
        "--drain-timeout",
        metavar="SECONDS",
        type=seconds,
        default=DRAIN_TIMEOUT,
        help="how long the end may take [%(default)g]",
    )
    add("--dashboard", action="store_true", help="live numbers on a page, guarded by a token")
    parser.set_defaults(run=run)


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError("not a number of processes")
    return int(text)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError("not from 0 to 65535")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, then drain; a second signal ends it at once."""
    if options.dashboard and options.workers:
        raise ValueError("--dashboard: it shows its own process, and --workers serve in others")
    _check_broker(options)
    in_time = _serve_together(options) if options.workers else _serve_alone(options)
    return 0 if in_time else 1


def _check_broker(options: argparse.Namespace) -> None:
    """Raise ValueError where people would wait in rooms that nobody can come to."""
    if options.broker is not None and not (options.chat or options.app):
        raise ValueError("--broker goes with --chat or --app: an echo has no rooms")
    several = (options.workers or 1) > 1
    if several and options.chat and options.broker is None:
        raise ValueError("--chat: who is on one of several workers needs a --broker to meet others")
    if several and options.broker == MEMORY:
        raise ValueError("--broker: memory: is one process's own, and there are several workers")


def _serve_alone(options: argparse.Namespace) -> bool:
    dashboard = _dashboard(options) if options.dashboard else None
    server = _server(
        options, (options.host, options.port), reuse_port=options.reuse_port, dashboard=dashboard
    )
    server.start()
    said = f"listening on {_uri(server.address, _scheme(options))}"
    if dashboard is not None:
        dashboard.manager = server.manager
        path = f"{dashboard.prefix}/?token={dashboard.token}"
        said += f"\ndashboard on {_uri(server.address, _scheme(options))}{path}"
    return serve_until_stopped(server, options.drain_timeout, listening=partial(_say, said))


def _serve_together(options: argparse.Namespace) -> bool:
    workers = options.workers
    listeners = listen_for(workers, (options.host, options.port), reuse_port=options.reuse_port)
    uri = _uri(listeners[0].getsockname(), _scheme(options))
    return prefork(
        partial(_server, options),
        listeners,
        workers,
        drain_timeout=options.drain_timeout,
        listening=partial(_say, f"listening on {uri} (workers: {workers})"),
    )


def _say(said: str) -> None:
    print(said, flush=True)


def address_of(server: WebSocketServer, scheme: str) -> str:
    """Return where *server* listens, as a URL."""
    return _uri(server.address, scheme)


def _uri(address: Any, scheme: str) -> str:
    host, port = address[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _scheme(options: argparse.Namespace) -> str:
    return "http" if options.certfile is None else "https"


def _dashboard(options: argparse.Namespace) -> Dashboard:
    others = pages if options.chat else None
    return Dashboard(new_token(), secure=options.certfile is not None, process_request=others)


def _server(
    options: argparse.Namespace,
    listener: Any,
    reuse_port: bool = False,
    dashboard: Dashboard | None = None,
) -> WebSocketServer:
    process_request = pages if options.chat else None
    arguments: dict[str, Any] = {
        "process_request": process_request if dashboard is None else dashboard.answer,
        "ssl": _context(options),
        "reuse_port": reuse_port,
    }
    if options.broker is not None:
        return _brokered(options, listener, arguments)
    if options.chat:
        handler: Any = demo_handler
    else:
        handler = EchoWebSocket if options.app is None else load(options.app)
    return serve_websockets(handler, listener, **arguments)


def _brokered(
    options: argparse.Namespace, listener: Any, arguments: dict[str, Any]
) -> BrokeredServer:
    """Return a server whose handler shares rooms with those of other processes."""
    application = None if options.chat else load(options.app)
    if isinstance(application, type) and issubclass(application, WebSocket):
        raise ValueError("--broker: a WebSocket class takes no Manager; give --app a function")
    broker = broker_of(options.broker)
    if application is None:
        handler: Any = demo_over(broker)
    else:
        handler = with_manager(application, Manager(broker=broker))
    server = BrokeredServer(listener, handler, **arguments)
    server.broker = broker
    return server


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
