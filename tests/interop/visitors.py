"""Clients that make many visits by themselves: browsers and Node, each in a process of its own.

They are told at a desk, a WebSocket of ours, whom to visit, and say there how each visit went.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
from gevent.queue import Queue

import geventws
from tests.chromium import FLAGS
from tests.interop import node
from tests.interop.node import SCRIPTS, Missing
from tests.interop.scenes import PARAMETERS

PATIENCE = 90.0  # seconds: a browser may take a while to start
PAGES = {"/": ("page.html", "text/html"), "/peer.js": ("peer.js", "text/javascript")}
QUIET = """\
user_pref("app.update.auto", false);
user_pref("app.update.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"""


class Visitor:
    """A kind of client, and how to start one.

    Attributes:
        name: what people call it.
        asks: the parameters of permessage-deflate that it can be told to offer.
    """

    name: str
    asks: tuple[str, ...] = ()

    def version(self) -> str:
        """Return its version; Missing where it cannot be had."""
        raise AssertionError("each kind has its own")

    def start(self, desk: str, folder: Path) -> subprocess.Popen[Any]:
        """Send one to the *desk*, given as host:port; it may keep files in *folder*."""
        raise AssertionError("each kind has its own")


class Node(Visitor):
    """Node's ws."""

    name = "ws"
    asks = PARAMETERS

    def version(self) -> str:
        return node.version()

    def start(self, desk: str, folder: Path) -> subprocess.Popen[Any]:
        return node.start("client.js", f"ws://{desk}/plan")


class Browser(Visitor):
    """A headless browser, found by the name of its command."""

    command: str

    def version(self) -> str:
        if shutil.which(self.command) is None:
            raise Missing(f"no {self.command}")
        said = subprocess.run([self.command, "--version"], capture_output=True, text=True)
        return next(word for word in said.stdout.split() if word[0].isdigit())

    def start(self, desk: str, folder: Path) -> subprocess.Popen[Any]:
        return subprocess.Popen(
            [self.command, *self.arguments(folder), f"http://{desk}/"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a browser is many processes
        )

    def arguments(self, folder: Path) -> list[str]:
        raise AssertionError("each browser has its own")


class Chromium(Browser):
    """Chromium."""

    name = "Chromium"
    command = "chromium"

    def arguments(self, folder: Path) -> list[str]:
        return [*FLAGS, f"--user-data-dir={folder}"]


class Firefox(Browser):
    """Firefox, the release with extended support."""

    name = "Firefox ESR"
    command = "firefox-esr"

    def arguments(self, folder: Path) -> list[str]:
        (folder / "user.js").write_text(QUIET)
        return ["--headless", "--no-remote", "--profile", str(folder)]


def pages(request: geventws.Request) -> geventws.Response | None:
    """Return a page, or None for the desk itself."""
    if request.path not in PAGES:
        return None
    name, kind = PAGES[request.path]
    body = (SCRIPTS / name).read_bytes()
    return geventws.Response(200, {"Content-Type": f"{kind}; charset=utf-8"}, body)


def sent(visitor: Visitor, plan: list[dict[str, Any]]) -> Iterator[str]:
    """Send *visitor* to each address of *plan*, and yield what went wrong, or nothing."""
    results: Any = Queue()

    def listen(ws: geventws.WebSocket) -> None:
        ws.send(json.dumps(plan))
        for error in ws:
            results.put(error)

    desk = geventws.serve(listen, ("127.0.0.1", 0), process_request=pages)
    desk.start()
    try:
        with going(visitor, f"127.0.0.1:{desk.server_port}"):
            for _ in plan:
                yield results.get(timeout=PATIENCE)
    finally:
        desk.stop(timeout=0)


@contextmanager
def going(visitor: Visitor, desk: str) -> Iterator[None]:
    """Have *visitor* at work, and end it with all its processes and files."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = visitor.start(desk, Path(folder))
        try:
            yield
        finally:
            end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """Kill *process* and, where it leads a session, all of that."""
    if os.getpgid(process.pid) == process.pid:
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    gevent.get_hub().threadpool.apply(process.wait)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


VISITORS: list[Visitor] = [Chromium(), Firefox(), Node()]
