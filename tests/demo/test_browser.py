"""The demo in a real browser: headless Chromium, through its WebDriver."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import geventws
from tests.chromium import chromium

PNG = b"\x89PNG\r\n"


class Demo:
    """`geventws serve --chat` in a process of its own; stop() and start() keep the port."""

    def __init__(self, *arguments: str) -> None:
        self._command = [sys.executable, "-m", "geventws", "serve", "--chat", *arguments]
        self.port = 0
        self.start()

    def start(self) -> None:
        command = [*self._command, "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said.startswith("listening on http://127.0.0.1:"), said
        self.url = said.split()[2]
        self.port = int(self.url.rstrip("/").rpartition(":")[2])

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=20)

    def __enter__(self) -> Demo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class Browser:
    """What a person does with the page, in the tab that is in front."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, name: str, room: str = "lobby") -> str:
        """Open the page in a new tab under *name*; return the tab."""
        self.driver.switch_to.new_window("tab")
        self.driver.get(f"{self.url}#{room}")
        self.until(self.is_connected)
        self.write("name", name)
        self.until(lambda: self.text("#people li .who") == name)
        return self.driver.current_window_handle

    def turn_to(self, tab: str) -> None:
        self.driver.switch_to.window(tab)

    def write(self, field: str, text: str) -> None:
        element = self.driver.find_element(By.ID, field)
        element.clear()
        element.send_keys(text, Keys.ENTER)

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def text(self, selector: str) -> str:
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    def texts(self, selector: str) -> list[str]:
        return [found.text for found in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def is_connected(self) -> bool:
        return self.text("#status") == "Connected"

    def until(self, condition: Callable[[], object]) -> None:
        # the page may put a new element in the place of one that is just being looked at
        wait = WebDriverWait(self.driver, 20, 0.05, [StaleElementReferenceException])
        wait.until(lambda _: condition())

    def resize(self, width: int, height: int) -> None:
        """Show the tab as a phone of so many CSS pixels would."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def sideways(self) -> int:
        """Return how many pixels one could scroll to the side."""
        page = "document.documentElement"
        return int(self.driver.execute_script(f"return {page}.scrollWidth - innerWidth"))

    def screenshot(self, path: Path) -> bytes:
        self.driver.save_screenshot(str(path))
        return path.read_bytes()


@pytest.fixture
def demo() -> Iterator[Demo]:
    with Demo() as demo:
        yield demo


@pytest.fixture
def browser(demo: Demo, tmp_path: Path) -> Iterator[Browser]:
    with chromium(tmp_path / "profile") as driver:
        yield Browser(driver, demo.url)


def test_two_tabs_talk_to_each_other(browser: Browser, tmp_path: Path) -> None:
    ann = browser.open("Ann")
    bob = browser.open("Bob")
    browser.write("text", "Hello Ann")
    browser.turn_to(ann)
    browser.until(lambda: "Hello Ann" in browser.texts(".said .text"))
    assert browser.texts("#people .who") == ["Ann", "Bob"]
    browser.write("text", "Hello Bob")
    browser.until(lambda: browser.texts(".said.own .text") == ["Hello Bob"])
    browser.click("#run")
    browser.until(lambda: browser.text("#rate") != "0")
    assert browser.screenshot(tmp_path / "desk.png").startswith(PNG)
    browser.turn_to(bob)
    browser.until(lambda: browser.texts(".said .text") == ["Hello Ann", "Hello Bob"])
    assert browser.texts(".said.own .text") == ["Hello Ann"]
    assert browser.driver.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_second_tab_gets_a_name_of_its_own(browser: Browser) -> None:
    browser.open("Ann")
    browser.driver.switch_to.new_window("tab")
    browser.driver.get(browser.url)
    browser.until(browser.is_connected)
    assert browser.texts("#people .who") == ["Ann 2", "Ann"]


def test_second_connection_of_a_tab_is_the_same_person(browser: Browser) -> None:
    browser.open("Ann")
    browser.write("text", "before")
    browser.until(lambda: browser.texts(".said.own .text") == ["before"])
    browser.driver.refresh()
    browser.until(browser.is_connected)
    assert browser.texts(".said.own .text") == ["before"]
    assert browser.text("#people .who") == "Ann"


def test_many_who_come_or_go_take_one_row(browser: Browser) -> None:
    browser.open("Ann")
    crowd = []
    for name in (f"P{number}" for number in range(8)):
        crowd.append(geventws.connect(f"{browser.url.replace('http', 'ws').rstrip('/')}/chat"))
        crowd[-1].send(json.dumps({"type": "join", "room": "lobby", "name": name, "key": name}))
        crowd[-1].receive(timeout=20)
    joined = "P0, P1, P2, P3, P4, and 3 more joined"
    browser.until(lambda: browser.texts(".note")[-1] == joined)
    for ws in crowd:
        ws.close()
    browser.until(lambda: browser.texts(".note")[-1].endswith(" and 3 more left"))
    assert browser.texts(".note")[-2] == joined


def test_address_names_the_room(browser: Browser) -> None:
    browser.open("Ann", "attic")
    assert browser.text("#room") == "#attic"
    browser.write("room-name", "Cellar")
    browser.until(lambda: browser.text("#room") == "#cellar")
    browser.driver.back()
    browser.until(lambda: browser.text("#room") == "#attic")


def test_page_shows_markup_as_text(browser: Browser) -> None:
    markup = "<img src=x onerror=alert(1)><b>bold</b>"
    browser.open("<i>Ann</i>")
    browser.write("text", markup)
    browser.until(lambda: browser.texts(".said .text") == [markup])
    assert browser.driver.find_elements(By.CSS_SELECTOR, "main :is(img, b, i)") == []


def test_page_says_what_the_server_refuses(browser: Browser) -> None:
    browser.open("Ann")
    browser.write("name", "A\u202enn")
    browser.until(lambda: browser.text("#error") == "name has characters that cannot be seen")
    name = browser.driver.find_element(By.ID, "name")
    assert name.get_property("value") == "Ann"


def test_browser_negotiates_compression(browser: Browser) -> None:
    browser.open("Ann")
    assert browser.text("#extensions") == "permessage-deflate"
    browser.click("#run")
    browser.until(lambda: browser.text("#echo-status") == "Running")
    extensions = browser.driver.execute_async_script(
        "const done = arguments[0], ws = new WebSocket('/echo');"
        "ws.onopen = () => { done(ws.extensions); ws.close(); }"
    )
    assert "permessage-deflate" in extensions
    assert browser.text("#echo-extensions") == extensions


@pytest.mark.parametrize("content", ["random", "repeats"])
def test_echo_run_brings_small_and_large_frames_back(browser: Browser, content: str) -> None:
    browser.open("Ann")
    browser.driver.find_element(By.ID, "content").send_keys(content)
    for size in ("16 B", "16 KiB", "256 KiB"):
        browser.driver.find_element(By.ID, "size").send_keys(size)
        browser.click("#run")
        browser.until(lambda: browser.text("#rate") != "0" and browser.text("#total") != "0")
        assert browser.text("#echo-status") == "Running"
        browser.click("#run")
        assert browser.text("#echo-status") == "Stopped."


def test_page_reconnects_after_the_server_restarts(browser: Browser, demo: Demo) -> None:
    browser.open("Ann", "attic")
    demo.stop()
    browser.until(lambda: browser.text("#status") == "Reconnecting")
    browser.until(lambda: " s" in browser.text("#countdown"))
    browser.driver.find_element(By.ID, "text").send_keys("still here")
    demo.start()
    browser.until(browser.is_connected)
    browser.click("#send")
    browser.until(lambda: browser.texts(".said.own .text") == ["still here"])
    assert browser.texts("#people .who") == ["Ann"]
    assert browser.text("#room") == "#attic"


@pytest.mark.parametrize("width", [360, 390])
def test_page_fits_a_phone(browser: Browser, tmp_path: Path, width: int) -> None:
    browser.open("Ann of a Very Long Name", "a-room-without-any-break")
    browser.resize(width, 740)
    browser.write("text", "w" * 400)
    browser.until(lambda: len(browser.texts(".said")) == 1)
    for view in ("people", "echo", "talk"):
        browser.click(f"[data-show={view}]")
        assert browser.sideways() == 0
        assert browser.texts("main > :is(aside, section)").count("") == 2
        assert browser.screenshot(tmp_path / f"phone-{view}.png").startswith(PNG)
