"""What is published and what comes, held against each other; the arithmetic of a fleet."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.scale import fleet, page, pictures, placing
from loadtests.scale.account import Account, Verdict, judge
from loadtests.scale.calibration import Line, Prices, Redis, line, prices
from loadtests.scale.costs import AT_ONCE, Kept, Spent
from loadtests.scale.fleet import PROFILES, Fleet, needs, spread
from loadtests.scale.measure import FORGETFUL, FULL, OTHER, OURS, PACED, Sample
from loadtests.scale.page import ratio

KEPT = Kept(
    {"128": 24_000.0, "1024": 125_000.0},
    240.0,
    100.0,
    370.0,
    5,
    25,
    5.0,
    13.0,
    30.0,
    70.0,
    300.0,
    3.0,
)
DEAR = Redis(Line(40.0, 0.01), Line(2.0, 0.0))
CHEAP = Redis(Line(20.0, 0.0), Line(1.0, 0.0))
PRICES = Prices(
    *(DEAR, CHEAP, CHEAP, Line(300.0, 1.0), Line(100.0, 1.0), 400.0, Line(100.0, 1.0)),
    *(KEPT, 80.0, 30.0, 8.0),
)
CHAT = PROFILES[0]
BIG = PROFILES[1]


def heard(*numbers: int, publisher: str = "a", told: bool = False) -> Account:
    """Return the account of a member of "tea" who heard so many of one publisher."""
    account = Account("tea")
    account.told = told
    for number in numbers:
        account.take(publisher, number)
    return account


def verdict(*accounts: Account, unsure: tuple[int, ...] = ()) -> Verdict:
    """Return the verdict where "a" published four messages."""
    return judge(accounts, {"tea": {"a": 4}}, {("tea", "a", each) for each in unsure})


def sample(contender: str, members: int, second: float, number: int = 0) -> Sample:
    """Return a sample of 100 messages; what the first node took is 8 ms more."""
    load = (100, 100 * members, 0, 1.0, 0.001, 0.002)
    return Sample(contender, number, members, 128, FULL, *load, second + 0.008, second, 0.004)


def known() -> dict[str, Any]:
    """Return results in which everything lies on lines."""
    spent = [
        Spent(kind, at_once, size, nodes, 20.0 + nodes * 2.0, 300.0 + size, nodes * (100.0 + size))
        for kind in ("history", "none")
        for at_once in (1, AT_ONCE)
        for size in (128, 1024)
        for nodes in (1, 10)
    ]
    samples = [
        sample(contender.name, members, 0.003 + 0.0004 * members)
        for contender in (OURS, FORGETFUL, OTHER)
        for members in (10, 100)
    ]
    samples += [each._replace(phase=PACED) for each in samples]
    facts = {"geventws": "1", "compiled": True, "python": "3", "processor": "one", "cores": 2}
    return {
        "facts": {**facts, "load": 1.0, "date": "today", "versions": {"gevent": "26"}},
        "samples": [each._asdict() for each in samples],
        "spent": [each._asdict() for each in spent],
        "kept": KEPT._asdict(),
        "streams": {"restart": {"published": 1000, "lost": 0, "seconds": 1.25}},
    }


def test_account_finds_nothing_amiss_where_all_came() -> None:
    found = verdict(heard(1, 2, 3, 4), heard(1, 2, 3, 4))
    assert found == Verdict(8, 0, 0, 0, 0, 0, 0)
    assert found.good


@pytest.mark.parametrize("numbers", [(1, 2, 4), (2, 3, 4), (1, 2, 3)])
def test_account_notices_a_lost_message_wherever_it_was(numbers: tuple[int, ...]) -> None:
    found = verdict(heard(1, 2, 3, 4), heard(*numbers))
    assert (found.lost, found.doubled, found.swapped) == (1, 0, 0)
    assert not found.good


def test_account_notices_a_doubled_message() -> None:
    found = verdict(heard(1, 2, 2, 3, 4))
    assert (found.lost, found.doubled, found.swapped) == (0, 1, 0)
    assert not found.good


def test_account_notices_a_swapped_message() -> None:
    found = verdict(heard(1, 3, 2, 4))
    assert (found.lost, found.doubled, found.swapped) == (0, 0, 1)
    assert not found.good


def test_account_takes_what_comes_late_and_again_as_both() -> None:
    found = verdict(heard(1, 3, 2, 2, 4))
    assert (found.lost, found.doubled, found.swapped) == (0, 1, 1)


def test_verdict_excuses_what_was_told_and_what_nobody_knows() -> None:
    assert verdict(heard(1, 2, 4, told=True)).told == 1
    assert verdict(heard(1, 2, 4, told=True)).good
    found = verdict(heard(1, 2, 4), heard(1, 2, 4), unsure=(3,))
    assert (found.unsure, found.lost, found.good) == (2, 0, True)


def test_verdict_notices_what_came_to_one_and_not_to_the_other_though_nobody_was_sure() -> None:
    found = verdict(heard(1, 2, 3, 4), heard(1, 2, 4), unsure=(3,))
    assert (found.unsure, found.lost, found.good) == (0, 1, False)


def test_verdict_notices_two_orders_of_two_publishers() -> None:
    one, other = Account("tea"), Account("tea")
    for publisher in ("a", "b"):
        one.take(publisher, 1)
    for publisher in ("b", "a"):
        other.take(publisher, 1)
    found = judge([one, other], {"tea": {"a": 1, "b": 1}}, set())
    assert (found.lost, found.swapped, found.orders, found.good) == (0, 0, 1, False)


def test_line_is_nearest_to_its_points() -> None:
    assert line([(1, 3), (2, 5), (3, 7)]) == Line(1.0, 2.0)
    assert line([(5, 3), (5, 5)]) == Line(4.0, 0.0)
    assert Line(1.0, 2.0).at(10) == 21.0


def test_line_counts_distances_as_parts_of_values_where_it_is_told_to() -> None:
    points = [(0, 1.0), (1, 2.0), (100, 300.0)]
    assert line(points).base == pytest.approx(0, abs=0.1)
    assert line(points, relative=True).base == pytest.approx(1, abs=0.3)


def test_prices_are_those_of_the_lines() -> None:
    found = prices(known())
    assert found.alone.publish.at(128) == pytest.approx(20)
    assert found.alone.forward.at(1024) == pytest.approx(2)
    assert found.sent.at(128) == pytest.approx(228)
    assert found.publish == pytest.approx(80)
    assert found.receive == pytest.approx(30)
    assert found.deliver == pytest.approx(8)
    assert found.room + 100 * found.entry.at(128) == pytest.approx(24_000)


def test_spread_is_one_node_for_one_and_all_for_many() -> None:
    assert spread(100, 1) == pytest.approx(1)
    assert spread(100, 2) == pytest.approx(1.99)
    assert spread(100, 10_000) == pytest.approx(100)


def test_needs_are_what_the_profile_says_times_the_prices() -> None:
    small = Fleet(nodes=10, connections=1000)
    found = needs(CHAT._replace(in_rooms=False, members=10, said=3600.0), small, PRICES)
    assert (found.rooms, found.published, found.delivered) == (100, 1000, 10_000)
    assert found.forwarded == pytest.approx(1000 * spread(10, 10))
    assert found.messages == pytest.approx((1000 * 42.0 + found.forwarded * 2.0) / 1e6)
    assert found.leaving == pytest.approx(found.forwarded * 300)
    assert found.presence == 0
    assert found.node * 10 == pytest.approx(0.08 + found.forwarded * 30e-6 + 0.08)


def test_needs_of_presence_hardly_depend_on_its_ttl() -> None:
    """It is nodes that say that they live; members are named when they come."""
    short, long = (needs(CHAT, Fleet(ttl=ttl), PRICES) for ttl in (30.0, 300.0))
    assert 1 < short.presence / long.presence < 2


def test_needs_of_presence_grow_with_those_who_come_and_go() -> None:
    long, short = (needs(CHAT._replace(stays=each), Fleet(), PRICES) for each in (1800.0, 180.0))
    assert 5 < short.presence / long.presence <= 10
    assert short.messages == long.messages
    assert short.shards > long.shards


def test_needs_name_what_asks_for_most_servers() -> None:
    assert needs(CHAT, Fleet(), PRICES).reason == "processor"
    idle = CHAT._replace(said=0.001, in_rooms=False)
    assert needs(idle._replace(members=1), Fleet(), PRICES).reason == "memory"
    assert needs(idle, Fleet(), PRICES).shards == 1


def test_needs_of_one_big_room_are_at_the_nodes() -> None:
    found = needs(BIG, Fleet(), PRICES)
    assert (found.rooms, found.spread, found.published) == (1, 100, 5)
    assert found.processor < 0.01 < found.node


def test_changes_change_what_they_say() -> None:
    found = {
        each.name: fleet.changed(each, CHAT, Fleet(), PRICES)
        for each in fleet.changes(CHAT, Fleet())
    }
    plain = found["as assumed"]
    assert found["twice the messages"].messages == pytest.approx(2 * plain.messages)
    assert found["all costs twice those measured"].processor == pytest.approx(2 * plain.processor)
    assert found["members of a room at one node"].spread == 1
    assert found["histories half as long"].memory < plain.memory


def test_placing_is_the_same_each_time_and_near_the_arithmetic() -> None:
    found = placing.place(100, 4, 20, rooms=500)
    assert found == placing.place(100, 4, 20, rooms=500)
    assert found != placing.place(100, 4, 20, rooms=500, seed=2)
    assert 10 < found.members < 40
    assert 1 <= found.hottest < 4
    assert placing.place(100, 4, 1, rooms=500).spread == 1


def test_ratio_is_of_one_round() -> None:
    rounds = [(0, 0.1), (1, 0.4)]
    samples = [sample(OTHER.name, 10, cost, number) for number, cost in rounds]
    samples += [sample(OURS.name, 10, cost / 2 - 0.002, number) for number, cost in rounds]
    assert ratio(samples, OURS.name) == pytest.approx(0.5)
    assert ratio(samples[:2], OURS.name) is None


def test_plots_are_drawn_of_what_is_known() -> None:
    found = prices(known())
    drawn = pictures.simulated(found, Fleet()) | pictures.measured([], 128)
    assert set(drawn) == {"cores", "spread", "parts", "changes"}
    assert all("nan" not in each and each.startswith("<svg") for each in drawn.values())


def test_page_is_the_same_each_time_and_has_every_part() -> None:
    text = page.page(known(), Fleet(), ["delivery"])
    assert text == page.page(known(), Fleet(), ["delivery"])
    assert "### 128 B, rooms of 100" in text
    assert "| published | 1,000 |" in text
    assert "images/scale-delivery.svg" in text
    assert "{" not in text
    assert "What a delivery costs" not in page.page(known(), Fleet(), [])


def test_page_has_no_streams_where_none_were_run() -> None:
    assert "accounted for" not in page.page({**known(), "streams": {}}, Fleet(), [])
