"""The command line: `geventws` and `python -m geventws`, one file per command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from geventws.cli import connect, serve
from geventws.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that *arguments* name, sys.argv's by default, and return its exit status."""
    parser = argparse.ArgumentParser(prog="geventws", description="WebSockets on gevent.")
    parser.add_argument("--version", action="version", version=f"geventws {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (connect, serve):
        command.add_to(commands)
    chosen = parser.parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError, TypeError) as error:
        print(f"geventws: {error}", file=sys.stderr)
        return 1
    return status
