"""Echo servers, each the smallest program that its documentation suggests.

    python -m loadtests.bench.servers picows 9001
    python -m loadtests.bench.servers picows 9001 broadcast

Each module has serve(port), which sends every message back and takes large ones, and where the peer
can, broadcast(port), which sends every message to all. Both print "listening", and never return.
"""

from __future__ import annotations

MAX_SIZE = 128 * 1024 * 1024
HOST = "127.0.0.1"


def listening() -> None:
    """Tell who started this program that it takes connections."""
    print("listening", flush=True)
