"""The browser's side of resume.geventws.v1, in headless Chromium against a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event
from selenium import webdriver

import geventws
from geventws.broadcasting import SLOW
from geventws.broker import MemoryBroker, Position, Publication
from geventws.core.handshake import Request, Response
from geventws.demo.page import HEADERS, PAGES
from geventws.resuming import (
    MARK,
    MAX_TOKEN,
    POSITION,
    RESUME,
    direct,
    joined,
    left,
    positions,
    published,
    skipped,
)
from tests.chromium import chromium

Message = str | bytes
BLANK = Response(200, (("Content-Type", "text/html"), *HEADERS), "<!doctype html><title>-</title>")

OPEN = """
const [path, options, done] = arguments;
window.heard = [];
import("/resume.js").then(({ ResumingSocket }) => {
  window.socket = new ResumingSocket(`ws://${location.host}${path}`, { longest: 0.1, ...options });
  const note = (...said) => { heard.push(said); window.look?.(); };
  const read = (data) => typeof data === "string" ? data : [...new Uint8Array(data)];
  socket.addEventListener("message", ({ data, room }) => note("message", read(data), room));
  socket.addEventListener("unrecovered", ({ room }) => note("unrecovered", room));
  socket.addEventListener("close", ({ code }) => note("close", code));
  done();
});
"""
UNTIL = """
const [count, done] = arguments;
window.look = () => { if (heard.length >= count) { window.look = undefined; done(heard); } };
window.look();
"""


class Tab:
    """A page with a ResumingSocket; it is asked in a thread, so that the server runs on."""

    def __init__(self, driver: webdriver.Chrome, port: int) -> None:
        self._driver = driver
        self._driver.set_script_timeout(10)
        self._in_thread(driver.get, f"http://127.0.0.1:{port}/")

    def open(self, path: str, **options: Any) -> None:
        self._in_thread(self._driver.execute_async_script, OPEN, path, options)

    def until(self, count: int) -> list[Any]:
        """Return all that was heard, once it is *count* events."""
        heard: list[Any] = self._in_thread(self._driver.execute_async_script, UNTIL, count)
        return heard

    def run(self, script: str, *arguments: Any) -> Any:
        return self._in_thread(self._driver.execute_script, script, *arguments)

    def _in_thread(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        return gevent.get_hub().threadpool.apply(ask, arguments)


class Site:
    """A server with rooms at /rooms, and at /script what each connection is to be told in turn."""

    def __init__(self) -> None:
        self.manager = geventws.Manager(broker=MemoryBroker(history=5))
        self.script: list[list[Message]] = []
        self.cutting = 1011, ""  # how a connection ends that others follow
        self.said: list[dict[str, Position]] = []
        self.offered: list[str] = []
        self.gate = Event()  # whoever comes waits here
        self.gate.set()
        self.came = Event()
        self.server = geventws.serve(
            self._handle, ("127.0.0.1", 0), subprotocols=[RESUME], process_request=self._page
        )
        self.server.start()
        self.port: int = self.server.server_port or 0

    def _page(self, request: Request) -> Response | None:
        if request.path == "/":
            return BLANK
        if request.path in PAGES:
            return PAGES[request.path]
        self.gate.wait(20)
        return None

    def _handle(self, ws: geventws.WebSocket) -> None:
        assert ws.request is not None
        self.offered.append(ws.request.headers["Sec-WebSocket-Protocol"])
        self.said.append(positions(ws.request))
        if ws.request.path == "/script":
            self._tell(ws)
        else:
            self._serve(ws)

    def _tell(self, ws: geventws.WebSocket) -> None:
        for message in self.script.pop(0):
            ws.send(message)
        if self.script:
            ws.close(*self.cutting)
        else:
            list(ws)

    def _serve(self, ws: geventws.WebSocket) -> None:
        self.manager.join_room(ws, "tea")
        self.came.set()
        for message in ws:
            match message:
                case "leave":
                    self.manager.leave_room(ws, "tea")
                case "join":
                    self.manager.join_room(ws, "tea")
                case "not me":
                    self.manager.broadcast(message, room="tea", exclude=ws)
                case _:
                    ws.send(direct(ws, message))

    def publish(self, *messages: Message) -> None:
        for message in messages:
            self.manager.broadcast(message, room="tea")

    def cut_off(self) -> None:
        """Lose all connections; nobody comes back before go_on()."""
        self.gate.clear()
        self.came.clear()
        for ws in self.manager:
            ws.drop()

    def go_on(self) -> None:
        self.gate.set()
        assert self.came.wait(20)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    profile: Path = tmp_path_factory.mktemp("browser")
    with chromium(profile) as driver:
        yield driver


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.gate.set()
    site.server.stop()


@pytest.fixture
def tab(driver: webdriver.Chrome, site: Site) -> Iterator[Tab]:
    tab = Tab(driver, site.port)
    yield tab
    tab.run("window.socket?.close()")


def at(offset: int, epoch: str = "x", room: str = "tea") -> Message:
    return published(Publication(room, f"{offset}", Position(offset, epoch)))


def start(offset: int, recovered: bool | None, room: str = "tea") -> str:
    return joined(room, Position(offset, "x"), recovered)


def test_client_of_this_name_has_a_hundred_lines_at_most() -> None:
    assert len(files("geventws.demo").joinpath("resume.js").read_text("utf-8").splitlines()) <= 100


def test_page_gets_what_was_published_while_it_was_gone(tab: Tab, site: Site) -> None:
    tab.open("/rooms")
    assert site.came.wait(20)
    site.publish("one\ntwo", b"\n\x00\xff", "")
    assert tab.until(3)[2] == ["message", "", "tea"]
    site.cut_off()
    site.publish("missed", b"", "\u00e9\U0001f600")
    site.go_on()
    tab.until(6)
    site.publish("live")
    heard = tab.until(7)
    payloads = ["one\ntwo", [10, 0, 255], "", "missed", [], "\u00e9\U0001f600", "live"]
    assert heard == [["message", payload, "tea"] for payload in payloads]
    assert site.said[1]["tea"].offset == 3


def test_page_is_told_that_it_missed_too_much(tab: Tab, site: Site) -> None:
    tab.open("/rooms")
    assert site.came.wait(20)
    site.publish("one")
    tab.until(1)
    site.cut_off()
    site.publish(*map(str, range(10)))
    site.go_on()
    site.publish("live")
    heard = tab.until(3)
    assert heard[1:] == [["unrecovered", "tea"], ["message", "live", "tea"]]


def test_page_gets_what_was_sent_to_it_alone_as_it_was(tab: Tab, site: Site) -> None:
    tab.open("/rooms")
    assert site.came.wait(20)
    tab.run("socket.send('hello')")
    tab.run("socket.send(new Uint8Array([30, 123]))")
    tab.run("socket.send(arguments[0])", f"{MARK}null}}\n{left('tea')}")
    heard = [["message", "hello", None], ["message", [30, 123], None]]
    assert tab.until(3) == [*heard, ["message", f"{MARK}null}}\n{left('tea')}", None]]


def test_page_leaves_and_joins_and_is_left_out_and_misses_nothing(tab: Tab, site: Site) -> None:
    tab.open("/rooms")
    assert site.came.wait(20)
    site.publish("one")
    tab.until(1)
    tab.run("socket.send('not me'); socket.send('leave'); socket.send('left')")
    tab.until(2)
    assert tab.run("return socket.positions.size") == 0
    site.publish("nobody is here")
    tab.run("socket.send('join'); socket.send('joined')")
    tab.until(3)
    site.publish("two")
    heard = tab.until(4)
    assert [each[1] for each in heard] == ["one", "left", "joined", "two"]


def test_page_that_is_cut_off_before_the_replay_ends_skips_nothing(tab: Tab, site: Site) -> None:
    site.script = [
        [start(5, None), at(6)],
        [start(6, True), at(7)],
        [start(7, True)],
        [start(7, True), at(8), at(8), at(9), skipped("tea", Position(10, "x")), at(11)],
    ]
    tab.open("/script")
    assert [each[1] for each in tab.until(5)] == ["6", "7", "8", "9", "11"]
    said = [each.get("tea") for each in site.said]
    assert said == [None, (6, "x"), (7, "x"), (7, "x")]


@pytest.mark.parametrize(
    ("reason", "last"), [(SLOW, ["message", "7", "tea"]), ("slow", ["close", 1008])]
)
def test_page_comes_back_after_1008_only_if_it_was_too_slow(
    tab: Tab, site: Site, reason: str, last: list[Any]
) -> None:
    site.cutting = 1008, reason
    site.script = [[start(5, None), at(6)], [start(6, True), at(7)]]
    tab.open("/script")
    assert tab.until(2) == [["message", "6", "tea"], last]


@pytest.mark.parametrize(
    "missed",
    [[at(8)], [at(1, "y")], [start(9, False), at(10)], [start(9, None), at(10)]],
    ids=["gap", "epoch", "false", "null"],
)
def test_page_is_told_of_a_gap_before_what_follows_it(
    tab: Tab, site: Site, missed: list[Message]
) -> None:
    site.script = [[start(5, None), at(6), *missed]]
    tab.open("/script")
    heard = tab.until(3)
    assert [each[0] for each in heard] == ["message", "unrecovered", "message"]


@pytest.mark.parametrize(
    "broken",
    [
        *[f"{MARK}{rest}" for rest in ("}", "1", "1}\nm", "{}}\nm", '"tea","skipped":true}')],
        *[
            f'{MARK}"tea","offset":{offset},"epoch":{epoch}}}\nm'
            for offset, epoch in [(1.5, '"x"'), (-1, '"x"'), (7, 1), (7, '"a b"'), (2**53, '"x"')]
        ],
        MARK.encode() + b"\xff}\nm",
    ],
    ids=lambda broken: repr(broken)[10:40],
)
def test_page_fails_a_server_whose_heads_are_none(tab: Tab, site: Site, broken: Message) -> None:
    site.script = [[start(5, None), at(6), broken, at(7)]]
    tab.open("/script")
    assert tab.until(2) == [["message", "6", "tea"], ["close", 4002]]


def test_page_comes_back_no_more_after_its_close(tab: Tab, site: Site) -> None:
    tab.open("/rooms")
    assert site.came.wait(20)
    tab.run("socket.close()")
    assert tab.until(1) == [["close", 1000]]
    assert len(site.said) == 1


def test_page_says_where_it_stands_in_as_many_rooms_as_fit(tab: Tab, site: Site) -> None:
    names = [f"room \u00e9\u2028{n:03}" for n in range(300)]
    site.script = [
        [*(at(1, "abcdefgh", name) for name in names), at(2, "abcdefgh", names[0])],
        ["hi"],
    ]
    tab.open("/script", protocols=["bearer.1"])
    tab.until(302)
    first, token, last = site.offered[1].split(", ")
    said = site.said[1]
    assert (first, last, site.offered[0]) == (RESUME, "bearer.1", f"{RESUME}, bearer.1")
    assert token.startswith(POSITION)
    assert MAX_TOKEN - 120 < len(token) <= MAX_TOKEN
    assert list(said) == [names[0], *reversed(names[301 - len(said) :])]
    assert set(said.values()) == {(2, "abcdefgh"), (1, "abcdefgh")}
