"""docs/conformance.md, written from the results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from setup import ROOT
from tests.conformance.results import INFORMATIONAL, Run, read_matrix, saved

PAGE: Final = ROOT / "docs" / "conformance.md"
HEAD: Final = """# Conformance

This page is written by `make conformance` from what it found, never by hand. Every end took
messages of up to 16 MiB (and so 65,536 fragments, the default that goes with it); all else was as
it is by default. *{date}*
"""
AUTOBAHN: Final = """
## The Autobahn test suite

{cases} cases, version {autobahntestsuite}, with geventws {geventws}, gevent {gevent} and Python
{Python}. A number alone means that so many cases are OK, their closing handshake included; anything
else would stand beside it. {informational} are INFORMATIONAL by the suite's own judgement: they
show what an end does where RFC 6455 leaves it the choice.
"""
GROUPS: Final = {
    "1.1": "text",
    "1.2": "binary",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4.1": "reserved data opcodes",
    "4.2": "reserved control opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7.1": "closing",
    "7.3": "lengths of close frames",
    "7.5": "close reasons that are not UTF-8",
    "7.7": "close codes that may be sent",
    "7.9": "close codes that may not be sent",
    "7.13": "close codes without a meaning",
    "9.1": "large text",
    "9.2": "large binary",
    "9.3": "large text in fragments",
    "9.4": "large binary in fragments",
    "9.5": "large text in small portions",
    "9.6": "large binary in small portions",
    "9.7": "1,000 texts",
    "9.8": "1,000 binaries",
    "10": "a message in the sender's fragments",
    "12.1": "compressed: JSON",
    "12.2": "compressed: an image",
    "12.3": "compressed: prose",
    "12.4": "compressed: HTML",
    "12.5": "compressed: a PDF",
    "13.1": "compressed, nothing asked for",
    "13.2": "compressed, no context takeover",
    "13.3": "compressed, windows of 9 bits",
    "13.4": "compressed, windows of 15 bits",
    "13.5": "compressed, 9 bits without takeover",
    "13.6": "compressed, 15 bits without takeover",
    "13.7": "compressed, several offers",
}


def write_page() -> int:
    """Write the page; return 1 where there are no results to write of."""
    runs = saved()
    if not runs:
        print("no results: python -m tests.conformance run")
        return 1
    PAGE.write_text("".join([_autobahn(runs), *matrix(read_matrix())]))
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


def group_of(number: str) -> str:
    """Return the group that a case belongs to."""
    parts = number.split(".")
    two = ".".join(parts[:2])
    return two if two in GROUPS else parts[0]


def _autobahn(runs: list[Run]) -> str:
    said = ", ".join(sorted(INFORMATIONAL))
    text = HEAD.format(date=date.today().isoformat())
    text += AUTOBAHN.format(cases=len(runs[0].verdicts), informational=said, **runs[0].versions)
    for role in ("server", "client"):
        ends = [run for run in runs if run.role == role]
        rows = [
            [f"{key} {title}", *(cell(run, key) for run in ends)] for key, title in GROUPS.items()
        ]
        rows.append(["**all**", *(f"**{len(run.verdicts)}**" for run in ends)])
        text += f"\n### As a {role}\n\n" + table(["cases", *(run.title() for run in ends)], rows)
    return text


def cell(run: Run, key: str) -> str:
    """Return how the cases of a group ended, as "9" or "8, 1 NON-STRICT (5.3)"."""
    ends = Counter(_ended(number, run) for number in run.verdicts if group_of(number) == key)
    return ", ".join(f"{count} {said}".strip() for said, count in sorted(ends.items()))


def _ended(number: str, run: Run) -> str:
    verdict = run.verdicts[number]
    if set(verdict) == {"OK"}:
        return ""
    told = verdict.behavior if set(verdict) == {"INFORMATIONAL"} else " closing ".join(verdict)
    return f"{told} ({number})"


def matrix(results: list[dict[str, Any]]) -> Iterable[str]:
    """Yield the section on other people's ends."""
    if not results:
        return
    cases = list(dict.fromkeys(result["case"] for result in results))
    ends = dict.fromkeys((each["peer"], each["version"], each["role"]) for each in results)
    yield "\n## Other people's clients and servers\n\n"
    rows = [[*end, *(_outcome(results, end, case) for case in cases)] for end in ends]
    yield table(["peer", "version", "as a", *cases], rows)


def _outcome(results: list[dict[str, Any]], end: tuple[str, ...], case: str) -> str:
    mine = [
        each
        for each in results
        if (each["peer"], each["version"], each["role"]) == end and each["case"] == case
    ]
    if not mine:
        return ""
    return (
        "OK"
        if all(each["ok"] for each in mine)
        else "; ".join(each["error"] for each in mine if not each["ok"])
    )


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
