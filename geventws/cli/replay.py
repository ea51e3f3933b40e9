"""`geventws replay`: play recorded sessions again, for many users at once, and say how it went."""

from __future__ import annotations

import argparse
from typing import Any, Final

from geventws.benchmarking.fleet import allow_connections
from geventws.cli.amounts import many, positive, seconds
from geventws.cli.locustfile import locustfile
from geventws.cli.reaching import add_reaching, reaching
from geventws.sessions.playback import Playback, Results, play_all
from geventws.sessions.player import check_values, read_sessions
from geventws.sessions.steps import steps_of

HELP: Final = """\
Play session files, or the WebSockets of HAR files, as they were recorded: each message of the
server's is awaited before the client goes on, and the client takes the time that it took. Of
several sessions each user plays one, in turn.

Messages, headers and addresses may hold variables in braces: {user} is the number of the user.
"""
STATUSES: Final = """\
exit status:
  0    all sessions were played to their ends
  1    one failed, or could not be read
  2    the arguments make no sense
  130  interrupted by Ctrl-C
"""


def add_to(commands: Any) -> None:
    """Add this command to argparse's *commands*."""
    parser = commands.add_parser(
        "replay",
        help="play recorded sessions again",
        description=HELP,
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("session", nargs="+", help="a session file, or a HAR file whose name ends in .har")
    add("--to", metavar="URL", help="the server, as ws://HOST:PORT [the recorded one]")
    add("--users", type=many, metavar="N", help="how many play at once [one for each session]")
    ramp = "spread the users' beginnings over so long [%(default)s]"
    add("--ramp", type=seconds, default=0.0, metavar="SECONDS", help=ramp)
    value = "a variable's value; what was redacted in a session needs one"
    add("--set", action="append", default=[], type=_pair, metavar="NAME=VALUE", help=value)
    take = "a variable that a regular expression finds in what the server says"
    add("--take", action="append", default=[], type=_pair, metavar="NAME=REGEX", help=take)
    clock = "send at the recorded times, whatever the server says by then"
    add("--by-the-clock", action="store_true", help=clock)
    add("--speed", type=positive, default=1.0, metavar="FACTOR", help="so many times as fast")
    timeout = "how long the server may take for a message [%(default)s]"
    add("--timeout", type=positive, default=10.0, metavar="SECONDS", help=timeout)
    add("--locustfile", action="store_true", help="print a locustfile that does this, and end")
    add_reaching(parser)
    parser.set_defaults(run=run)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError("not of the form NAME=...")
    return name, value


def run(options: argparse.Namespace) -> int:
    """Play, and print what came of it; return 1 where anything failed."""
    values, takes = dict(options.set), dict(options.take)
    sessions = [each for path in options.session for each in read_sessions(path)]
    played = [
        steps_of(each, takes, to=options.to, by_the_clock=options.by_the_clock) for each in sessions
    ]
    if options.locustfile:
        print(locustfile(sessions, played, values, options.speed), end="")
        return 0
    for session in sessions:
        check_values(session, values)
    users = options.users or len(sessions)
    allow_connections(users)
    results = Results()

    def make(number: int) -> Playback:
        return Playback(
            results,
            reaching(options, played[number % len(played)][0].arguments[0]),
            {"user": str(number), **values},
            speed=options.speed,
            timeout=options.timeout,
        )

    play_all(played, make, users, options.ramp)
    print(results.text())
    return int(bool(results.failures))
