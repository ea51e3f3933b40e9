"""A client whose run_forever() Ctrl-C interrupts, as a program: signals come to the main thread.

Its argument is the module of the client. Prints what happened.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib import import_module
from threading import Event, Thread, Timer, main_thread
from typing import Any

from tests.threads import echo, serving, uri

SOON = 0.5  # seconds; a wait that ends at once ends before that


def is_waiting() -> bool:
    """Return whether the main thread waits in run_forever()."""
    frame: Any = sys._current_frames()[main_thread().ident or 0]
    inside = frame.f_code.co_filename == threading.__file__
    while frame is not None and frame.f_code.co_name != "run_forever":
        frame = frame.f_back
    return inside and frame is not None


def interrupt(interrupted: Event) -> None:
    """Send SIGINT once the main thread waits."""
    while not is_waiting():
        pass
    os.kill(os.getpid(), signal.SIGINT)
    while not interrupted.wait(1.0):  # one that came just before the wait does not end it
        os.kill(os.getpid(), signal.SIGINT)


def main(module: str) -> None:
    """Be interrupted, refuse to connect, and wait again."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    client_class: Any = import_module(module).WebSocketClient

    class Client(client_class):  # type: ignore[misc]
        def closed(self, code: int, reason: str | None = None) -> None:
            print("closed", code)

    with serving(echo) as server:
        client = Client(uri(server))
        client.connect()
        interrupted = Event()
        interrupting = Thread(target=interrupt, args=[interrupted])
        interrupting.start()
        try:
            client.run_forever()
        except KeyboardInterrupt:
            interrupted.set()
            print("interrupted")
        interrupting.join()
        try:
            client.connect()
        except RuntimeError as error:
            print(error)
        closing = Timer(SOON, client.close)
        closing.start()
        client.run_forever()
        print("run")
        closing.join()


if __name__ == "__main__":
    main(sys.argv[1])
