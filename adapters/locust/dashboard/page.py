"""The tables as tabs of Locust's web page, and as downloads.

What the page asks for anyway is extended on its way out: its arguments, its statistics, its report.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, Final

from flask import Blueprint, Response, request

from geventws.adapters.locust.dashboard.board import Board
from geventws.adapters.locust.dashboard.files import closes_csv, connections_csv
from geventws.adapters.locust.dashboard.report import with_tables
from geventws.adapters.locust.dashboard.tables import CLOSES, LIVE, closes_of, row_of

DOWNLOADS: Final = ((LIVE, connections_csv), (CLOSES, closes_csv))
INDEX: Final = "locust.index"
STATS: Final = "locust.request_stats"
REPORT: Final = "locust.stats_report"


def extend(web_ui: Any, board: Board) -> None:
    """Show *board* in *web_ui*, a locust.web.WebUI that has answered no request yet."""
    prefix = web_ui.app.blueprints["locust"].url_prefix
    pages = Blueprint("geventws", __name__, url_prefix=prefix)

    # A locustfile may have tabs and hooks of its own. This comes after it in both cases: Flask
    # calls its hooks on the way out in the reverse order, and the page is made only now.
    @pages.before_app_request
    def prepare() -> None:
        if request.endpoint == INDEX:
            add_tabs(web_ui.template_args)

    @pages.after_app_request
    def complete(response: Response) -> Response:
        if response.status_code == 200:
            if request.endpoint == STATS:
                response.set_data(json.dumps(with_rows(response.get_json(), board)))
            elif request.endpoint == REPORT:
                response.set_data(with_tables(response.get_data(as_text=True), board))
        return response

    for table, text_of in DOWNLOADS:
        view = partial(_download, f"{table.key}.csv", text_of, board)
        view = web_ui.auth_required_if_enabled(update_wrapper(view, _download))
        pages.add_url_rule(f"/{table.key}/csv", table.key, view)
    web_ui.app.register_blueprint(pages)


def add_tabs(arguments: dict[str, Any]) -> None:
    """Put the tabs, their tables and the downloads into the *arguments* of the page, once."""
    for table, _ in DOWNLOADS:
        structure = [{"key": key, "title": title} for key, title in table.columns.items()]
        _put(arguments, "extended_tabs", key=table.key, title=table.title)
        _put(arguments, "extended_tables", key=table.key, structure=structure)
        link = f"./{table.key}/csv"
        _put(arguments, "extended_csv_files", href=link, title=f"Download {table.title} CSV")


def with_rows(stats: dict[str, Any], board: Board) -> dict[str, Any]:
    """Return *stats*, which the page asks for every other second, with the rows of the tables."""
    lines = board.lines()
    _put(stats, "extended_stats", key=LIVE.key, data=[row_of(line) for line in lines])
    _put(stats, "extended_stats", key=CLOSES.key, data=closes_of(lines[-1].totals))
    return stats


def _put(found: dict[str, Any], name: str, **entry: Any) -> None:
    """Put *entry* into a list, in place of the same one: Locust keeps its answers for a while."""
    first = next(iter(entry))
    others = [each for each in found.get(name) or () if each.get(first) != entry[first]]
    found[name] = [*others, entry]


def _download(name: str, text_of: Callable[[Board], str], board: Board) -> Response:
    headers = {"Content-Disposition": f"attachment;filename={name}"}
    return Response(text_of(board), mimetype="text/csv", headers=headers)
