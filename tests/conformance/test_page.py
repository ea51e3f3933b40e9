"""The page of results says what was found, good or bad."""

from __future__ import annotations

import pytest

from tests.conformance.autobahn import Verdict
from tests.conformance.matrix_page import matrix, table
from tests.conformance.page import GROUPS, autobahn, cell, group_of
from tests.conformance.plans import DOOR
from tests.conformance.results import Run, ends_on, is_good, made_of, missing

OK = Verdict("OK", "OK")


def run_of(**verdicts: Verdict) -> Run:
    """Return a run with these *verdicts*: _1_1_2 is case 1.1.2."""
    found = {name.strip("_").replace("_", "."): verdict for name, verdict in verdicts.items()}
    return Run("native", "server", "compiled", len(found), found, made_of())


@pytest.mark.parametrize(
    ("number", "group"), [("1.1.8", "1.1"), ("2.10", "2"), ("6.4.1", "6"), ("10.1.1", "10")]
)
def test_case_belongs_to_a_group(number: str, group: str) -> None:
    assert group_of(number) == group
    assert group in GROUPS


def test_case_of_no_group_is_not_left_out() -> None:
    with pytest.raises(ValueError, match=r"8\.1"):
        group_of("8.1")


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
    run = run_of(**{f"_{number.replace('.', '_')}": verdict})
    assert len(list(run.faults())) == (not good)


def test_run_that_lost_cases_is_at_fault() -> None:
    assert list(run_of(_1_1_1=OK)._replace(asked=517).faults()) == [
        "native server, compiled: 1 of 517 cases"
    ]


def test_page_has_a_column_for_each_run_and_its_sum() -> None:
    text = autobahn([run_of(_1_1_1=OK, _2_1=OK, _5_3=Verdict("FAILED", "OK"))])
    assert "| cases | native, compiled |" in text
    assert "| **all** | **2, 1 FAILED closing OK (5.3)** |" in text


def test_page_knows_whose_run_is_missing() -> None:
    assert len(missing([])) == len(ends_on("compiled")) + len(ends_on("interpreted"))
    assert "native server, compiled" in missing([])
    assert "native server, compiled" not in missing([run_of(_1_1_1=OK)])


def test_doors_are_asked_most_cases() -> None:
    assert DOOR.number == 361


def test_matrix_shows_each_peer_and_what_failed() -> None:
    peer = {"peer": "ws", "version": "8", "role": "client", "compression": "none", "error": ""}
    results = [
        {**peer, "case": "text", "ok": True},
        {**peer, "case": "empty", "ok": True},
        {**peer, "case": "empty", "ok": False, "error": "no answer"},
    ]
    text = matrix(results)
    assert "| ws | 8 | client | 1 of 1 | 1 of 2 |" in text
    assert "- ws as a client, none: no answer" in text


def test_table_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
