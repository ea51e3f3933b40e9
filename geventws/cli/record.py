"""`geventws record`: a relay in front of a server, which writes down what passes."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any, Final

from geventws.cli.reaching import add_reaching, reaching
from geventws.cli.serve import DRAIN_TIMEOUT, address_of
from geventws.sessions.recording import Recorder, Relay
from geventws.stopping import serve_until_stopped

HOST: Final = "127.0.0.1"
HELP: Final = """\
Pass connections on to the server at URL, messages unchanged, and write a session file for each.
A URL without a path is asked for the paths that the clients ask for. What gives others somebody's
rights is left out of the headers and the query, but not out of messages.
"""
STATUSES: Final = """\
SIGTERM or Ctrl-C tells every client 1001 and waits ten seconds for them; a second one ends it now.

exit status:
  0    it recorded until it was told to stop
  1    it cannot listen or write, or was told twice
  2    the arguments make no sense
"""


def add_to(commands: Any) -> None:
    """Add this command to argparse's *commands*."""
    parser = commands.add_parser(
        "record",
        help="stand before a server, and write sessions down",
        description=HELP,
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("url", help="the server: ws://, wss://, ws+unix:// or wss+unix://")
    listen = f"where clients connect; without HOST on {HOST}, port 0 takes a free one"
    add("--listen", type=address, required=True, metavar="[HOST:]PORT", help=listen)
    add("--into", default=".", metavar="DIR", help="where the files go [%(default)s]")
    add("--keep-credentials", action="store_true", help="leave nothing out")
    add_reaching(parser)
    parser.set_defaults(run=run)


def address(text: str) -> tuple[str, int]:
    """Return the host and port that *text* says, for argparse."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise argparse.ArgumentTypeError("not [HOST:]PORT")
    return host.removeprefix("[").removesuffix("]") or HOST, int(port)


def run(options: argparse.Namespace) -> int:
    """Record until SIGINT or SIGTERM, then drain; a second signal ends it at once."""
    recorder = Recorder(options.into, options.keep_credentials)
    relay = Relay(options.url, recorder, **reaching(options, options.url))
    server = relay.server(options.listen)
    server.start()
    said = f"listening on {address_of(server, 'ws')}, recording into {options.into}"
    in_time = serve_until_stopped(server, DRAIN_TIMEOUT, listening=partial(print, said, flush=True))
    return 0 if in_time else 1
