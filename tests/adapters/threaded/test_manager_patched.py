"""The manager and the client in a process without gevent, and in one that gevent has patched."""

from __future__ import annotations

import subprocess
import sys

import pytest

from setup import ROOT

ALONE = """
import sys, threading
from geventws.adapters.threaded import (
    ThreadedWebSocket, WebSocketClient, WebSocketManager, connect, serve
)

class Echo(ThreadedWebSocket):
    def received_message(self, message):
        self.send(message)

class Client(ThreadedWebSocket):
    def opened(self):
        self.send("hello")
    def received_message(self, message):
        heard.append(message)
        self.close()

class Talker(WebSocketClient):
    def opened(self):
        self.send("hello")
    def received_message(self, message):
        heard.append(message)
        self.close()

heard = []
theirs, ours = WebSocketManager(), WebSocketManager()
theirs.start()
ours.start()
server = serve(Echo, ("127.0.0.1", 0), manager=theirs)
running = threading.Thread(target=server.serve_forever)
running.start()
url = f"ws://127.0.0.1:{server.address[1]}/"
for _ in range(20):
    ours.add(connect(url, handler=Client))
assert ours.join(20)
talker = Talker(url)
talker.connect()
talker.run_forever()
server.close()
running.join()
for manager in (theirs, ours):
    manager.stop()
    assert manager.join(20)
assert heard == ["hello"] * 21
assert len(threading.enumerate()) == 1
print("done")
assert "gevent" not in sys.modules
"""

# the same threads, that gevent has made greenlets of
PATCHED = "from gevent import monkey\nmonkey.patch_all()\n" + ALONE.partition('assert "gev')[0]


@pytest.mark.parametrize("script", [ALONE, PATCHED], ids=["alone", "patched"])
def test_manager_works_without_gevent_and_where_it_has_patched(script: str) -> None:
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("done\n", "")
