"""The command line: `geventws` and `python -m geventws`, one file per command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import gevent

from geventws.cli import bench, connect, doctor, publish, record, replay, serve
from geventws.cli.terminal import printable
from geventws.core.errors import Rejected, WebSocketError
from geventws.version import __version__

INTERRUPTED: Final = 130  # as a shell has it: 128 and the number of SIGINT
MAX_REASON: Final = 200  # characters of a refusal's body


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that *arguments* name, sys.argv's by default, and return its exit status."""
    chosen = _parser().parse_args(arguments)
    hub = gevent.get_hub()
    if KeyboardInterrupt not in hub.NOT_ERROR:  # it is nothing to print a traceback for
        hub.NOT_ERROR += (KeyboardInterrupt,)
    try:
        status: int = chosen.run(chosen)
        print(end="", flush=True)  # or the interpreter would find a broken pipe at its end
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 1
    except (WebSocketError, OSError, ValueError, TypeError) as error:
        print(f"geventws: {explain(error)}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="geventws", description="WebSockets on gevent.")
    parser.add_argument("--version", action="version", version=f"geventws {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (bench, connect, doctor, publish, record, replay, serve):
        command.add_to(commands)
    return parser


def explain(error: Exception) -> str:
    """Return *error* in one line of what a terminal can show."""
    if isinstance(error, Rejected):
        return _refusal(error)
    text = error.strerror if isinstance(error, OSError) else None
    if text and isinstance(error, OSError) and isinstance(error.filename, str):
        text = f"{error.filename}: {text}"
    return printable(text or str(error) or type(error).__name__)


def _refusal(error: Rejected) -> str:
    phrase = ""
    with suppress(ValueError):  # a status that nobody knows
        phrase = f" {HTTPStatus(error.status).phrase}"
    body = error.body.decode(errors="replace").strip()
    why = "" if body.startswith("<") else body.partition("\n")[0].strip()[:MAX_REASON]
    return printable(f"{error}{phrase}{why and f': {why}'}")


def _forget_stdout() -> None:
    """Nobody reads what is still to be written: let the interpreter not fail on it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
