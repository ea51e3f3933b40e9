"""The tables of docs/explanation/drivers.md, each row of them run on both sides of a connection.

The page is the model: a row with words that are not known here fails, a case that has no row or two
fails, and so does a check that no row asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from geventws.core.codes import CLOSE, CONTINUATION, PING, PONG, TEXT, Side
from geventws.core.errors import ConcurrencyError, ConnectionClosed, ProtocolError
from tests.ends import closing, run
from tests.scenes import (
    AHEAD,
    CALLS,
    CODE,
    DEADLINES,
    ENDS,
    PEER,
    READERS,
    STATES,
    Case,
    Scene,
)

PAGE: Final = Path(__file__).parent.parent / "docs/explanation/drivers.md"


# The page


class Row(NamedTuple):
    """One row of a table."""

    states: list[str]
    events: list[str]
    who: list[str]
    ahead: list[str]
    happens: list[str]


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table under *heading*, as cells."""
    section = PAGE.read_text(encoding="utf-8").split(f"### {heading}\n")[1].split("\n#")[0]
    lines = re.findall(r"^\| (.+) \|$", section, re.MULTILINE)[1:]
    return [line.split(" | ") for line in lines]


def words(cell: str, column: Iterable[str]) -> list[str]:
    """Return what a cell stands for, of all the words of its *column*."""
    if cell == "any":
        return list(column)
    if cell == "anybody":
        return [word for word in column if word != "nobody"]
    found = cell.split(", ")
    assert set(found) <= set(column), cell
    return found


def row(cells: list[str], events: Iterable[str], who: Iterable[str]) -> Row:
    """Return a row, given the words of two of its columns."""
    return Row(
        words(cells[0], STATES),
        words(cells[1], events),
        words(cells[2], who),
        words(cells[3], AHEAD),
        cells[4].split("; "),
    )


def cases(row: Row) -> Iterator[Case]:
    """Yield the cases of a row: those in which there is such a reader."""
    for state, event, who, ahead in product(row.states, row.events, row.who, row.ahead):
        if who == "nobody" or (who, state, ahead) in READING:
            yield Case(state, event, who, ahead)


READING: Final = {
    (who, state, ahead)
    for who, states, aheads in table("Who reads")
    for state, ahead in product(words(states, STATES), words(aheads, AHEAD))
}
# the caretaker never stays, so it is nobody to those who come while it is away
STAYING: Final = ["receive()", "ping()", "close()", "the driver", "nobody"]
COLUMNS: Final = {
    "What the peer does": (PEER, READERS),
    "What the application does": (CALLS, STAYING),
    "What falls due": (DEADLINES, STAYING),
}
ROWS: Final = {
    heading: [row(cells, *columns) for cells in table(heading)]
    for heading, columns in COLUMNS.items()
}
CASES: Final = [
    pytest.param(case, each.happens, id="-".join(case))
    for rows in ROWS.values()
    for each in rows
    for case in cases(each)
]

both_sides = pytest.mark.parametrize("side", list(Side), ids=["client", "server"])


@pytest.mark.parametrize("heading", COLUMNS)
def test_page_says_what_happens_in_each_case_and_says_it_once(heading: str) -> None:
    events, who = COLUMNS[heading]
    everything = Row(list(STATES), list(events), list(who), list(AHEAD), [])
    said = [case for each in ROWS[heading] for case in cases(each)]
    assert sorted(said) == sorted(cases(everything))


@pytest.mark.parametrize("heading", COLUMNS)
def test_page_has_no_row_without_a_case(heading: str) -> None:
    assert [each for each in ROWS[heading] if not list(cases(each))] == []


def test_page_asks_for_each_check_and_for_no_other() -> None:
    asked = {phrase for rows in ROWS.values() for each in rows for phrase in each.happens}
    assert asked == set(CHECKS)


