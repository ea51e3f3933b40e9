"""docs/reference/frameworks.md says what the tests try, no more and no less."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest

from setup import ROOT
from tests.frameworks import test_frameworks
from tests.frameworks.servers import SERVERS

PAGE = (ROOT / "docs" / "reference" / "frameworks.md").read_text("utf-8")
COLUMNS = [
    *("`geventws.WSGIServer`", "`gevent.pywsgi.WSGIServer`"),
    *("gunicorn, `GeventWebSocketWorker`", "gunicorn, `gevent`"),
]
PLAIN = {"plain WSGI": "plain", "plain WSGI, as a generator": "lazy"}
ROW = re.compile(r"^\|(.*)\|$", re.MULTILINE)


def rows(first: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is *first*, its headings too."""
    (table,) = [each for each in PAGE.split("\n\n") if each.startswith(f"| {first}|")]
    heading, _, *lines = [[cell.strip() for cell in row.split("|")] for row in ROW.findall(table)]
    return [heading, *lines]


def tried() -> dict[str, Any]:
    """Return the tests of every framework on every server, by their names."""
    return {name: test for name, test in vars(test_frameworks).items() if name.startswith("test_")}


def parameters(test: Any) -> set[tuple[str, str]]:
    """Return the frameworks and servers that *test* is run with."""
    given: Any = {mark.args[0]: mark.args[1] for mark in test.pytestmark}
    return set(product(given["framework"], given["server"]))


def test_letters_stand_for_all_tried() -> None:
    named = [name.strip("`") for _, _, name in rows("letter ")[1:]]
    assert sorted(named) == sorted(tried())


def test_every_letter_is_a_run_of_its_test() -> None:
    letters = {letter: tried()[name.strip("`")] for letter, _, name in rows("letter ")[1:]}
    heading, *lines = rows("framework ")
    assert heading[1:] == COLUMNS
    told: dict[str, set[tuple[str, str]]] = {letter: set() for letter in letters}
    for framework, *cells in lines:
        (name,) = re.findall(r"^\[?([\w ,]+)", framework)
        for server, cell in zip(SERVERS, cells, strict=True):
            for letter in cell.split():
                told[letter].add((PLAIN.get(name, name.lower()), server))
    assert told == {letter: parameters(test) for letter, test in letters.items()}


@pytest.mark.parametrize("cell", [row[-1].strip("`") for row in rows("what ")[1:]])
def test_tests_that_the_page_names_exist(cell: str) -> None:
    path, _, name = cell.partition("::")
    text = (ROOT / path).read_text("utf-8")
    assert (f"def {name}(" if name else "def test_") in text
