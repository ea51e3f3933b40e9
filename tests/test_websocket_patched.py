from __future__ import annotations

import subprocess
import sys
import textwrap

from setup import ROOT

PATCHED = """
    from gevent import monkey; monkey.patch_all()
    import socket, threading
    import gevent
    from geventws.core.errors import ConnectionClosed
    from tests.pairs import pair, tcp, tls, unix

    for kind in (tcp, unix, tls):
        client, server = made = pair(kind())

        def echo():
            for message in server:
                server.send(message)
            server.close()

        echoing = threading.Thread(target=echo)
        echoing.start()
        for message in ("text", b"binary", "x" * 200_000):
            client.send(message)
            assert client.receive(timeout=5) == message
        try:
            client.receive(timeout=0.05)
        except TimeoutError:
            assert client.ping(timeout=5) > 0
        client.close(1001, "done")
        echoing.join()
        assert server.close_code == client.close_code == 1001
    print("good")
"""


def test_patched_process_behaves_the_same() -> None:
    script = [sys.executable, "-W", "error", "-c", textwrap.dedent(PATCHED)]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("good\n", "")
