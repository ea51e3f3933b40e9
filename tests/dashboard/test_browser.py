"""The dashboard in a real browser, under real traffic."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.chromium import chromium

PATIENCE = 20
PLOTS = {"connections", "messages", "traffic", "latency", "lag", "slow"}


class Page:
    """What an operator sees, and does."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def text(self, selector: str) -> str:
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    def texts(self, selector: str) -> list[str]:
        """Return all that is shown there, at one moment."""
        read = "return [...document.querySelectorAll(arguments[0])].map((each) => each.innerText)"
        found: list[str] = self.driver.execute_script(read, selector)
        return found

    def drawn(self) -> set[str]:
        """Return the plots that have a line of several points."""
        read = """return [...document.querySelectorAll(".plot")].filter((plot) =>
            [...plot.querySelectorAll("path:not(.area)")].some((path) =>
                (path.getAttribute("d") ?? "").includes("L"))).map((plot) => plot.id)"""
        return set(self.driver.execute_script(read))

    def begun(self, plot: str) -> int:
        """Return in how many pieces the first line of *plot* is."""
        read = "return $(arguments[0]).querySelector('path:not(.area)').getAttribute('d')"
        return str(self.driver.execute_script(read, plot)).count("M")

    def until(self, done: Callable[[], bool]) -> None:
        WebDriverWait(self.driver, PATIENCE).until(lambda _: done())


class Play:
    """The stage, in a process of its own."""

    def __init__(self) -> None:
        self.begin()

    def begin(self, *arguments: str) -> None:
        """Begin to play, anew where it was ended; returns when the page is there."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.dashboard.stage", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def end(self) -> None:
        """End at once."""
        self.process.kill()
        self.process.communicate()

    @property
    def port(self) -> str:
        """The port that it plays at."""
        return str(urlsplit(self.url).port)


@pytest.fixture(scope="module")
def stage() -> Iterator[Play]:
    """The stage, playing."""
    play = Play()
    yield play
    play.end()


@pytest.fixture(scope="module")
def page(stage: Play, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The dashboard of the stage, opened with its token."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.get(stage.url)
        yield Page(driver)


def test_page_shows_live_numbers_and_draws_them(page: Page) -> None:
    page.until(lambda: page.text("#status") == "Live")
    page.until(lambda: page.drawn() == PLOTS)
    page.until(lambda: int(page.text("#connections dd")) > 0)
    page.until(lambda: page.texts("#closes .name") != [] and page.texts("#peers td") != [])
    assert "token" not in page.driver.current_url
    assert page.driver.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_page_can_be_paused(page: Page) -> None:
    page.driver.find_element(By.ID, "pause").click()
    assert page.text("#status") == "Paused"
    assert page.driver.find_element(By.ID, "pause").get_attribute("aria-pressed") == "true"
    page.driver.find_element(By.ID, "pause").click()
    page.until(lambda: page.text("#status") == "Live")


@pytest.mark.parametrize("width", [360, 900])
def test_page_fits_small_screens(page: Page, width: int) -> None:
    page.driver.set_window_size(width, 740)
    sideways = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    page.until(lambda: page.driver.execute_script(sideways) == 0)


def test_page_says_when_the_server_is_stuck(page: Page, stage: Play) -> None:
    stage.process.send_signal(signal.SIGSTOP)
    try:
        page.until(lambda: page.text("#status") == "No answer, trying again")
    finally:
        stage.process.send_signal(signal.SIGCONT)
    page.until(lambda: page.text("#status") == "Live")


def test_page_goes_on_when_the_server_is_there_again(page: Page, stage: Play) -> None:
    begun = page.begun("messages")
    stage.end()
    page.until(lambda: page.text("#status") == "No answer, trying again")
    stage.begin(stage.port)
    page.until(lambda: page.text("#status") == "Live")
    page.until(lambda: page.begun("messages") > begun)  # nothing is drawn between the two


def test_page_draws_what_another_clock_counts(page: Page) -> None:
    page.driver.find_element(By.ID, "pause").click()
    page.driver.execute_async_script(ANOTHER_CLOCK)
    places = page.driver.execute_script(
        "return $('connections').querySelector('path:not(.area)').getAttribute('d')"
    )
    assert re.fullmatch(r"M[\d.]+ [\d.]+h0L600.0 [\d.]+", places)
    page.driver.find_element(By.ID, "pause").click()


ANOTHER_CLOCK = """
const [done] = arguments;
fetch("numbers").then((answer) => answer.json()).then((now) => {
  for (const time of [1, 2, 3]) show({ ...now, run: "another", time });
  done();
});
"""


def test_page_asks_no_more_with_a_token_of_the_past(page: Page, stage: Play) -> None:
    stage.end()
    stage.begin(stage.port, "another-token-than-before")
    page.until(lambda: page.text("#status") == "The token is not valid any more")
    assert page.text("#pause") == "Go on"
    page.driver.get(stage.url)
    page.until(lambda: page.text("#status") == "Live")
