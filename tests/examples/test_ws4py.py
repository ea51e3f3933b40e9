"""The programs that ws4py's documentation describes: a chat, a crowd, and a mocked source."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import geventws
from tests.chromium import chromium
from tests.examples.programs import running, serving

CROWD = 2000
DESCRIPTORS = 4096  # that each of two processes may need for them


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path / "profile") as driver:
        yield driver


def test_chat_passes_on_what_one_says_to_everybody() -> None:
    with serving("cherrypy_chat.py", 0) as port, ExitStack() as ends:
        url = f"ws://127.0.0.1:{port}/ws"
        everybody = [ends.enter_context(geventws.connect(url)) for _ in range(30)]
        for ws in everybody:
            ws.ping(timeout=20)  # who has a pong is known to the chat
        everybody[0].send("Ann: tea?")
        assert {ws.receive(timeout=20) for ws in everybody} == {"Ann: tea?"}


def test_chat_page_talks_to_another_tab(driver: webdriver.Chrome, tmp_path: Path) -> None:
    with serving("cherrypy_chat.py", 0) as port:
        tabs = []
        for name in ("Ann", "Bob"):
            driver.switch_to.new_window("tab")
            driver.get(f"http://127.0.0.1:{port}/")
            until_said(driver, "#status", ["Connected"])
            driver.find_element(By.ID, "name").clear()
            driver.find_element(By.ID, "name").send_keys(name)
            tabs.append(driver.current_window_handle)
        driver.find_element(By.ID, "text").send_keys("<i>tea</i>: now?", Keys.ENTER)
        until_said(driver, "#log .own", ["Bob <i>tea</i>: now?"])
        driver.switch_to.window(tabs[0])
        until_said(driver, "#log li:not(.own)", ["Bob <i>tea</i>: now?"])
        driver.save_screenshot(str(tmp_path / "chat.png"))
        assert driver.get_log("browser") == []  # type: ignore[no-untyped-call]


def until_said(driver: webdriver.Chrome, selector: str, texts: list[str]) -> None:
    """Wait until the elements of *selector* are these *texts*."""
    wait = WebDriverWait(driver, 20, 0.05)
    wait.until(lambda d: [e.text for e in d.find_elements(By.CSS_SELECTOR, selector)] == texts)


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Let programs have as many open files as their first lines say."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("descriptors")
def test_two_thousand_clients_hear_what_one_says() -> None:
    with ExitStack() as ends:
        chat = ends.enter_context(running("cherrypy_chat.py", 0))
        url = f"ws://127.0.0.1:{chat.port}/ws"
        crowd = ends.enter_context(running("two_thousand_clients.py", url, CROWD))
        assert crowd.line() == f"{CROWD} clients are connected"
        with geventws.connect(url) as ws:
            ws.send("tea?")
            assert ws.receive(timeout=20) == "tea?"
        assert crowd.line() == f"{CROWD} clients heard tea?"
        chat.process.terminate()
        assert crowd.wait() == 0


def test_mocked_data_source_is_answered() -> None:
    with running("mocked_data_source.py") as program:
        assert (program.line(), program.line()) == ("said hello world", "closed 1000")
        assert program.wait() == 0
