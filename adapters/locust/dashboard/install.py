"""WebSockets in Locust's web page, in its HTML report and in CSV files.

A locustfile that imports this door has them: Locust's init event installs them in each process.
"""

from __future__ import annotations

from pathlib import Path
from time import time
from typing import Any, Final
from weakref import WeakSet

import locust
from locust.runners import WorkerRunner

from geventws.adapters.locust.dashboard.board import Board
from geventws.adapters.locust.dashboard.files import Files
from geventws.adapters.locust.dashboard.page import extend
from geventws.adapters.locust.dashboard.report import add_tables
from geventws.adapters.locust.gauges import Gauges, Report, gauges_of

KEY: Final = "websockets"  # of what a worker reports
PATIENCE: Final = 0.25  # seconds; at the end of a run the master waits no longer than twice that

_installed: WeakSet[Any] = WeakSet()


@locust.events.init.add_listener  # type: ignore[untyped-decorator]
def install_dashboard(environment: Any, **_: Any) -> None:
    """Show what the WebSockets of *environment* do: live, in its reports and in its CSV files.

    Locust's command does this by itself where a locustfile imports geventws.adapters.locust. Call
    it in a program of your own that makes an Environment, after the runner and the web page are
    made; doing it twice is no error.
    """
    if environment in _installed:
        return
    _installed.add(environment)
    gauges = gauges_of(environment)
    _count_tests(environment.events, gauges)
    if isinstance(environment.runner, WorkerRunner):
        _tell_master(environment.events, gauges)
        return
    board = Board(environment)
    _follow(environment, board)
    _write_files(environment, board)
    if environment.web_ui is not None:
        extend(environment.web_ui, board)


def _count_tests(events: Any, gauges: Gauges) -> None:
    events.test_start.add_listener(lambda **_: gauges.begin_test())
    events.test_stop.add_listener(lambda **_: gauges.end_test(PATIENCE))


def _tell_master(events: Any, gauges: Gauges) -> None:
    def report(data: dict[str, Any], **_: Any) -> None:
        data[KEY] = gauges.report().plain()

    events.report_to_master.add_listener(report)


def _follow(environment: Any, board: Board) -> None:
    def take(client_id: str, data: dict[str, Any], **_: Any) -> None:
        if KEY in data:  # a worker need not have this door
            board.take(client_id, Report.of(data[KEY]))

    def spawned(**_: Any) -> None:
        if environment.reset_stats:
            board.reset()

    events = environment.events
    events.test_start.add_listener(lambda **_: board.begin_test())
    events.reset_stats.add_listener(lambda **_: board.reset())
    events.spawning_complete.add_listener(spawned)
    events.worker_report.add_listener(take)


def _write_files(environment: Any, board: Board) -> None:
    options = environment.parsed_options
    prefix = getattr(options, "csv_prefix", None)
    files = Files(environment, board, prefix) if prefix else None
    since = time()

    def write(**_: Any) -> None:
        board.finish()
        if files is not None:
            files.close()
        if getattr(options, "html_file", None):  # its name may have been completed meanwhile
            add_tables(Path(options.html_file), board, since)

    environment.events.quit.add_listener(write)
