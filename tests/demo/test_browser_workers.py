"""The demo in a real browser, served by several processes that share a Redis."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.chromium import chromium
from tests.cli.programs import run
from tests.demo.test_browser import PNG, Browser, Demo
from tests.redises import RedisServer, redis_server

OWN, ALL = "#people li:first-child .process", "#people .process"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def browser(redis: RedisServer, tmp_path: Path) -> Iterator[Browser]:
    with (
        Demo("--workers", "2", "--broker", redis.url) as demo,
        chromium(tmp_path / "profile") as driver,
    ):
        yield Browser(driver, demo.url)


def open_elsewhere(browser: Browser, name: str, process: str) -> str:
    """Open the page under *name* on another worker than *process*; return the tab."""
    tab = browser.open(name)
    while browser.text(OWN) == process:
        browser.driver.refresh()
        browser.until(browser.is_connected)
    assert browser.text("#people li .who") == name  # though it has just had another connection
    return tab


def test_tabs_on_two_workers_talk_to_each_other(
    browser: Browser, redis: RedisServer, tmp_path: Path
) -> None:
    ann = browser.open("Ann")
    first = browser.text(OWN)
    bob = open_elsewhere(browser, "Bob", first)
    second = browser.text(OWN)
    pids = [int(process.partition("@")[0]) for process in (first, second)]
    assert len(set(pids)) == 2
    browser.until(lambda: browser.texts(ALL) == [second, first])
    browser.write("text", "Hello Ann")
    browser.turn_to(ann)
    browser.until(lambda: browser.texts(".said .text") == ["Hello Ann"])
    browser.until(lambda: browser.texts("#people .who") == ["Ann", "Bob"])
    assert browser.texts(ALL) == [first, second]
    browser.write("text", "Hello Bob")
    assert run("publish", "--broker", redis.url, "lobby", "<b>The house</b> greets you").status == 0
    browser.turn_to(bob)
    browser.until(lambda: browser.texts(".said .text") == ["Hello Ann", "Hello Bob"])
    browser.until(lambda: browser.texts(".announced") == ["<b>The house</b> greets you"])
    assert browser.screenshot(tmp_path / "workers.png").startswith(PNG)
    assert browser.driver.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_page_finds_its_room_again_where_its_worker_is_killed(browser: Browser) -> None:
    ann = browser.open("Ann")
    first = browser.text(OWN)
    open_elsewhere(browser, "Bob", first)
    browser.write("text", "before")
    browser.turn_to(ann)
    browser.until(lambda: browser.texts(".said .text") == ["before"])
    os.kill(int(first.partition("@")[0]), signal.SIGKILL)
    browser.until(lambda: browser.is_connected() and browser.text(OWN) != first)
    browser.write("text", "after")
    browser.until(lambda: browser.texts(".said .text") == ["before", "after"])
    assert browser.driver.find_element(By.ID, "room").text == "#lobby"
