"""The page of results says what was found, good or bad."""

from __future__ import annotations

import pytest

from tests.conformance.autobahn import Verdict
from tests.conformance.page import GROUPS, cell, group_of, matrix, table
from tests.conformance.results import Run, is_good

OK = Verdict("OK", "OK")


def run_of(**verdicts: Verdict) -> Run:
    """Return a run with these *verdicts*: _1_1_2 is case 1.1.2."""
    found = {name.strip("_").replace("_", "."): verdict for name, verdict in verdicts.items()}
    return Run("native", "server", "compiled", found, {})


@pytest.mark.parametrize(
    ("number", "group"), [("1.1.8", "1.1"), ("2.10", "2"), ("6.4.1", "6"), ("10.1.1", "10")]
)
def test_case_belongs_to_a_group(number: str, group: str) -> None:
    assert group_of(number) == group
    assert group in GROUPS


def test_page_counts_what_is_ok() -> None:
    assert cell(run_of(_1_1_1=OK, _1_1_2=OK, _1_2_1=OK), "1.1") == "2"


def test_page_names_every_case_that_is_not_ok() -> None:
    found = run_of(_5_1=OK, _5_3=Verdict("NON-STRICT", "OK"), _5_9=Verdict("OK", "UNCLEAN"))
    assert cell(found, "5") == "1, 1 NON-STRICT closing OK (5.3), 1 OK closing UNCLEAN (5.9)"


def test_page_calls_informational_what_the_suite_calls_so() -> None:
    informational = Verdict("INFORMATIONAL", "INFORMATIONAL")
    assert cell(run_of(_7_1_6=informational), "7.1") == "1 INFORMATIONAL (7.1.6)"


@pytest.mark.parametrize(
    ("number", "verdict", "good"),
    [
        ("1.1.1", OK, True),
        ("1.1.1", Verdict("OK", "UNCLEAN"), False),
        ("1.1.1", Verdict("NON-STRICT", "OK"), False),
        ("1.1.1", Verdict("INFORMATIONAL", "OK"), False),
        ("7.1.6", Verdict("INFORMATIONAL", "INFORMATIONAL"), True),
        ("7.1.6", Verdict("FAILED", "INFORMATIONAL"), False),
    ],
)
def test_run_tells_the_faults(number: str, verdict: Verdict, good: bool) -> None:
    assert is_good(number, verdict) == good
    run = Run("native", "server", "compiled", {number: verdict}, {})
    assert len(list(run.faults())) == (not good)


def test_matrix_shows_each_peer_and_what_failed() -> None:
    peer = {"peer": "ws", "version": "8", "role": "client", "compression": "none", "error": ""}
    results = [
        {**peer, "case": "text", "ok": True},
        {**peer, "case": "empty", "ok": True},
        {**peer, "case": "empty", "ok": False, "error": "no answer"},
    ]
    assert "| ws | 8 | client | OK | no answer |" in "".join(matrix(results))


def test_table_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
