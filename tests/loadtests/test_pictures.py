from __future__ import annotations

from xml.etree import ElementTree

from loadtests.bench.contenders import PICOWS, RECEIVE
from loadtests.bench.pictures import pictures
from loadtests.bench.run import Sample
from loadtests.bench.scenarios import GROWTH, echo

DOOR = "geventws, asyncio"


def words(picture: str) -> list[str]:
    """Return what is written in an SVG."""
    found = ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")
    return [each.text or "" for each in found]


def test_bars_leave_the_doors_to_a_picture_of_theirs() -> None:
    title = echo(32, 64).title
    drawn = pictures([Sample(title, name, 0, 1.0) for name in (RECEIVE, DOOR, PICOWS)])
    assert list(drawn) == ["echo", "echo-doors"]
    assert [name in words(drawn["echo"]) for name in (RECEIVE, DOOR, PICOWS)] == [True, False, True]
    assert DOOR in words(drawn["echo-doors"])
    assert PICOWS not in words(drawn["echo-doors"])


def test_growth_is_lines_per_byte_per_message_and_per_connection() -> None:
    drawn = pictures([Sample(each.title, RECEIVE, 0, each.size or 100.0) for each in GROWTH])
    assert list(drawn) == ["growing-size", "growing-number", "growing-memory"]
    places = ElementTree.fromstring(drawn["growing-size"]).iter(
        "{http://www.w3.org/2000/svg}circle"
    )
    assert len({each.attrib["cy"] for each in places}) == 1  # as much for each byte: flat


def test_nothing_is_drawn_of_what_failed() -> None:
    failed = [Sample(each.title, RECEIVE, 0, error="gone") for each in (echo(32, 64), *GROWTH)]
    assert pictures(failed) == {}
