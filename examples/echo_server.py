"""The smallest server, in the callback style: idle connections cost no greenlet."""

from __future__ import annotations

import signal
import sys

import gevent

import geventws


def main(port: int = 9000) -> None:
    """Send every message back, until Ctrl-C."""
    server = geventws.serve(geventws.EchoWebSocket, ("127.0.0.1", port))
    server.start()
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    gevent.signal_handler(signal.SIGINT, server.drain)
    server.serve_forever()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
