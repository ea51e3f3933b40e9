"""docs/conformance.md, written from the results."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Final

from setup import ROOT
from tests.conformance.matrix_page import matrix, table
from tests.conformance.plans import DOOR, WHOLE
from tests.conformance.results import INFORMATIONAL, Run, missing, read_matrix, saved

PAGE: Final = ROOT / "docs" / "conformance.md"
HEAD: Final = """# Conformance

This page is written by `make conformance` from what it found, never by hand. *{date}*

## The Autobahn test suite

Version {autobahntestsuite}, with geventws {geventws}, gevent {gevent} and Python {Python}. Every
end took messages of up to 16 MiB (and so 65,536 continuation frames, the default that goes with
it); all else was as it is by default. A number alone means that so many cases are OK, their closing
handshake included; anything else would stand beside it. {informational} are INFORMATIONAL by the
suite's own judgement: they show what an end does where RFC 6455 leaves it the choice.

The native server and client and the server under gevent's pywsgi were asked all {whole} cases. The
other doors, which have the same core, were asked {door} of them, compiled: all but most compressed
messages of more than 1 KiB.
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
    """Write the page and print it; return 1 where something is missing or to be wished for."""
    runs, met = saved(), read_matrix()
    wanting = missing(runs) + ["other people's clients and servers"] * (not met)
    wanting += chain.from_iterable(run.faults() for run in runs)
    wanting += [f"{each['peer']}: {each['error']}" for each in met if each["ok"] is False]
    if len({tuple(run.made_of.items())[:-1] for run in runs}) != 1:
        print("no results, or of several versions; make conformance begins anew")
        return 1
    text = autobahn(runs) + matrix(met)
    if wanting:
        text += "\n## Missing\n\n" + "".join(f"- {each}\n" for each in wanting)
    PAGE.write_text(text)
    print(text)
    return 1 if wanting else 0


def group_of(number: str) -> str:
    """Return the group that a case belongs to; ValueError where it is in none."""
    parts = number.split(".")
    for group in (".".join(parts[:2]), parts[0]):
        if group in GROUPS:
            return group
    raise ValueError(f"number: case {number} belongs to no group")


def autobahn(runs: list[Run]) -> str:
    """Return the section on the suite: a table of the servers, and one of the clients."""
    made_of = {**runs[0].made_of, "date": max(run.made_of["date"] for run in runs)}
    informational = ", ".join(sorted(INFORMATIONAL))
    text = HEAD.format(whole=WHOLE.number, door=DOOR.number, informational=informational, **made_of)
    for role in ("server", "client"):
        ends = [run for run in runs if run.role == role]
        rows = [
            [f"{key} {name}", *(cell(run, key) for run in ends)] for key, name in GROUPS.items()
        ]
        rows.append(["**all**", *(f"**{cell(run)}**" for run in ends)])
        heads = ["cases", *(run.title() for run in ends)]
        text += f"\n### As a {role}\n\n{table(heads, rows)}"
    return text


def cell(run: Run, group: str | None = None) -> str:
    """Return how the cases of a *group* ended, or all, as "9" or "8, 1 NON-STRICT (5.3)"."""
    ends = Counter(
        _ended(number, run) for number in run.verdicts if group in (None, group_of(number))
    )
    return ", ".join(f"{count} {said}".strip() for said, count in sorted(ends.items()))


def _ended(number: str, run: Run) -> str:
    verdict = run.verdicts[number]
    if set(verdict) == {"OK"}:
        return ""
    told = verdict.behavior if set(verdict) == {"INFORMATIONAL"} else " closing ".join(verdict)
    return f"{told} ({number})"
