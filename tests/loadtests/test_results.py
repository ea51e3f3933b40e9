from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import geventws
from loadtests.bench.contenders import COMPILED
from loadtests.bench.results import (
    Slice,
    counted,
    facts_of,
    processor,
    read,
    together,
    without,
    write,
)
from loadtests.bench.run import Length, Sample, Tools
from setup import ROOT

FIRST = Slice({"date": "one"}, [Sample("echo", "ours", 0, 1.25, 10.0), Sample("echo", "theirs", 0)])
SECOND = Slice({"date": "two"}, [Sample("echo", "ours", 0, error="gone")])


def test_slices_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    write(path, [FIRST, SECOND])
    assert read(path) == [FIRST, SECOND]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_there_are_no_slices_where_there_is_no_file(tmp_path: Path) -> None:
    assert read(tmp_path / "results.json") == []


def test_rounds_of_two_slices_are_told_apart() -> None:
    rounds = [each.round for each in together([FIRST, SECOND]) if each.contender == "ours"]
    assert len(set(rounds)) == 2


def test_rounds_are_counted_with_those_that_failed() -> None:
    assert counted(together([FIRST, SECOND])) == {("echo", "ours"): 2, ("echo", "theirs"): 1}


def test_what_is_measured_anew_is_left_out_and_empty_slices_are_too() -> None:
    (left,) = without([FIRST, SECOND], {("echo", "ours")})
    assert left == FIRST._replace(samples=[Sample("echo", "theirs", 0)])


def test_facts_tell_on_what_and_of_what_it_was_measured() -> None:
    nothing = Path("nothing")
    tools = Tools(Path(sys.executable), nothing, nothing, {COMPILED: ROOT}, dict(os.environ))
    facts = facts_of(tools, Length(3, 0.1, 0.5))
    assert (facts["rounds"], facts["seconds"]) == (3, 0.5)
    assert (facts["geventws"], facts["cores"]) == (geventws.__version__, os.cpu_count())
    assert facts["compiled"] is geventws.compiled
    assert "gevent" in facts["versions"]
    assert "picows-that-is-not" not in facts["versions"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("flags: fpu\nmodel name\t: Some (R) CPU\n", "Some (R) CPU"), ("", os.uname().machine)],
)
def test_the_processor_is_named_as_the_system_names_it(
    tmp_path: Path, text: str, name: str
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert processor(tmp_path / "cpuinfo") == name
