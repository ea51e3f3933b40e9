"""`geventws connect`: talk to a server, by hand or through a pipe."""

from __future__ import annotations

import argparse
import logging
import ssl
import sys
from collections.abc import Callable
from typing import Any

import gevent

from geventws.client import connect
from geventws.core.errors import ConnectionClosed, HandshakeError
from geventws.options import DEFLATE
from geventws.websocket import QUIET, WebSocket

try:
    import readline
except ImportError:  # a Python without it still has a plain prompt
    readline = None  # type: ignore[assignment]

PROMPT = "> "


def add_to(commands: Any) -> None:
    """Add this command to argparse's *commands*."""
    parser = commands.add_parser(
        "connect",
        help="talk to a server",
        description="Each line typed, or read from a pipe, is sent as a message; each message "
        "received is printed. The end of input closes the connection.",
    )
    parser.add_argument("uri", help="ws://, wss://, ws+unix:// or wss+unix://")
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="send it too"
    )
    parser.add_argument(
        "--subprotocol", action="append", default=[], metavar="NAME", help="offer it"
    )
    parser.add_argument("--origin", help="the Origin to send")
    parser.add_argument(
        "--insecure", action="store_true", help="verify neither certificate nor name"
    )
    parser.add_argument("--no-compression", action="store_true", help="offer no permessage-deflate")
    parser.add_argument(
        "--ping-interval", type=float, default=20.0, metavar="SECONDS", help="[%(default)s]"
    )
    parser.add_argument(
        "--linger",
        type=float,
        default=0.5,
        metavar="SECONDS",
        help="after the end of input, wait until nothing came for so long [%(default)s]",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show the opening handshake")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Connect, and pass messages both ways until the input or the connection ends."""
    if options.verbose:
        _show_handshake()
    try:
        connection = _connect(options)
    except HandshakeError as error:
        print(f"geventws: {error}", file=sys.stderr)
        return 1
    terminal = Terminal(sys.stdin.isatty())
    terminal.note(f"connected to {options.uri}")
    sender = gevent.spawn(_send_lines, connection, terminal, options.linger)
    try:
        return _print_messages(connection, terminal)
    finally:
        sender.kill(block=False)
        connection.close()


def _show_handshake() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handshakes = logging.getLogger("geventws.handshake")
    handshakes.addHandler(handler)
    handshakes.setLevel(logging.DEBUG)


def _connect(options: argparse.Namespace) -> WebSocket:
    return connect(
        options.uri,
        headers=[_header(text) for text in options.header],
        subprotocols=options.subprotocol,
        origin=options.origin,
        ssl=_unverified() if options.insecure else None,
        compression=None if options.no_compression else DEFLATE,
        ping_interval=options.ping_interval,
    )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError("--header: not of the form NAME:VALUE")
    return name.strip(), value.strip()


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _send_lines(connection: WebSocket, terminal: Terminal, linger: float) -> None:
    """Send each line of the input; at its end wait for what is still to come, then close."""
    try:
        while (line := terminal.read_line()) is not None:
            connection.send(line)
        if not terminal.interactive:
            _wait_until_quiet(connection, linger)
        connection.close()
    except ConnectionClosed:
        return  # whoever prints the messages tells


def _wait_until_quiet(connection: WebSocket, seconds: float) -> None:
    received = -1
    while received != connection.stats.messages_received:
        received = connection.stats.messages_received
        gevent.sleep(seconds)


def _print_messages(connection: WebSocket, terminal: Terminal) -> int:
    while True:
        try:
            terminal.show(connection.receive())
        except ConnectionClosed as closed:
            terminal.note(str(closed))
            return 0 if closed.clean and closed.code in QUIET else 1


class Terminal:
    """Standard input and output, by hand with a prompt or through a pipe without."""

    def __init__(self, interactive: bool) -> None:
        self.interactive = interactive
        self._read: Callable[[], str] = self._prompt if interactive else sys.stdin.readline
        self._prompting = False

    def read_line(self) -> str | None:
        """Wait for a line and return it without its end; None at the end of the input.

        The read happens in a thread of its own: it would block the hub, and readline, which keeps
        the history, knows no other way.
        """
        line: str = gevent.get_hub().threadpool.apply(self._read)
        return line.removesuffix("\n").removesuffix("\r") if line else None

    def show(self, message: str | bytes) -> None:
        """Print a message: as it is into a pipe, readable by hand."""
        if self.interactive:
            self._print(f"< {message if isinstance(message, str) else message!r}")
        elif isinstance(message, str):
            print(message, flush=True)
        else:
            sys.stdout.buffer.write(message)
            sys.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """Tell the person about the connection; a pipe is told nothing."""
        if self.interactive:
            self._print(text)

    def _prompt(self) -> str:
        try:
            self._prompting = True
            return input(PROMPT) + "\n"
        except EOFError:
            return ""
        finally:
            self._prompting = False

    def _print(self, text: str) -> None:
        """Print a line above the one that is being typed."""
        typed = PROMPT + (readline.get_line_buffer() if readline else "") if self._prompting else ""
        print(f"\r\x1b[K{text}\n{typed}", end="", flush=True)
