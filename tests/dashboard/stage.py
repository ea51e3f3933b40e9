"""A server with a dashboard and visitors: python -m tests.dashboard.stage [PORT [TOKEN]].

It says on one line where the page is, and plays until its standard input ends.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from itertools import count
from math import sin
from time import monotonic

import gevent
from gevent import socket

import geventws
from geventws.core.errors import WebSocketError
from geventws.dashboard import Dashboard
from geventws.manager import Manager
from geventws.options import OptionArguments
from tests.pairs import burn
from tests.rawpeer import head

TOKEN = "a-token-for-the-stage"
ENDS = (1000, 1000, 1000, 1001, 1001, 4000, 4008)  # close codes of visitors
REFUSED = (
    head(origin="https://elsewhere.example"),
    head(sec_websocket_version="8"),
    head("POST / HTTP/1.1"),
    head(host=None),
)
MESSAGES = ("x" * 40, "y" * 400, b"z" * 2000)
OPTIONS: OptionArguments = {"ping_interval": 1.0, "ping_timeout": 45.0, "compression": None}


class Stage:
    """The server, and who visits it."""

    def __init__(self, port: int = 0, token: str = TOKEN, *, seed: int = 7) -> None:
        self._chance = random.Random(seed)
        self._dashboard = Dashboard(token)
        self.server = geventws.serve(
            self._serve,
            ("127.0.0.1", port),
            process_request=self._dashboard.answer,
            **OPTIONS,
        )
        # what is broadcast to slow peers is to show on the page, so theirs is the server's manager
        self.server.manager = self._everybody = Manager(slow_peers="latest", buffer_size=512 * 1024)
        self._dashboard.manager = self.server.manager

    @property
    def url(self) -> str:
        return (
            f"http://127.0.0.1:{self.server.server_port}/dashboard/?token={self._dashboard.token}"
        )

    def play(self) -> None:
        """Begin; whatever is begun here ends with the process."""
        self.server.start()
        for _ in range(40):
            gevent.spawn(self._again_and_again, self._visit)
        for _ in range(3):
            gevent.spawn(self._again_and_again, self._sleep_through_it)
        gevent.spawn(self._again_and_again, self._tell_everybody)
        gevent.spawn(self._again_and_again, self._compute)
        gevent.spawn(self._again_and_again, self._come_in_vain)

    def _serve(self, ws: geventws.WebSocket) -> None:
        for message in ws:
            ws.send(message)

    def _again_and_again(self, deed: Callable[[], None]) -> None:
        while True:
            try:
                deed()
            except (WebSocketError, OSError, TimeoutError) as error:
                print(f"stage: {error!r}", file=sys.stderr)
                gevent.sleep(0.5)

    def _visit(self) -> None:
        chance = self._chance
        gevent.sleep(chance.expovariate(0.2))
        with geventws.connect(f"ws://127.0.0.1:{self.server.server_port}/", **OPTIONS) as ws:
            listening = gevent.spawn(self._listen, ws)
            for _ in range(chance.randrange(20, 400)):
                ws.send(chance.choice(MESSAGES))
                gevent.sleep(chance.uniform(0.01, 0.09) * (1.5 + sin(monotonic() / 9)))
            ws.close(chance.choice(ENDS))
            listening.join()

    def _listen(self, ws: geventws.WebSocket) -> None:
        for number in count():
            try:
                ws.receive()
            except geventws.ConnectionClosed:
                return
            if number % 50 == 0:
                gevent.sleep(self._chance.uniform(0, 0.05))

    def _sleep_through_it(self) -> None:
        """Open a connection and read nothing of what comes, as a hung client does."""
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            gevent.sleep(self._chance.uniform(1, 4))
            sock.connect(("127.0.0.1", self.server.server_port))
            sock.sendall(head())
            for _ in range(self._chance.randrange(20, 40)):
                sock.recv(self._chance.randrange(1_000, 60_000))
                gevent.sleep(self._chance.uniform(0.5, 2))

    def _tell_everybody(self) -> None:
        gevent.sleep(self._chance.uniform(0.2, 0.6))
        self._everybody.broadcast(b"news" * 20_000)

    def _compute(self) -> None:
        gevent.sleep(self._chance.uniform(2, 9))
        burn(self._chance.uniform(0.005, 0.06))

    def _come_in_vain(self) -> None:
        gevent.sleep(self._chance.expovariate(0.3))
        with socket.create_connection(("127.0.0.1", self.server.server_port)) as sock:
            sock.sendall(self._chance.choice(REFUSED))
            sock.recv(4096)


if __name__ == "__main__":
    stage = Stage(int(sys.argv[1]) if len(sys.argv) > 1 else 0, *sys.argv[2:])
    stage.play()
    print(stage.url, flush=True)
    gevent.get_hub().threadpool.apply(sys.stdin.read)
