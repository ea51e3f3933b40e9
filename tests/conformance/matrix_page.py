"""The part of docs/conformance.md on other people's clients and servers."""

from __future__ import annotations

from typing import Any, Final

Result = dict[str, Any]  # as `python -m tests.interop --json` leaves it

HEAD: Final = """
## Other people's clients and servers

Every case was played in each way that the peer can compress or not: {wishes} agreements in all,
which differ in no_context_takeover and the window, either side asking. A cell counts the ways that
went well, "of" all. Text is of several bytes a character; what browsers, aiohttp and Tornado cannot
send in fragments they receive so.

"""


def matrix(results: list[Result]) -> str:
    """Return the section: a row for each peer and role, then what was not tried, and why."""
    if not results:
        return ""
    played = [each for each in results if each["case"]]
    cases = list(dict.fromkeys(each["case"] for each in played))
    agreements = {each["compression"] for each in played}
    rows = [
        [*end, *(_count(mine, case) for case in cases)] for end, mine in _by_end(played).items()
    ]
    text = HEAD.format(wishes=len(agreements)) + table(["peer", "version", "as a", *cases], rows)
    aside = [
        f"- {each['peer']} as a {each['role']}, {each['compression']}: {_plain(each['error'])}\n"
        for each in results
        if not each["ok"]
    ]
    return text + "".join(["\n", *aside]) * bool(aside)


def _by_end(results: list[Result]) -> dict[tuple[str, str, str], list[Result]]:
    ends: dict[tuple[str, str, str], list[Result]] = {}
    for each in results:
        ends.setdefault((each["peer"], each["version"], each["role"]), []).append(each)
    return ends


def _count(results: list[Result], case: str) -> str:
    mine = [each["ok"] for each in results if each["case"] == case]
    return f"{sum(mine)} of {len(mine)}"


def _plain(error: str) -> str:
    return " ".join(error.split()).replace("|", "\\|")


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
