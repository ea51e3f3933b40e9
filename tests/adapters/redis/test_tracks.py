"""One room as a node follows it: in order, each once, whatever comes between."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from geventws.adapters.redis.tracks import HELD, Known, Track
from geventws.broker import Position, Publication


def at(offset: int, epoch: str = "x") -> Publication:
    return Publication("tea", f"{epoch}{offset}", Position(offset, epoch))


@pytest.fixture
def told() -> list[str | bytes]:
    return []


@pytest.fixture
def track(told: list[str | bytes]) -> Track:
    """A track that is live."""
    made = Track("tea", b"tea", True)
    made.delivers[lambda publication: told.append(publication.message)] = None
    assert made.confirm()
    go_live(made)
    return made


def go_live(track: Track) -> None:
    """Catch up as one who has asked the history, which had nothing."""
    track.begin_look()
    assert not track.catch_up()


def test_live_track_tells_at_once(track: Track, told: list[Any]) -> None:
    assert track.ready.is_set()
    assert not any(track.offer(at(number)) for number in (5, 6))
    assert (told, track.position) == (["x5", "x6"], Position(6, "x"))


def test_track_tells_of_nothing_twice(track: Track, told: list[Any]) -> None:
    for number in (5, 6, 5, 6, 7):
        track.offer(at(number))
    assert told == ["x5", "x6", "x7"]


@pytest.mark.parametrize("after", [at(7), at(2, "y")], ids=["same-epoch", "new-epoch"])
def test_track_asks_to_be_filled_where_something_is_missing(
    track: Track, told: list[Any], after: Publication
) -> None:
    track.offer(at(5))
    assert track.offer(after)
    assert told == ["x5"]
    assert not track.offer(at(after.position.offset + 1, after.message[0]))  # type: ignore
    assert told == ["x5"]


def test_track_goes_on_in_a_new_epoch_that_begins(track: Track, told: list[Any]) -> None:
    track.offer(at(5))
    assert not track.offer(at(1, "y"))
    assert told == ["x5", "y1"]


def test_track_tells_of_what_was_held_after_what_was_missed(track: Track, told: list[Any]) -> None:
    track.offer(at(5))
    track.lose()
    assert not track.ready.is_set()
    assert track.confirm()
    track.begin_look()
    track.offer(at(8))
    track.offer(at(9))
    assert told == ["x5"]
    for number in (6, 7, 8):
        track.tell(at(number))
    assert not track.catch_up()
    assert told == ["x5", "x6", "x7", "x8", "x9"]
    assert track.ready.is_set()


def test_track_is_to_be_filled_again_where_what_is_held_is_not_next(
    track: Track, told: list[Any]
) -> None:
    track.offer(at(5))
    track.offer(at(8))
    track.begin_look()
    assert track.catch_up()
    assert track.filling
    assert told == ["x5"]


def test_track_asks_to_be_filled_where_an_epoch_that_is_over_comes_back(
    track: Track, told: list[Any]
) -> None:
    track.offer(at(1))
    track.offer(at(1, "y"))
    assert track.known == Known(1, "y", ("x",))
    assert track.offer(at(2))
    track.begin_look()
    track.move(Position(0, "z"))
    assert not track.catch_up()
    assert not track.offer(at(1, "z"))
    assert (told, track.known) == (["x1", "y1", "z1"], Known(1, "z", ("x", "y")))


def test_what_was_held_of_an_epoch_that_has_ended_meanwhile_is_dropped(
    track: Track, told: list[Any]
) -> None:
    track.offer(at(5))
    track.offer(at(101, "y"))  # where others follow an older Redis, until one knows better
    track.begin_look()
    track.move(Position(0, "z"))
    track.offer(at(1, "z"))
    track.offer(at(1, "a"))  # it has come after the look: a newer one
    assert not track.catch_up()
    assert told == ["x5", "z1", "a1"]


def test_track_that_holds_too_much_asks_the_history_again(track: Track, told: list[Any]) -> None:
    track.offer(at(1))
    track.lose()
    track.confirm()
    track.begin_look()
    for number in range(2, HELD + 3):
        track.offer(at(number))
    assert track.again
    assert track.catch_up()
    assert told == ["x1"]


def test_track_is_filled_by_one_at_a_time(track: Track) -> None:
    track.lose()
    assert track.confirm()
    track.lose()
    assert not track.confirm()
    assert track.again


def test_track_that_is_lost_while_it_is_filled_is_not_ready(track: Track) -> None:
    track.lose()
    track.confirm()
    track.lose()
    go_live(track)
    assert not track.ready.is_set()
    assert track.confirm()


def test_track_tells_of_nothing_before_it_is_confirmed(told: list[Any]) -> None:
    track = Track("tea", b"tea", True)
    track.delivers[lambda publication: told.append(publication.message)] = None
    assert not track.offer(at(1))
    assert told == []


def test_track_without_memory_is_ready_as_soon_as_it_is_confirmed(told: list[Any]) -> None:
    track = Track("tea", b"tea", False)
    track.delivers[lambda publication: told.append(publication.message)] = None
    assert not track.confirm()
    assert track.ready.is_set()
    for text in ("1", "2", "1"):
        assert not track.offer(Publication("tea", text))
    assert told == ["1", "2", "1"]


@pytest.mark.parametrize("error", [ValueError("on purpose"), gevent.Timeout(5)])
def test_deliver_that_fails_is_told_to_the_hub_and_the_others_are_served(
    track: Track, told: list[Any], error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(publication: Publication) -> None:
        raise error

    track.delivers = {fail: None, **track.delivers}
    track.offer(at(1))
    track.offer(at(2))
    assert told == ["x1", "x2"]
    assert capsys.readouterr().err.count(type(error).__name__) >= 2


def test_deliver_that_another_one_unsubscribes_is_not_called(told: list[Any]) -> None:
    track = Track("tea", b"tea", False)

    def second(publication: Publication) -> None:
        told.append("second")

    def first(publication: Publication) -> None:
        del track.delivers[second]

    track.delivers = {first: None, second: None}
    track.confirm()
    track.offer(at(1))
    assert told == []
