"""The dashboard in a real browser, under real traffic."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

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

    def until(self, done: Callable[[], bool]) -> None:
        WebDriverWait(self.driver, PATIENCE).until(lambda _: done())


@pytest.fixture(scope="module")
def stage() -> Iterator[subprocess.Popen[str]]:
    """The stage, playing; its standard output has the address next."""
    command = [sys.executable, "-m", "tests.dashboard.stage"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def page(stage: subprocess.Popen[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The dashboard of the stage, opened with its token."""
    assert stage.stdout is not None
    url = stage.stdout.readline().strip()
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.get(url)
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


def test_page_says_when_the_server_is_gone(page: Page, stage: subprocess.Popen[str]) -> None:
    stage.kill()
    page.until(lambda: page.text("#status") == "No answer, trying again")
