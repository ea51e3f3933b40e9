"""Try geventws as installed, outside its checkout: `make dist` runs this in an empty venv."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import geventws
import geventws.core.frame
from geventws.version import __version__


def talk() -> None:
    """Send a message through a server and back."""
    with geventws.serve(geventws.EchoWebSocket, ("127.0.0.1", 0)) as server:
        server.start()
        with geventws.connect(f"ws://127.0.0.1:{server.server_port}") as ws:
            ws.send("there and back")
            assert ws.receive(timeout=5) == "there and back"


def main() -> None:
    """Stop with an AssertionError where something that should be installed is not."""
    prefix = Path(sys.prefix)
    package = Path(geventws.__file__).parent
    assert package.is_relative_to(prefix), package
    assert not geventws.core.frame.__file__.endswith(".py"), "the wheel is not compiled"
    parts = ("py.typed", "core/frame.pxd", "demo/index.html", "dashboard/index.html")
    for part in (*parts, "adapters/__init__.py"):
        assert (package / part).is_file(), part
    talk()
    command = [str(prefix / "bin" / "geventws"), "--help"]
    assert "serve" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(f"geventws {__version__} works as installed")


if __name__ == "__main__":
    main()
