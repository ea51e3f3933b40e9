"""What docs/howto/load-testing.md shows of Locust's web page, in a real browser.

GEVENTWS_SCREENSHOTS=docs/howto/images    write the page's images there, where they are not tried
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from loadtests.load import LOCUSTFILES
from setup import ROOT
from tests.chromium import chromium
from tests.cli.programs import server
from tests.demo.test_browser import PNG
from tests.ports import free_port

PAGE = ROOT / "docs" / "howto" / "load-testing.md"
SCREENSHOTS = "GEVENTWS_SCREENSHOTS"
SHOWN = {
    "form": ["Number of users", "Ramp up", "Host", "Custom parameters", "Chat Rate", "Chat Rooms"],
    "statistics": ["WS connect", "WSX join", "WSS say", "WSR said", "WSM fan-out"],
    "charts": ["Charts"],  # what is in them is painted, not written
    "workers": ["CPU usage"],
}
FORM = {"userCount": "60", "spawnRate": "30", "chatRate": "0.5", "chatRooms": "3"}
MOVING = [
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
]
PAINTED = """
return [...document.querySelectorAll("canvas")].filter((canvas) => canvas.getContext("2d")
  .getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte)).length;
"""


@contextmanager
def running(*arguments: object) -> Iterator[None]:
    """Have a Locust with the chat run, until the end of the block."""
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILES / "chat.py")]
    process = subprocess.Popen([*command, *map(str, arguments)], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()  # at its ease it would take a second
        process.wait()


class Browser:
    """Somebody who does what the page says."""

    def __init__(self, driver: webdriver.Chrome, place: Path) -> None:
        self.driver = driver
        self.place = place

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for *condition*; what is asked for may not be there yet, or still be moving."""
        wait = WebDriverWait(self.driver, 60, 0.1, MOVING)
        wait.until(lambda _: condition())

    def see(self, name: str) -> None:
        """Wait until everything is there that *name* shows, and take the picture."""
        self.until(lambda: all(words.lower() in self.text.lower() for words in SHOWN[name]))
        path = self.place / f"load-{name}.png"
        path.write_bytes(self.picture())
        assert path.read_bytes().startswith(PNG)

    def picture(self) -> bytes:
        return self.driver.get_screenshot_as_png()

    def is_still(self) -> bool:
        """Look twice, and return whether nothing moved."""
        return self.picture() == self.picture()

    @property
    def text(self) -> str:
        """All that is to be read."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def fill(self, name: str, value: str) -> None:
        """Write *value* into the field *name*, and see that it is there."""
        self.until(lambda: self._write(name, value))

    def _write(self, name: str, value: str) -> bool:
        field = self.driver.find_element(By.NAME, name)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(value)
        return field.get_property("value") == value

    def press(self, words: str) -> None:
        """Press what is named so, when it is there."""
        self.until(lambda: self._click(words))

    def _click(self, words: str) -> bool:
        for each in self.driver.find_elements(By.CSS_SELECTOR, "button, [role=tab]"):
            if each.text.lower() == words.lower():
                each.click()
                return True
        return False

    def row(self, name: str) -> list[str]:
        """Return the figures of one row of the statistics."""
        lines = [line for line in self.text.splitlines() if line.startswith(name)]
        return lines[0].removeprefix(name).split() if lines else ["0"] * 11


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    place = Path(os.environ.get(SCREENSHOTS, tmp_path))
    with chromium(tmp_path / "profile", "--window-size=1360,1000", "--hide-scrollbars") as driver:
        yield Browser(driver, place)


@pytest.fixture
def locust() -> Iterator[str]:
    """Have a master and two workers run, and give the address of the web page."""
    master, web = free_port(), free_port()
    address = ("--web-host", "127.0.0.1", "--web-port", web)
    with ExitStack() as stack:
        stack.enter_context(running("--master", "--master-bind-port", master, *address))
        for _ in range(2):
            stack.enter_context(running("--worker", "--master-port", master))
        yield f"http://127.0.0.1:{web}"


@pytest.mark.timeout(300)
def test_web_page_shows_what_the_how_to_says(locust: str, browser: Browser) -> None:
    shown = SCREENSHOTS in os.environ
    port = "9000" if shown else "0"
    with server("--chat", "--port", port) as chat:
        browser.until(lambda: is_ready(browser, locust))
        browser.press("Custom parameters")
        for name, value in {**FORM, "host": chat.uri.rstrip("/")}.items():
            browser.fill(name, value)
        browser.see("form")
        browser.press("START")
        browser.until(lambda: int(browser.row("WSM fan-out")[0]) > (5000 if shown else 0))
        browser.see("statistics")
        assert float(browser.row("WSM fan-out")[2]) > 0
        assert browser.row("WSS say")[1] == "0"
        browser.press("Charts")
        browser.until(lambda: browser.driver.execute_script(PAINTED) >= 2)
        browser.until(browser.is_still)  # the lines are drawn slowly
        browser.see("charts")
        browser.press("Workers")
        browser.until(lambda: browser.text.count("running 30 ") == 2)
        browser.until(browser.is_still)  # the mark under the tab glides there
        browser.see("workers")
        browser.press("Stop")


def is_ready(browser: Browser, url: str) -> bool:
    """Open Locust's page, and return whether two workers are there."""
    try:
        browser.driver.get(url)
    except WebDriverException:  # nobody serves it yet
        return False
    return "Workers\n2" in browser.text


@pytest.mark.parametrize("name", SHOWN)
def test_how_to_has_the_picture_and_says_what_it_shows(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"](images/load-{name}.png)" in text
    assert (PAGE.parent / "images" / f"load-{name}.png").read_bytes().startswith(PNG)
    said = re.sub("`", "", text)
    assert [words for words in SHOWN[name] if words not in said] == []
