"""The dashboard in Locust's own processes: what it shows is what the server has counted."""

from __future__ import annotations

import csv
import gc
from argparse import Namespace
from io import StringIO
from pathlib import Path
from typing import Any

import gevent
import pytest
from locust import log
from locust.env import Environment

from geventws.adapters.locust import install_dashboard
from geventws.adapters.locust.dashboard.install import KEY
from geventws.adapters.locust.gauges import Report, gauges_of
from tests.adapters.locust.dashboard.board import close, master
from tests.adapters.locust.dashboard.crowd import (
    LONG,
    Counter,
    counting,
    crowd,
    locust,
    take_picture,
    text_of_tab,
)
from tests.adapters.locust.dashboard.visitors import ROUNDS, TEXT, USERS
from tests.chromium import chromium
from tests.rawpeer import PATIENCE

MESSAGES = USERS * ROUNDS
BYTES = MESSAGES * len(TEXT)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def check_csv(rows: list[dict[str, str]], server: Counter) -> None:
    """See that the last row is the sum of the others, and what the server counted."""
    *workers, total = rows
    assert [row["Worker"].rpartition(" ")[2] for row in workers] == ["#0", "#1"]
    for name in ("Opened", "Closed", "Messages Sent", "Messages Received", "Ping Count"):
        assert sum(int(row[name]) for row in workers) == int(total[name])
    assert (server.messages, server.bytes) == (MESSAGES, BYTES)
    assert int(total["Messages Sent"]) == int(total["Messages Received"]) == server.messages
    assert int(total["Bytes Sent"]) == int(total["Bytes Received"]) == server.bytes
    assert total["Open"] == "0"
    assert int(total["Opened"]) == int(total["Closed"]) == len(server.codes) == 2 * USERS
    assert int(total["Ping Count"]) == USERS
    assert float(total["Ping Median (ms)"]) <= float(total["Ping Max (ms)"])


@pytest.mark.timeout(120)
def test_files_of_a_run_have_what_the_server_counted(tmp_path: Path) -> None:
    prefix, report = str(tmp_path / "run"), tmp_path / "report.html"
    options = ("--processes", "2", "--headless", "--csv", prefix, "--html", str(report))
    # all at once: in a slower ramp Locust has others come in place of those that have gone
    user = ("Visitor", "-u", f"{USERS}", "-r", f"{USERS}", "--host")
    with counting() as server, locust(*options, *user, server.url) as process:
        _, log = process.communicate(timeout=LONG)
        assert process.returncode == 0, log
        assert sorted(server.codes) == [1001] * USERS + [4001] * USERS
        check_csv(rows_of(Path(f"{prefix}_websockets.csv").read_text()), server)
    closes = rows_of(Path(f"{prefix}_websockets_closes.csv").read_text())
    counts = {row["Close Code"]: row["# Connections"] for row in closes}
    assert counts == {"1001": f"{USERS}", "4001": f"{USERS}"}
    history = rows_of(Path(f"{prefix}_websockets_history.csv").read_text())
    assert history[-1]["Total Messages Sent"] == f"{MESSAGES}"
    html = report.read_text(encoding="utf-8")
    assert html.count('<section id="websockets">') == 1
    assert f"<td>{MESSAGES}</td>" in html
    assert "<td>4001</td><td>of the application</td>" in html


@pytest.mark.timeout(240)
def test_page_of_a_master_shows_what_the_server_counted(tmp_path: Path) -> None:
    with counting() as server, crowd(server.url) as page:
        page.wait_for(lambda: page.total("Closed") == 2 * USERS)
        check_csv(rows_of(page.get("/websockets/csv")), server)
        codes = {row["code"]: row["count"] for row in page.rows("websocket-closes")}
        assert codes == {1001: USERS, 4001: USERS}
        assert "4001,of the application,6,50.0" in page.get("/websocket-closes/csv")
        assert f"<td>{MESSAGES}</td>" in page.get("/stats/report?download=1")
        picture = tmp_path / "tab.png"
        with chromium(tmp_path / "profile") as browser:
            take_picture(browser, page, picture)
            assert picture.read_bytes().startswith(b"\x89PNG")
            shown = text_of_tab(browser, page, "websockets", "Aggregated")
            assert f"Aggregated 0 {2 * USERS} {2 * USERS} {MESSAGES} {MESSAGES}" in shown
            assert "Ping Median (ms)" in shown
            shown = text_of_tab(browser, page, "websocket-closes", "going away")
            assert f"4001 of the application {USERS} 50" in shown
            browser.get(f"{page.url}/stats/report?theme=dark")
            tables = browser.find_element("id", "websockets").text
            assert f"Aggregated 0 {2 * USERS} {2 * USERS} {MESSAGES} {MESSAGES}" in tables


def test_worker_tells_its_master() -> None:
    heard: Any = gevent.queue.Queue()

    def hear(data: dict[str, Any], **_: Any) -> None:
        heard.put(data)

    with master() as scene:
        install_dashboard(scene.environment)
        scene.environment.events.worker_report.add_listener(hear)
        environment: Any = Environment()
        worker = environment.create_worker_runner("127.0.0.1", scene.runner.server.port)
        try:
            gauges_of(environment).ponged(0.001)
            install_dashboard(environment)
            worker._send_stats()
            while KEY not in (data := heard.get(timeout=PATIENCE)):
                pass
            assert Report.of(data[KEY]).totals.pings == {1000: 1}
        finally:
            worker.quit()
            close(worker.client)


def test_files_are_written_when_locust_quits(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    environment: Any = Environment()
    environment.parsed_options = Namespace(csv_prefix=f"{tmp_path}/run", html_file=f"{report}")
    install_dashboard(environment)
    gauges_of(environment).ponged(0.001)
    report.write_text("<body></body>", encoding="utf-8")
    environment.events.quit.fire(exit_code=0)
    assert rows_of((tmp_path / "run_websockets.csv").read_text())[-1]["Ping Count"] == "1"
    assert "Close Codes" not in report.read_text(encoding="utf-8")
    assert "WebSockets" in report.read_text(encoding="utf-8")


def test_installing_twice_installs_once() -> None:
    environment: Any = Environment()
    install_dashboard(environment)
    install_dashboard(environment)
    environment.events.test_start.fire(environment=environment)
    assert gauges_of(environment).report().test == 1


def test_program_without_options_or_reports_has_no_files() -> None:
    environment: Any = Environment()
    install_dashboard(environment)
    environment.events.worker_report.fire(client_id="a_1", data={})  # by one without this door
    environment.events.quit.fire(exit_code=0)
    assert not log.unhandled_greenlet_exception


def test_environment_is_let_go_of() -> None:
    environment: Any = Environment()
    install_dashboard(environment)
    gc.collect()
    before = sum(isinstance(each, Environment) for each in gc.get_objects())
    del environment
    gc.collect()
    assert sum(isinstance(each, Environment) for each in gc.get_objects()) == before - 1