@both_sides
@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("who", [*READERS, "nobody"])
def test_page_says_who_reads(side: Side, who: str, state: str, ahead: str) -> None:
    scene = Scene(side, Case(state, "ping", who, ahead))
    scene.peer_does()
    reads = not scene.transport.readable() and scene.ws.stats.queued == scene.queued
    assert reads == ((who, state, ahead) in READING)
    scene.drop()


@both_sides
@pytest.mark.parametrize(("case", "happens"), CASES)
def test_connection_does_what_the_page_says(side: Side, case: Case, happens: list[str]) -> None:
    scene = Scene(side, case)
    if case.event in DEADLINES:
        scene.fall_due()
    elif case.event in CALLS:
        scene.call()
    else:
        scene.peer_does()
    for phrase in happens:
        CHECKS[phrase](scene)
    scene.drop()


# What must be true

CHECKS: Final[dict[str, Callable[[Scene], None]]] = {}


def check(*phrases: str) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Register what must be true when one of *phrases* stands under "what happens"."""

    def register(function: Callable[[Scene], None]) -> Callable[[Scene], None]:
        CHECKS.update(dict.fromkeys(phrases, function))
        return function

    return register


@check("handed out")
def is_handed_out(scene: Scene) -> None:
    if scene.who == "the driver":
        assert scene.ws.log == ["news"]
    else:
        assert scene.result("receive()") == "news"


@check("read ahead")
def is_read_ahead(scene: Scene) -> None:
    assert scene.ws.stats.queued == scene.queued + 1
    scene.receive_ahead()
    assert scene.ws.receive(timeout=0) == "news"


@check("kept until the message is whole")
def is_kept(scene: Scene) -> None:
    assert not scene.transport.readable()
    assert (scene.ws.stats.queued, scene.ws.log) == (scene.queued, [])
    scene.partner.say(CONTINUATION)
    scene.act()
    if scene.who in ("receive()", "the driver"):
        is_handed_out(scene)
    else:
        is_read_ahead(scene)


@check("answered with a pong")
def is_answered_with_a_pong(scene: Scene) -> None:
    assert scene.hear() == [scene.raw(PONG, b"there?")]


@check("noted")
def is_noted(scene: Scene) -> None:
    assert scene.ws.latency is not None
    if scene.who == "ping()":
        assert isinstance(scene.result("ping()"), float)


@check("echoed")
def is_echoed(scene: Scene) -> None:
    assert scene.hear() == [scene.raw(CLOSE, closing(ENDS["close frame"]))]


@check("answered with 1002")
def is_answered_with_1002(scene: Scene) -> None:
    frames = [(frame.opcode, frame.payload[:2]) for frame in scene.hear()]
    assert frames == [(CLOSE, closing(1002))]


@check("1011 leaves")
def tells_1011(scene: Scene) -> None:
    frames = [(frame.opcode, frame.payload[:2]) for frame in scene.hear()]
    assert frames == [(CLOSE, closing(1011))]


@check("not answered", "nothing leaves")
def says_nothing(scene: Scene) -> None:
    assert scene.hear() == []


@check("CLOSED with its code", "CLOSED with 1002", "CLOSED with 1006")
def is_closed(scene: Scene) -> None:
    assert scene.ws.close_code == ENDS.get(scene.event, 1006)
    if scene.who in ("receive()", "ping()"):
        tells_why(scene, scene.result(scene.who))
    if scene.who == "the driver":
        assert scene.ws.log == [scene.ws.close_code]
    scene.receive_ahead()
    with pytest.raises(ConnectionClosed) as caught:
        scene.ws.receive()
    tells_why(scene, caught.value)


def tells_why(scene: Scene, error: Any) -> None:
    """Check that a ConnectionClosed says what it should."""
    assert isinstance(error, ConnectionClosed)
    assert error.code == ENDS.get(scene.event, 1006)
    assert isinstance(error.__cause__, ProtocolError) == (scene.event == "violation")
    assert error.clean == (scene.event == "close frame")


@check("held")
def is_held(scene: Scene) -> None:
    says_nothing(scene)
    assert (scene.ws.close_code, scene.transport.closed) == (None, False)
    scene.receive_ahead()
    with pytest.raises(ConnectionClosed) as caught:
        scene.ws.receive()
    tells_why(scene, caught.value)
    run()
    assert [frame.opcode for frame in scene.hear()] == [CLOSE] * (scene.event != "end of stream")
    if scene.who == "ping()":
        tells_why(scene, scene.result("ping()"))


@check("passed over")
def is_passed_over(scene: Scene) -> None:
    assert not scene.transport.readable()
    nothing_happens(scene)


@check("dropped")
def is_dropped(scene: Scene) -> None:
    assert scene.transport.closed
    assert scene.ws.close_code == (CODE if scene.state == "CLOSED" else ENDS["end of stream"])
    assert [name for name in scene.waiting if scene.result(name) is None] == []


@check("raises ConcurrencyError")
def raises_concurrency_error(scene: Scene) -> None:
    assert isinstance(scene.result("the call"), ConcurrencyError)
    assert scene.result("receive()") is None


@check("raises ConnectionClosed")
def raises_connection_closed(scene: Scene) -> None:
    assert isinstance(scene.result("the call"), ConnectionClosed)
    says_nothing(scene)


@check("returns the first message read ahead")
def returns_the_first(scene: Scene) -> None:
    assert scene.result("the call") == "0"


@check("its frame leaves")
def its_frame_leaves(scene: Scene) -> None:
    assert scene.result("the call") == 0
    assert scene.hear() == [scene.raw(TEXT, b"hello")]


@check("a ping leaves")
def a_ping_leaves(scene: Scene) -> None:
    assert [frame.opcode for frame in scene.hear()] == [PING]


@check("a close frame leaves")
def a_close_frame_leaves(scene: Scene) -> None:
    assert scene.hear() == [scene.raw(CLOSE, closing(1000))]


@check("it reads", "it waits for the other's reading")
def it_waits(scene: Scene) -> None:
    assert all(scene.result(name) is None for name in scene.waiting)
    scene.satisfy()
    result = scene.result("the call")
    if scene.event == "ping()":
        assert isinstance(result, float)
    elif scene.event == "close()":
        assert (result, scene.transport.closed) == (0, True)
    elif scene.state == "OPEN":
        assert result == "news"
    else:
        assert (type(result), result.code) == (ConnectionClosed, ENDS["close frame"])


@check("it waits, and the driver takes the messages")
def it_waits_in_vain(scene: Scene) -> None:
    scene.partner.say(TEXT, b"news")
    run()
    assert scene.ws.log == ["news"] * (scene.state == "OPEN")
    assert scene.result("the call") is None
    scene.partner.say(CLOSE, closing(ENDS["close frame"]))
    run()
    assert isinstance(scene.result("the call"), ConnectionClosed)


@check("it waits for room")
def it_waits_for_room(scene: Scene) -> None:
    scene.satisfy()
    assert (scene.result("the call"), scene.transport.readable()) == (None, True)
    scene.ws.receive()
    run()
    assert isinstance(scene.result("the call"), float)


@check("suspended")
def is_suspended(scene: Scene) -> None:
    assert scene.left is not None
    scene.ws.send("still open")
    assert scene.hear()[-1] == scene.raw(TEXT, b"still open")


@check("nothing happens")
def nothing_happens(scene: Scene) -> None:
    says_nothing(scene)
    assert not scene.transport.closed
    assert scene.ws.close_code == (CODE if scene.state == "CLOSED" else None)
    assert scene.ws.stats.queued == scene.queued
    assert [name for name in scene.waiting if scene.result(name) is not None] == []


@check("the send() raises ConnectionClosed")
def the_send_raises(scene: Scene) -> None:
    assert isinstance(scene.result("send()"), ConnectionClosed)
