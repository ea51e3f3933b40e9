"""`geventws connect`: talk to a server, by hand or through a pipe."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import closing
from typing import Any, Final

import gevent

from geventws.cli.amounts import seconds
from geventws.cli.reaching import add_reaching, reaching
from geventws.cli.terminal import Console, console, printable
from geventws.client import connect
from geventws.core.errors import ConnectionClosed
from geventws.credentials import split_credentials
from geventws.websocket import QUIET, WebSocket

CLOSE_TIMEOUT: Final = 2.0  # seconds; who wants to leave does not wait for long
HELP: Final = """\
Each line typed, or read from a pipe, is sent as a message; each message received is printed.
The end of input, Ctrl-D, closes the connection.
"""
STATUSES: Final = """\
exit status:
  0    the connection was closed with 1000, 1001 or no code
  1    there was no connection, it ended in another way, or the input could not be sent
  2    the arguments make no sense
  130  interrupted by Ctrl-C
"""


def add_to(commands: Any) -> None:
    """Add this command to argparse's *commands*."""
    parser = commands.add_parser(
        "connect",
        help="talk to a server",
        description=HELP,
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("uri", help="ws://, wss://, ws+unix:// or wss+unix://")
    add_reaching(parser)
    add("--binary", action="store_true", help="send each line as a binary message")
    add(
        "--ping-interval",
        type=seconds,
        default=20.0,
        metavar="SECONDS",
        help="ping that often, 0 for never [%(default)s]",
    )
    add(
        "--linger",
        type=seconds,
        default=0.5,
        metavar="SECONDS",
        help="at the end of a pipe, wait until nothing came for so long [%(default)s]",
    )
    add("-v", "--verbose", action="store_true", help="show the opening handshake and the end")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Connect, and pass messages both ways until the input or the connection ends."""
    if options.verbose:
        _show_handshake()
    connection = _connect(options)
    with closing(console()) as shown:
        place, _ = split_credentials(options.uri)
        shown.note(f"connected to {place}{_agreed(connection)}; Ctrl-D closes")
        sender = gevent.spawn(_send_lines, connection, shown, options)
        try:
            closed = _show_messages(connection, shown)
        finally:
            sender.kill(block=False)
            connection.close()
    if connection.state is not None:
        raise connection.state
    return _status(closed, options.verbose or sys.stdin.isatty())


def _show_handshake() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s\n"))
    handshakes = logging.getLogger("geventws.handshake")
    handshakes.addHandler(handler)
    handshakes.setLevel(logging.DEBUG)


def _connect(options: argparse.Namespace) -> WebSocket:
    connection: WebSocket = connect(
        options.uri,
        **reaching(options, options.uri),
        ping_interval=options.ping_interval or None,
        close_timeout=CLOSE_TIMEOUT,
    )
    return connection


def _agreed(connection: WebSocket) -> str:
    return f" with {connection.subprotocol}" if connection.subprotocol else ""


def _send_lines(connection: WebSocket, shown: Console, options: argparse.Namespace) -> None:
    """Send each line of the input; at its end wait for what is still to come, then close."""
    try:
        for line in shown.lines():
            connection.send(line if options.binary else line.decode())
        if not sys.stdin.isatty():
            _wait_until_quiet(connection, options.linger)
    except ConnectionClosed:
        return  # whoever shows the messages tells
    except UnicodeDecodeError:
        connection.state = ValueError("the input is not UTF-8; --binary sends whatever it is")
    except OSError as error:
        connection.state = error
    connection.close()


def _wait_until_quiet(connection: WebSocket, seconds: float) -> None:
    received = -1
    while received != connection.stats.messages_received:
        received = connection.stats.messages_received
        gevent.sleep(seconds)


def _show_messages(connection: WebSocket, shown: Console) -> ConnectionClosed:
    """Show each message; return how the connection ended."""
    while True:
        try:
            message = connection.receive()
        except ConnectionClosed as closed:
            return closed
        shown.show(message)


def _status(closed: ConnectionClosed, told: bool) -> int:
    """Return the exit status; where it is not 0 or somebody wants to be *told*, say why."""
    well = closed.clean and closed.code in QUIET
    if told or not well:
        print(f"geventws: {printable(str(closed))}", file=sys.stderr)
    return 0 if well else 1
