"""The matrix in small: each peer that a test run can count on, with what saves most memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Container, Iterator
from functools import partial
from pathlib import Path

import pytest

from geventws.options import DEFLATE
from setup import ROOT
from tests.interop.matrix import Attempt, Subject, judged, visited_by, visited_by_itself, visiting
from tests.interop.node import Missing
from tests.interop.peers import THEIR_CLIENTS, THEIR_SERVERS
from tests.interop.play import CASES, OurClient, attempt
from tests.interop.scenes import PARAMETERS, PLAIN
from tests.interop.their_clients import TheirClient
from tests.interop.their_servers import TheirServer
from tests.interop.visitors import Chromium
from tests.interop.wishes import Wishes, all_wishes, described, noting, tight
from tests.servers import refusing_port

TIGHT = tight(PARAMETERS)


def right(fails: Container[str]) -> list[str]:
    """Return the parameters that a peer gets right."""
    return [name for name in PARAMETERS if name not in fails]


def errors(attempts: Iterator[Attempt]) -> list[str]:
    """Return what went wrong, of at least one of each case."""
    played = list(attempts)
    assert {each.case for each in played} == set(CASES)
    return [error for each in played if (error := judged(each)[2])]


@pytest.mark.parametrize("kind", THEIR_CLIENTS)
def test_their_client_plays_every_case_with_the_least_memory(kind: type[TheirClient]) -> None:
    theirs = tight(kind.asks) if kind.can_compress else None
    assert errors(visited_by(kind, [Wishes(tight(right(kind.fails)), theirs)])) == []


@pytest.mark.parametrize("kind", THEIR_SERVERS)
def test_their_server_plays_every_case_with_the_least_memory(kind: type[TheirServer]) -> None:
    wishes = Wishes(tight(right(kind.fails)), tight(kind.asks))
    assert errors(visiting(kind, [wishes])) == []


def test_chromium_plays_every_case() -> None:
    several = [Wishes(DEFLATE, PLAIN), Wishes(TIGHT, PLAIN)]
    assert errors(visited_by_itself(Chromium(), several)) == []


def test_matrix_says_what_was_agreed_on() -> None:
    noted = noting(TIGHT)
    assert noted is not None
    accepted = noted.accept([("permessage-deflate", [("client_max_window_bits", None)])])
    assert accepted is not None
    expected = (
        "server_max_window_bits=9; client_max_window_bits=9; "
        "server_no_context_takeover; client_no_context_takeover"
    )
    assert judged(Attempt("text", Wishes(TIGHT, PLAIN), noted, "")) == (expected, True, "")


def test_matrix_says_that_nothing_was_agreed_on() -> None:
    wishes = Wishes(PLAIN, PLAIN)
    compression, ok, error = judged(Attempt("text", wishes, noting(PLAIN), ""))
    assert (compression, ok) == ("none", False)
    assert error == f"no compression was agreed on ({wishes})"


def test_matrix_says_who_cannot_be_had() -> None:
    def version() -> str:
        raise Missing("no such thing")

    (outcome,) = Subject("peer", "client", version, [], {}, lambda several: iter(())).outcomes()
    assert (outcome.ok, outcome.error) == (None, "not run: no such thing")


def test_matrix_says_who_broke_off() -> None:
    def meet(several: list[Wishes]) -> Iterator[Attempt]:
        yield Attempt("text", several[0], None, "")
        raise OSError("gone")

    subject = Subject("peer", "client", lambda: "1.0", [Wishes(None, None)], {}, meet)
    first, last = subject.outcomes()
    assert (first.case, first.compression, first.ok) == ("text", "none", True)
    assert (last.ok, last.error) == (False, "broke off: OSError('gone')")


def test_matrix_says_what_a_peer_gets_wrong() -> None:
    fails = {"client_no_context_takeover": "does not know it"}
    subject = Subject("peer", "client", lambda: "1.0", [], fails, lambda several: iter(()))
    (outcome,) = subject.outcomes()
    assert outcome.compression == "client_no_context_takeover"
    assert (outcome.ok, outcome.error) == (None, "not tried: does not know it")


def test_matrix_says_what_went_wrong() -> None:
    uri = f"ws://127.0.0.1:{refusing_port()}"
    error = attempt("text", uri, partial(OurClient, compression=None))
    assert error.startswith("ConnectionRefusedError: ")


def test_matrix_tries_every_combination_once() -> None:
    several = all_wishes(True, PARAMETERS, ())
    assert len(several) == len(set(several)) == 2 + 16 + 16 - 1  # nothing asked is nothing asked
    asked = {described(wishes.theirs) for wishes in several if wishes.theirs is not None}
    assert len(asked) == 16


def test_command_writes_down_what_it_prints(tmp_path: Path) -> None:
    written = tmp_path / "outcomes.json"
    command = [sys.executable, "-m", "tests.interop", "--json", str(written), "websocket-client"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    assert "websocket-client         client " in done.stdout
    outcomes = json.loads(written.read_text())
    assert [outcome["case"] for outcome in outcomes if outcome["ok"]] == [*CASES, *CASES]
    assert {outcome["compression"] for outcome in outcomes} == {"none"}
