"""Every code block of the documentation runs, page by page, from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import pytest
from gevent import socket
from gevent.monkey import is_module_patched

import geventws
from tests.ports import free_port
from tests.redises import redis_server

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUNS_ON = re.compile(r"serve_forever\(\)$", re.MULTILINE)
PATCHED = {  # importing locust patches the standard library; django.md configures its process
    *("bottle.md", "django.md"),
    *("load-testing.md", "migrate-locust-websocket-client.md", "record-replay.md"),
}
PORT = "9000"  # of the pages; readers may have a server of theirs there, so it is replaced
REDIS = "redis://127.0.0.1:6379"


class Block(NamedTuple):
    language: str
    text: str
    line: int


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)
        for found in FENCE.finditer(text)
    ]


PAGES_WITH_CODE = [
    page
    for page in PAGES
    if any(block.language in ("python", "console") for block in blocks_of(page))
]


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until_listening(port: int) -> None:
    with gevent.Timeout(10):
        while not is_listening(port):
            gevent.sleep(0.01)


class Reader:
    """Somebody who tries a page from top to bottom, with a second terminal where it asks so."""

    def __init__(self, page: Path, redis: str) -> None:
        self._page = page
        self._redis = redis
        self._port = free_port()
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._running: list[Any] = []
        self._other_terminal: Any = None

    def run(self) -> None:
        try:
            for each in blocks_of(self._page):
                text = each.text.replace(PORT, str(self._port)).replace(REDIS, self._redis)
                block = each._replace(text=text)
                if re.search("geventws serve|make run", block.text):
                    self._other_terminal = geventws.serve(
                        geventws.EchoWebSocket, ("127.0.0.1", self._port)
                    )
                    self._other_terminal.start()
                elif block.language == "python":
                    self._run_python(block)
                elif block.language == "console":
                    run_console(block)
        finally:
            self._stop_other_terminal()
            gevent.killall(self._running)

    def _run_python(self, block: Block) -> None:
        if "serve(" in block.text:
            self._stop_other_terminal()
        # blank lines in front give tracebacks the page's own line numbers
        code = compile("\n" * block.line + block.text, str(self._page), "exec")
        if RUNS_ON.search(block.text):
            self._running.append(gevent.spawn(exec, code, self._names))
            wait_until_listening(self._port)
        else:
            exec(code, self._names)

    def _stop_other_terminal(self) -> None:
        if self._other_terminal is not None:
            self._other_terminal.stop()
            self._other_terminal = None


def run_console(block: Block) -> None:
    """Run the lines after "$ " and compare what they print with the lines between them."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        shell = subprocess.Popen(
            command,
            shell=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PATH": places},
        )
        output, _ = gevent.get_hub().threadpool.apply(shell.communicate, (None, 30))
        assert (output, shell.returncode) == (expected, 0)


@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("ignore:.*pkg_resources", "ignore:'cgi' is deprecated")  # by Pyramid
@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_reader_can_run_every_block(page: Path) -> None:
    if page.name in PATCHED and not is_module_patched("socket"):
        run_patched(page)
    else:
        with redis_of(page) as redis:
            Reader(page, redis).run()


@contextmanager
def redis_of(page: Path) -> Iterator[str]:
    """Have a Redis where *page* wants one; give its URL."""
    if REDIS in page.read_text(encoding="utf-8"):
        with redis_server() as server:
            yield server.url
    else:
        yield REDIS


def run_patched(page: Path) -> None:
    """Run this test for *page* in a process that is patched from its very start."""
    test = f"{__file__}::test_reader_can_run_every_block[{page.relative_to(ROOT)}]"
    command = [sys.executable, "-m", "gevent.monkey", "--module", "pytest", "-q", test]
    environ = {**os.environ, "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
