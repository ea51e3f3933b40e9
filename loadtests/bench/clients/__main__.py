"""One client as a program: see the package."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

from loadtests.bench.clients import Plan


def main(name: str, port: str, connections: str, size: str, warm: str, seconds: str) -> None:
    """Run the client called *name*."""
    client = import_module(f"loadtests.bench.clients.{name}")
    counts = [0] * int(connections)
    gc.collect()
    gc.freeze()  # what importing left is looked through by no collection
    client.main(Plan(int(port), os.urandom(int(size)), counts, float(warm), float(seconds)))


if __name__ == "__main__":
    main(*sys.argv[1:])
