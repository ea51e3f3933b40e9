"""Where the lines to send come from and where messages are shown: a person, or a pipe."""

from __future__ import annotations

import os
import shutil
import sys
import termios
from collections.abc import Iterator
from typing import Any, Final, Protocol

import gevent

try:
    import readline
except ImportError:  # a Python without it still has a plain prompt
    readline = None  # type: ignore[assignment]

PROMPT: Final = "> "
CHUNK: Final = 65536
MAX_BINARY: Final = 256  # bytes of a binary message that a person is shown


class Console(Protocol):
    """What `geventws connect` has to do with whoever started it."""

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the input without their ends; only the caller waits for them."""

    def show(self, message: str | bytes) -> None:
        """Show a message that was received."""

    def note(self, text: str) -> None:
        """Say something about the connection."""

    def close(self) -> None:
        """Leave everything as it was found."""


def console() -> Console:
    """Return the console that fits standard input and output.

    Raises:
        ValueError: one of them is closed.
    """
    if sys.stdin is None or sys.stdout is None:
        raise ValueError("standard input or output is closed")
    return Terminal() if sys.stdin.isatty() and sys.stdout.isatty() else Pipe()


class Pipe:
    """Lines in, and messages out as they are: text as a line, binary as it is."""

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the input without their ends."""
        begun: list[bytes] = []
        while data := _in_thread(os.read, sys.stdin.fileno(), CHUNK):
            first, *others = data.split(b"\n")
            begun.append(first)
            for line in others:
                yield b"".join(begun).removesuffix(b"\r")
                begun = [line]
        if last := b"".join(begun):
            yield last

    def show(self, message: str | bytes) -> None:
        """Write a message, and whatever reads this has it at once."""
        data = message if isinstance(message, bytes) else f"{message}\n".encode()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """Say nothing: what reads this wants messages."""

    def close(self) -> None:
        """Do nothing: nothing was changed."""


class Terminal:
    """A prompt with a history, and messages above it, whatever has been typed by then."""

    def __init__(self) -> None:
        self._attributes = termios.tcgetattr(sys.stdin)
        if readline is not None:
            # what is typed stays in one row, so that a message has to move only that
            readline.parse_and_bind("set horizontal-scroll-mode on")
            readline.parse_and_bind("set enable-bracketed-paste off")
            _keep_control_d(self._attributes)

    def lines(self) -> Iterator[bytes]:
        """Yield what is typed, until Ctrl-D."""
        while (line := _in_thread(_prompt)) is not None:
            yield line.encode(errors="surrogateescape")

    def show(self, message: str | bytes) -> None:
        """Show a message in rows of what can be shown, the first one marked."""
        if isinstance(message, bytes):
            more = f" ... {len(message)} bytes" if len(message) > MAX_BINARY else ""
            message = f"{message[:MAX_BINARY]!r}{more}"
        for number, row in enumerate(message.split("\n")):
            self._insert(f"{' ' if number else '<'} {printable(row)}")

    def note(self, text: str) -> None:
        """Say something above the prompt."""
        self._insert(printable(text))

    def close(self) -> None:
        """Give the terminal back; the prompt may wait still, in a thread that ends with us."""
        sys.stdout.write("\r\x1b[K")
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._attributes)

    def _insert(self, text: str) -> None:
        """Insert *text* above the row of the cursor, which stays at what is being typed.

        Index and up make room below, then: save the cursor, insert a line, restore, down.
        """
        width = shutil.get_terminal_size().columns
        for row in _rows(text, width):
            sys.stdout.write(f"\x1bD\x1b[A\x1b7\r\x1b[L{row}\x1b8\x1b[B")
        sys.stdout.flush()


def printable(text: str) -> str:
    """Return *text* with escapes for what could do something to a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _rows(text: str, width: int) -> Iterator[str]:
    """Cut *text* to the width of a terminal, as if all that is not ASCII were two columns wide."""
    row, left = "", width
    for each in text:
        columns = 1 if each.isascii() else 2
        if columns > left:
            yield row
            row, left = "", width
        row += each
        left -= columns
    yield row


def _keep_control_d(attributes: list[Any]) -> None:
    """Leave Ctrl-D to the prompt, even if it is typed just before that: it must not be lost."""
    flags, controls = attributes[3], list(attributes[6])
    controls[termios.VMIN], controls[termios.VTIME] = 1, 0
    changed = [*attributes[:3], flags & ~termios.ICANON, *attributes[4:6], controls]
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, changed)


def _prompt() -> str | None:
    try:
        return input(PROMPT)
    except EOFError:
        return None


def _in_thread(call: Any, *args: Any) -> Any:
    """Return what *call* does; in a thread, for it would block the hub."""
    return gevent.get_hub().threadpool.apply(call, args)
