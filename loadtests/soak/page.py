"""docs/reliability.md, written from the results."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from typing import Any, Final

import gevent

from geventws.version import __version__
from loadtests.bench.report import table
from loadtests.soak.figures import Figure
from loadtests.soak.rows import TABLES, Row
from setup import ROOT

PAGE: Final = ROOT / "docs" / "reliability.md"
HEAD: Final = """# Reliability

This page is written by `make soak` from what it found, never by hand: geventws {version}, gevent
{gevent}, {python}, compiled, server and clients on one machine of {cores} cores.

What can go wrong between two programs, each with what shows that it is held. The tests are part of
`make test`, where they judge what is delivered, answered and left behind; times and memory are
judged here, by `make soak`, on a machine with nothing else to do. `make faults-net` takes down a
wire between two network namespaces, so that peers vanish without a word.
"""


def write(known: Mapping[str, Any], scenarios: Mapping[str, Any]) -> None:
    """Write the page of what is *known* of the *scenarios*."""
    PAGE.write_text(page(known, scenarios), encoding="utf-8")


def page(known: Mapping[str, Any], scenarios: Mapping[str, Any]) -> str:
    """Return the page."""
    parts = [_head(known)]
    parts += [
        _scenario(name, each, known[name]) for name, each in scenarios.items() if name in known
    ]
    parts.append("## Which test shows what\n")
    parts += [_rows(title, rows) for title, rows in TABLES.items()]
    return "\n".join(parts)


def _head(known: Mapping[str, Any]) -> str:
    cores = max((each.get("cores", 0) for each in known.values()), default=0)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return HEAD.format(
        version=__version__, gevent=gevent.__version__, python=python, cores=cores or "some"
    )


def _scenario(name: str, module: Any, found: Mapping[str, Any]) -> str:
    figures = [Figure(**each) for each in found["figures"]]
    command = f"python -m loadtests.soak {name}" + _options(found)
    body = [[each.what, value(each), bound(each)] for each in figures]
    rows = table(["what", "found", "at most"], body)
    title = module.__doc__.strip().removesuffix(".")
    return f"## {title}\n\n`{command}`\n\n{rows}"


def _options(found: Mapping[str, Any]) -> str:
    """Return how the results differ from those that the page is to have."""
    said = f" --seconds {found['seconds']:g}"
    return said if found["scale"] == 1 else f"{said} --scale {found['scale']:g}"


def value(figure: Figure) -> str:
    """Return what was found, with its unit; in bold where it is over its bound."""
    number = figure.found
    places = 0 if number == int(number) or abs(number) >= 100 else 2
    said = f"{number:,.{places}f} {figure.unit}".strip()
    return said if figure.good else f"**{said}**"


def bound(figure: Figure) -> str:
    """Return the bound, with its unit."""
    return "" if figure.most is None else f"{figure.most:,g} {figure.unit}".strip()


def _rows(title: str, rows: list[Row]) -> str:
    body = [[each.name, each.what, ", ".join(_shown(each))] for each in rows]
    rule = "| --- | --- | --- |"  # of text, where table() has numbers
    text = table(["", "what", "shown by"], body).replace("| --- | ---: | ---: |", rule)
    return f"### {title}\n\n{text}"


def _shown(row: Row) -> Iterator[str]:
    for each in row.tests:
        yield f"`tests/{each.partition('::')[0]}`"
    for each in row.scenarios:
        yield f"`{each}` above"
