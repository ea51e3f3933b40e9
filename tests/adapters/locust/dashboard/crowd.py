"""Locust as its users run it, in several processes, and its web page in a browser.

python -m gevent.monkey --module tests.adapters.locust.dashboard.crowd
docs/howto/images/locust-tab.png takes the picture for the documentation.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import gevent
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from geventws.core.errors import ConnectionClosed
from geventws.server import serve
from setup import ROOT
from tests.adapters.locust.dashboard.visitors import USERS
from tests.chromium import chromium
from tests.ports import free_port
from tests.serving import LOCAL, running

LOCUSTFILE = ROOT / "tests" / "adapters" / "locust" / "dashboard" / "visitors.py"
LONG = 40.0  # seconds that programs may take to start, answer and end on a busy machine


class Counter:
    """An echo server's handler, and what it has counted."""

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.codes: list[int] = []
        self.url = ""

    def __call__(self, ws: Any) -> None:
        try:
            while True:
                message = ws.receive()
                self.messages += 1
                self.bytes += len(message)
                ws.send(message)
        except ConnectionClosed as closed:
            self.codes.append(closed.code)


@contextmanager
def counting() -> Iterator[Counter]:
    """Run a server in this process."""
    counter = Counter()
    with running(serve(counter, LOCAL)) as server:
        counter.url = f"ws://127.0.0.1:{server.address[1]}"
        yield counter


@contextmanager
def locust(*arguments: str) -> Iterator[Any]:
    """Run Locust; in the end it is told to end, and does."""
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=LONG)
        finally:
            process.kill()


class Page:
    """The web page of a Locust master, as a program sees it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, form: dict[str, Any] | None = None) -> str:
        """Return the text of one answer."""
        data = None if form is None else urlencode(form).encode()
        with urlopen(self.url + path, data, timeout=LONG) as answer:
            return str(answer.read().decode())

    def rows(self, key: str) -> list[dict[str, Any]]:
        """Return what one of our tables is given."""
        tables = json.loads(self.get("/stats/requests"))["extended_stats"]
        return next(table["data"] for table in tables if table["key"] == key)

    def total(self, name: str) -> int:
        """Return what the last line has in one column."""
        rows = csv.DictReader(self.get("/websockets/csv").splitlines())
        return int([*rows][-1][name])

    def wait_for(self, condition: Any) -> None:
        """Wait until *condition* is true; the page may not be there yet."""
        with gevent.Timeout(LONG):
            while not self._holds(condition):
                gevent.sleep(0.1)

    def _holds(self, condition: Any) -> bool:
        try:
            return bool(condition())
        except OSError:
            return False


@contextmanager
def crowd(url: str, user: str = "Visitor", count: int = USERS) -> Iterator[Page]:
    """Run a master with its web page and two workers, and so many users."""
    port, web_port = free_port(), free_port()
    page = Page(web_port)
    master = ("--master", "--master-bind-host", LOCAL[0], "--master-bind-port", str(port))
    web = ("--web-host", LOCAL[0], "--web-port", str(web_port))
    with ExitStack() as stack:
        stack.enter_context(locust(*master, *web, "--host", url, user))
        for _ in range(2):
            stack.enter_context(locust("--worker", "--master-port", str(port), user))
        page.wait_for(lambda: json.loads(page.get("/worker-count")) == {"worker_count": 2})
        page.get("/swarm", {"user_count": count, "spawn_rate": count})
        yield page


def text_of_tab(browser: Any, page: Page, key: str, word: str) -> str:
    """Open a tab and return its text, once *word* is there."""
    browser.get(f"{page.url}/?tab={key}")
    WebDriverWait(browser, LONG).until(lambda browser: word in _shown(browser))
    return _shown(browser)


def _shown(browser: Any) -> str:
    return str(browser.find_element(By.ID, "root").text)


def take_picture(browser: Any, page: Page, picture: Path) -> None:
    """Take the picture of the tab."""
    browser.set_window_size(1360, 540)
    text_of_tab(browser, page, "websockets", "Aggregated")
    picture.write_bytes(browser.get_screenshot_as_png())


def main(picture: Path) -> None:
    """Take the picture for the documentation."""
    with (
        tempfile.TemporaryDirectory() as profile,
        counting() as server,
        crowd(server.url, "Regular", 100) as page,
        chromium(Path(profile), "--hide-scrollbars") as browser,
    ):
        page.wait_for(lambda: page.total("Messages Sent") > 5000)
        take_picture(browser, page, picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
