"""Node's ws, which npm installs into the user's cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from geventws.core.deflate import Deflate
from tests.interop.scenes import IN_TIME, PARAMETERS
from tests.interop.their_servers import TheirServer

SCRIPTS = Path(__file__).parent / "js"
CACHE = Path.home() / ".cache" / "geventws" / "npm"
# as ws calls the parameters
NAMES = {
    "server_max_window_bits": "serverMaxWindowBits",
    "client_max_window_bits": "clientMaxWindowBits",
    "server_no_context_takeover": "serverNoContextTakeover",
    "client_no_context_takeover": "clientNoContextTakeover",
}


class Missing(Exception):
    """A peer cannot be had on this machine; it says why."""


@cache
def version() -> str:
    """Return the versions of ws and Node, after installing ws where that was not done yet.

    Raises:
        Missing: there is no Node here, or npm fails.
    """
    if shutil.which("node") is None:
        raise Missing("no node")
    manifest = CACHE / "node_modules" / "ws" / "package.json"
    if not manifest.exists():
        if shutil.which("npm") is None:
            raise Missing("no npm")
        install = ["npm", "install", "--silent", "--prefix", str(CACHE), "ws@8"]
        CACHE.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"npm install ws: {(done.stderr or done.stdout).strip()}")
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return f"{json.loads(manifest.read_text())['version']}, Node {node.stdout.strip().lstrip('v')}"


def start(script: str, argument: str) -> subprocess.Popen[str]:
    """Have Node run one of our scripts; it can require ws."""
    return subprocess.Popen(
        ["node", str(SCRIPTS / script), argument],
        env={**os.environ, "NODE_PATH": str(CACHE / "node_modules")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def options(compression: Deflate | None) -> dict[str, Any]:
    """Return the options of ws that ask for *compression*; what it does not mind is left out."""
    if compression is None:
        return {"perMessageDeflate": False}
    wishes = {
        NAMES[name]: value
        for name in PARAMETERS
        if (value := getattr(compression, name)) not in (False, 15)
    }
    return {"perMessageDeflate": {**wishes, "threshold": 0}}


class NodeServer(TheirServer):
    """ws as a server, in a process of its own."""

    name = "ws"
    asks = PARAMETERS
    _process: subprocess.Popen[str]

    @classmethod
    def version(cls) -> str:
        return version()

    def _run(self, started: Callable[[int], None]) -> None:
        with start("server.js", json.dumps(options(self.compression))) as self._process:
            assert self._process.stdout is not None
            started(int(self._process.stdout.readline()))
            self._process.wait()

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(IN_TIME)
