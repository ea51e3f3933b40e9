"""`geventws record`: a relay that people start, in front of a server and of a browser."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import geventws
from geventws.cli import main
from geventws.cli.record import address
from geventws.core.errors import ConnectionClosed
from geventws.sessions.files import Session, read_session
from tests.chromium import chromium
from tests.cli.programs import IN_TIME, Done, ended, run, running, server
from tests.servers import certified
from tests.serving import LOCAL
from tests.serving import running as serving

# Has a page talk to the relay where it would talk to where it is from.
ELSEWHERE = """
const Original = WebSocket;
window.WebSocket = class extends Original {
  constructor(url) { super(url.replace(location.origin.replace("http", "ws"), "%s")); }
};
"""


@contextmanager
def relay(upstream: str, directory: Path, *arguments: str) -> Iterator[Any]:
    """Have `geventws record` run in front of *upstream*; its .uri says where."""
    given = ["record", upstream, "--listen", "0", "--into", str(directory), *arguments]
    with running(*given) as process:
        with gevent.Timeout(IN_TIME):
            said = process.stdout.readline().decode()
        assert said.startswith("listening on ws://127.0.0.1:"), (
            said + process.stderr.read().decode()
        )
        assert said.endswith(f", recording into {directory}\n")
        process.uri = said.split()[2].rstrip(",")
        yield process


def session_in(directory: Path) -> Session:
    """Return the one session in *directory*."""
    (path,) = directory.iterdir()
    return read_session(path)


def stop(process: Any) -> Done:
    process.send_signal(signal.SIGTERM)
    return ended(process)


def test_relay_records_until_told_to_stop(tmp_path: Path) -> None:
    with server() as upstream, relay(upstream.uri, tmp_path) as process:
        ws = geventws.connect(f"{process.uri}/chat?token=x", headers={"Cookie": "a=b"})
        ws.send("hello")
        assert ws.receive(timeout=5) == "hello"
        process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive(timeout=5)
        assert caught.value.code == 1001
        done = ended(process)
    assert (done.status, done.err) == (0, b"")
    session = session_in(tmp_path)
    assert session.opening.uri == f"{upstream.uri}chat?token={{token}}"
    assert session.opening.headers == (("Cookie", "{cookie}"),)
    assert [each.message for each in session.events] == ["hello", "hello", None]


def test_relay_does_as_it_is_told(tmp_path: Path) -> None:
    def note(ws: Any) -> None:
        ws.send(ws.request.headers["X-Own"])

    with serving(geventws.serve(note, LOCAL, ssl=certified("elsewhere"))) as upstream:
        uri = f"wss://127.0.0.1:{upstream.address[1]}"
        with (
            relay(
                uri, tmp_path, "--insecure", "--header", "X-Own: 5", "--keep-credentials"
            ) as process,
            geventws.connect(f"{process.uri}/?token=x") as ws,
        ):
            assert ws.receive(timeout=5) == "5"
            process.terminate()
            assert ended(process).status == 0
    assert session_in(tmp_path).opening.uri == f"{uri}/?token=x"


def test_recording_of_a_browser_can_be_played_again(tmp_path: Path) -> None:
    with server("--chat") as chat, relay(chat.uri, tmp_path / "sessions") as process:
        visit(chat.uri, process.uri, tmp_path / "profile")
        assert stop(process).status == 0
        (path,) = (tmp_path / "sessions").iterdir()
        done = run("replay", str(path), "--speed", "20")
        clock = run("replay", str(path), "--by-the-clock", "--users", "3", "--speed", "20")
    session = read_session(path)
    said = [str(each.message) for each in session.events if each.sender == "client"]
    assert any('"say"' in each and "from a browser" in each for each in said)
    headers = dict(session.opening.headers)
    assert headers["Origin"] == chat.uri.replace("ws", "http", 1).rstrip("/")
    assert "Chrome" in headers["User-Agent"]
    assert (done.status, done.err) == (0, b"")
    assert done.out.startswith(b"sessions  1, of which 0 failed\n")
    assert clock.out.startswith(b"sessions  3, of which 0 failed\n")


def visit(chat: str, relay: str, profile: Path) -> None:
    """Say something in the chat, as a browser that reaches it through *relay*."""
    with chromium(profile) as driver:
        script = {"source": ELSEWHERE % relay}
        driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # it allows its own alone
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
        driver.get(chat.replace("ws", "http", 1))
        wait = WebDriverWait(driver, IN_TIME, 0.05)
        wait.until(lambda _: driver.find_element(By.ID, "status").text == "Connected")
        driver.find_element(By.ID, "text").send_keys("from a browser", Keys.ENTER)
        wait.until(lambda _: driver.find_elements(By.CSS_SELECTOR, ".said.own .text"))


# What is no relay


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["http://a"], "url: a scheme other than ws"),
        (["ws://a", "--header", "x"], "--header: not of the form NAME:VALUE"),
        (["ws://a", "--into", __file__], f"{__file__}: File exists"),
    ],
)
def test_failure_is_told_in_a_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["record", "--listen", "0", "--into", str(tmp_path), *arguments]
    assert main(given) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"geventws: {said}")


@pytest.mark.parametrize("given", ["", "a:", ":x", "65536", "a:-1", "\u0661"])
def test_listen_needs_a_port(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["record", "ws://a", f"--listen={given}"])
    assert caught.value.code == 2
    assert "argument --listen: not [HOST:]PORT" in capsys.readouterr().err


def test_listen_may_name_a_host() -> None:
    assert address("9000") == ("127.0.0.1", 9000)
    assert address("0.0.0.0:1") == ("0.0.0.0", 1)
    assert address("[::1]:1") == ("::1", 1)
