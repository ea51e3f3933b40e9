"""`geventws bench`: load a server that echoes, or two in turn, and say how they bear it."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from ipaddress import ip_address
from typing import Any, Final

import gevent

from geventws.benchmarking.bench import Bench
from geventws.benchmarking.fleet import Fleet, allow_connections
from geventws.benchmarking.plan import Message, Plan, messages_of
from geventws.benchmarking.report import found, text
from geventws.cli.amounts import many, positive, seconds
from geventws.cli.reaching import add_reaching, reaching
from geventws.cli.terminal import printable

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
DURATION: Final = 10.0
WARM_UP: Final = 1.0
ROUNDS: Final = 5
MOST_SOURCES: Final = 1024
STEP: Final = 0.5  # seconds between two looks at what is going on
HELP: Final = """\
Open connections, send messages on them, and tell how long the answers took. The server has to send
every message back, unless --no-echo says that any message is the answer.

Without --rate each connection waits for an answer before it sends more (closed loop). With it
messages are due at fixed moments, and their latency counts from then (open loop).
"""
STATUSES: Final = """\
Ctrl-C or SIGTERM ends the measurement and shows what was found so far; a second one ends it now.

exit status:
  0    all messages were answered
  1    something failed, and a line says what
  2    the arguments make no sense
  130  interrupted twice
"""


def add_to(commands: Any) -> None:
    """Add this command to argparse's *commands*."""
    parser = commands.add_parser(
        "bench",
        help="load a server, and tell how long it takes to answer",
        description=HELP,
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("url", help="ws://, wss://, ws+unix:// or wss+unix://")
    add("other", nargs="?", metavar="url2", help="compare with this one, in alternating rounds")
    _add_load(parser)
    _add_length(parser)
    add("--json", action="store_true", help="print the report as JSON")
    add_reaching(parser)
    parser.set_defaults(run=run)


def _add_load(parser: Any) -> None:
    add = parser.add_argument
    add("-c", "--connections", type=many, default=10, metavar="N", help="how many [%(default)s]")
    add(
        "--source-address",
        type=sources,
        action="append",
        default=[],
        metavar="IP[-IP]",
        help="connect from it, or from each of a range in turn; may be repeated",
    )
    add("--opening", type=many, default=64, metavar="N", help="so many at once [%(default)s]")
    loop = parser.add_mutually_exclusive_group()
    flight = "messages under way on each connection [%(default)s]"
    loop.add_argument("--in-flight", type=many, default=1, metavar="N", help=flight)
    rate = "messages a second that are due on all connections together"
    loop.add_argument("--rate", type=positive, metavar="N", help=rate)
    what = parser.add_mutually_exclusive_group()
    size = "the size of a message [%(default)s]"
    what.add_argument("--size", type=_size, default=32, metavar="BYTES", help=size)
    what.add_argument("--message", metavar="TEXT", help="send this")
    add("--binary", action="store_true", help="send binary messages")
    add("--no-echo", action="store_true", help="take any message for the answer")


def _add_length(parser: Any) -> None:
    add = parser.add_argument
    duration = f"how long to measure each server [{DURATION:g}, or until --count]"
    add("--duration", type=positive, metavar="SECONDS", help=duration)
    add("--count", type=many, metavar="N", help="measure so many messages on each server")
    warm_up = f"load it before that so long [{WARM_UP:g}, with --count 0]"
    add("--warm-up", type=seconds, metavar="SECONDS", help=warm_up)
    rounds = f"how often to take turns with two servers [{ROUNDS}]"
    add("--rounds", type=many, default=ROUNDS, metavar="N", help=rounds)
    timeout = "how long an answer may take [%(default)g]"
    add("--timeout", type=positive, default=10.0, metavar="SECONDS", help=timeout)


def _size(given: str) -> int:
    if not (given.isascii() and given.isdigit()):
        raise argparse.ArgumentTypeError("not a number of bytes")
    return int(given)


def sources(given: str) -> list[str]:
    """Return the addresses that *given* names, "127.0.0.1" or "127.0.0.1-127.0.0.9", for argparse.

    Raises:
        argparse.ArgumentTypeError: it is neither, or a range of more than MOST_SOURCES.
    """
    first, dash, last = given.partition("-")
    try:
        start, end = ip_address(first), ip_address(last if dash else first)
    except ValueError:
        raise argparse.ArgumentTypeError("not an IP address, or two with a - between") from None
    count = int(end) - int(start) + 1
    if start.version != end.version or not 0 < count <= MOST_SOURCES:
        raise argparse.ArgumentTypeError(f"not a range of up to {MOST_SOURCES} addresses")
    return [str(start + number) for number in range(count)]


def run(options: argparse.Namespace) -> int:
    """Load what is to be loaded, and print the report; return 1 where anything failed."""
    bench = _bench(options)
    handlers = [gevent.signal_handler(number, stop, bench) for number in SIGNALS]
    shown = gevent.spawn(_show, bench) if sys.stderr.isatty() else None
    try:
        bench.run()
    finally:
        for handler in handlers:
            handler.cancel()
        if shown is not None:
            shown.kill()
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    figures = found(bench)
    print(json.dumps(figures, indent=2) if options.json else text(bench))
    return int(figures["failed"])


def _bench(options: argparse.Namespace) -> Bench:
    plan = plan_of(options)
    urls = [options.url] if options.other is None else [options.url, options.other]
    allow_connections(plan.connections * len(urls))
    addresses = [address for some in options.source_address for address in some]
    fleets = [Fleet(url, plan, reaching(options, url), addresses, options.opening) for url in urls]
    return Bench(plan, fleets, 1 if options.other is None else options.rounds)


def plan_of(options: argparse.Namespace) -> Plan:
    """Return what the *options* say is to be sent, and for how long."""
    if options.message is None:
        messages = messages_of(options.size, options.binary)
    else:
        messages = (_message(options),)
    counts = options.count is not None
    warm_up = 0.0 if counts else WARM_UP
    duration = None if counts else DURATION
    return Plan(
        messages=messages,
        connections=options.connections,
        in_flight=options.in_flight,
        rate=options.rate,
        echo=not options.no_echo,
        duration=duration if options.duration is None else options.duration,
        count=options.count,
        warm_up=warm_up if options.warm_up is None else options.warm_up,
        timeout=options.timeout,
    )


def _message(options: argparse.Namespace) -> Message:
    given: str = options.message
    return given.encode(errors="surrogateescape") if options.binary else given


def stop(bench: Bench) -> None:
    """Have *bench* end soon; being asked again is being interrupted."""
    if bench.interrupted:
        raise KeyboardInterrupt
    bench.stop()


def _show(bench: Bench) -> None:
    """Keep the last row of the terminal up to date."""
    while True:
        gevent.sleep(STEP)
        row = printable(bench.status())[: shutil.get_terminal_size().columns - 1]
        print(f"\r\x1b[K{row}", end="", file=sys.stderr, flush=True)
