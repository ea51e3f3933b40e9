"""One server as a program: see the package."""

from __future__ import annotations

import gc
import sys
from importlib import import_module


def main(name: str, port: str, role: str = "serve") -> None:
    """Run the server called *name* at *port*."""
    server = import_module(f"loadtests.bench.servers.{name}")
    gc.collect()
    gc.freeze()  # what importing left is looked through by no collection
    getattr(server, role)(int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
