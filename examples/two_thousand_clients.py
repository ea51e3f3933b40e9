"""Two thousand clients in one process, which one manager runs. A chat to go to is beside this.

ulimit -n 4096          first, in both terminals: each connection takes a file descriptor
python examples/cherrypy_chat.py 9000
python examples/two_thousand_clients.py ws://127.0.0.1:9000/ws 2000
"""

from __future__ import annotations

import sys
from collections import Counter
from threading import Lock

from geventws.adapters.ws4py.client import WebSocketBaseClient
from geventws.adapters.ws4py.manager import WebSocketManager
from geventws.adapters.ws4py.messaging import Message

manager = WebSocketManager()
heard: Counter[str] = Counter()
lock = Lock()  # the manager's workers run callbacks of several clients at once


class Client(WebSocketBaseClient):
    """One of them."""

    def handshake_ok(self) -> None:
        """Have the manager run it from now on."""
        manager.add(self)

    def received_message(self, message: Message) -> None:
        """Count who has heard this message; say so when all have."""
        with lock:
            heard[str(message)] += 1
            if heard[str(message)] == len(manager):
                print(f"{len(manager)} clients heard {message}", flush=True)


def main(url: str = "ws://127.0.0.1:9000/ws", count: str = "2000") -> None:
    """Connect them all, and wait until the server is gone, or for Ctrl-C."""
    manager.start()
    try:
        for _ in range(int(count)):
            Client(url).connect()
        print(f"{len(manager)} clients are connected", flush=True)
        while len(manager):
            manager.join(1)
    except KeyboardInterrupt:
        manager.close_all()
    manager.stop()
    manager.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
