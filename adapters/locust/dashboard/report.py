"""The tables in Locust's HTML report.

What that shows is built into it, and it has no place for more: the tables go behind it, in the same
dress.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Final

from geventws.adapters.locust.dashboard.board import Board
from geventws.adapters.locust.dashboard.tables import (
    CLOSES,
    REPORTED,
    Row,
    Table,
    closes_of,
    row_of,
)

END: Final = "</body>"
MARK: Final = '<section id="websockets">'
STYLE: Final = """
  #websockets { box-sizing: border-box; max-width: 1200px; margin: 0 auto 48px; padding: 0 24px;
    font: 14px/1.43 Roboto, Helvetica, Arial, sans-serif; }
  #websockets h2 { font-size: 34px; font-weight: 400; line-height: 1.235; margin: 32px 0 8px; }
  #websockets .paper { overflow-x: auto; border-radius: 4px; box-shadow: 0 2px 1px -1px #0003,
    0 1px 1px #0002, 0 1px 3px #0002; background: #ffffff0d; }
  #websockets table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
  #websockets th, #websockets td { padding: 16px; text-align: left;
    border-bottom: 1px solid #8884; }
  #websockets th { font-weight: 500; vertical-align: bottom; }
  #websockets tr:last-child td { border-bottom: 0; }
"""


def with_tables(report: str, board: Board) -> str:
    """Return *report*, as Locust made it, with the tables; once it has them they are left so."""
    head, end, rest = report.rpartition(END)
    if not end or MARK in report:
        return report
    return head + section_of(board) + end + rest


def add_tables(path: Path, board: Board, since: float) -> None:
    """Put the tables into the report in the file at *path*, if it was written *since* then."""
    if path.exists() and path.stat().st_mtime >= since:
        report = path.read_text(encoding="utf-8")
        path.write_text(with_tables(report, board), encoding="utf-8")


def section_of(board: Board) -> str:
    """Return the tables."""
    lines = board.lines()
    tables = _table(REPORTED, [row_of(line) for line in lines])
    closes = closes_of(lines[-1].totals)
    if closes:
        tables += _table(CLOSES, closes)
    return f"{MARK}<style>{STYLE}</style>{tables}</section>\n"


def _table(table: Table, rows: list[Row]) -> str:
    head = _line("th", table.head())
    body = "".join(_line("td", table.cells(row)) for row in rows)
    return (
        f'<h2>{escape(table.title)}</h2><div class="paper"><table>'
        f"<thead>{head}</thead><tbody>{body}</tbody></table></div>"
    )


def _line(tag: str, cells: list[Any]) -> str:
    return "<tr>" + "".join(f"<{tag}>{_text(cell)}</{tag}>" for cell in cells) + "</tr>"


def _text(cell: Any) -> str:
    if isinstance(cell, float):
        return str(int(cell) if cell.is_integer() else cell)
    return "" if cell is None else escape(str(cell))
