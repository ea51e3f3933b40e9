"""`geventws publish`: say something in a room, from any process."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import gevent

from geventws.cli.amounts import positive
from geventws.cli.brokers import MEMORY, broker_of, reaching_broker
from geventws.cli.terminal import Pipe

REDIS: Final = "redis://127.0.0.1:6379"
INPUT: Final = "-"
BINARY: Final = "the message is not UTF-8; --binary publishes whatever it is"
HELP: Final = """\
Publish MESSAGE in ROOM: whoever is in it is sent it, whatever process and host they are connected
to. With - for MESSAGE it is what standard input has, without the end of its last line.
"""
STATUSES: Final = """\
exit status:
  0    the broker has it; whether anybody is in the room is not said
  1    it was not published, and a line says why
  2    the arguments make no sense
  130  interrupted by Ctrl-C
"""


def add_to(commands: Any) -> None:
    """Add this command to argparse's *commands*."""
    parser = commands.add_parser(
        "publish",
        help="say something in a room of a running service",
        description=HELP,
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("room", metavar="ROOM", help="its name; an empty one is the room of everybody")
    add("message", metavar="MESSAGE", help="what to say, or - for standard input")
    add("--broker", default=REDIS, metavar="URL", help="what the service runs on [%(default)s]")
    add("--binary", action="store_true", help="publish a binary message")
    add("--history", type=_amount, metavar="N", help="what a room remembers, as the service says")
    add("--history-ttl", type=positive, metavar="SECONDS", help="and for how long, if that is said")
    timeout = "how long it may take [%(default)g]"
    add("--timeout", type=positive, default=5.0, metavar="SECONDS", help=timeout)
    add("--lines", action="store_true", help="each line of standard input is a message")
    parser.set_defaults(run=run)


def _amount(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError("not a number from 0 on")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Publish what is to be published, each message once the one before it is."""
    if options.broker == MEMORY:
        raise ValueError("--broker: memory: is one process's own, and nobody else hears of it")
    if options.lines and options.message != INPUT:
        raise ValueError("--lines goes with - for MESSAGE")
    room = _text(_given(options.room), "the room is not UTF-8")
    with closing(_broker(options)) as broker, reaching_broker():
        for message in _messages(options):
            broker.publish(room, message if options.binary else _text(message, BINARY))
    return 0


def _broker(options: argparse.Namespace) -> Any:
    memory = {"history": options.history, "history_ttl": options.history_ttl}
    said = {name: value for name, value in memory.items() if value is not None}
    return broker_of(options.broker, timeout=options.timeout, **said)


def _messages(options: argparse.Namespace) -> Iterator[bytes]:
    if options.message != INPUT:
        yield _given(options.message)
    elif sys.stdin is None:
        raise ValueError("standard input is closed")
    elif options.lines:
        yield from Pipe().lines()
    else:
        given = gevent.get_hub().threadpool.apply(sys.stdin.buffer.read)
        yield given if options.binary else given.removesuffix(b"\n").removesuffix(b"\r")


def _given(argument: str) -> bytes:
    """Return the bytes of an argument, which Python may have taken for ASCII."""
    return argument.encode(errors="surrogateescape")


def _text(given: bytes, otherwise: str) -> str:
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise ValueError(otherwise) from None
