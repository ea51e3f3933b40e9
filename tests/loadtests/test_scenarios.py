from __future__ import annotations

import pytest

from loadtests.bench.contenders import taking_part
from loadtests.bench.scenarios import (
    ALL,
    ECHOES,
    FLOOD,
    GROWTH,
    IDLE,
    MIB,
    QUICK,
    Scenario,
    client,
    echo,
    sized,
)

every = pytest.mark.parametrize("scenario", [*ALL, *QUICK], ids=lambda each: each.title)


@every
def test_every_scenario_has_those_who_take_part(scenario: Scenario) -> None:
    assert len(taking_part(scenario)) > 2


def test_titles_are_told_apart() -> None:
    assert len({each.title for each in ALL}) == len(ALL)


def test_what_is_needed_is_a_kind_of_message_or_a_mode() -> None:
    found = [each.needs for each in (echo(1, 1, 1, "text"), client(1, 1), FLOOD, IDLE[0])]
    assert found == [{"text"}, {"client"}, {"handshake"}, {"idle"}]


def test_large_messages_need_who_can_mask_them() -> None:
    assert echo(MIB, 1).needs == {"binary", "large"}


def test_what_is_slow_to_measure_and_hardly_differs_has_few_rounds() -> None:
    assert [each.rounds(5) for each in (IDLE[0], echo(32, 64))] == [3, 5]
    assert IDLE[0].rounds(1) == 1


def test_the_echoes_are_a_whole_grid() -> None:
    found = {(each.size, each.connections, each.flight) for each in ECHOES if each.kind == "binary"}
    sizes, connections, flights = (set(each) for each in zip(*found, strict=True))
    assert (sizes, connections) == ({32, 1024, 16384, MIB}, {1, 64, 1000})
    assert (flights, len(found)) == ({1, 16}, 4 * 3 * 2)


def test_memory_is_in_bytes_and_all_else_in_time() -> None:
    assert [each.title for each in ALL if each.unit == "bytes per connection"] == [
        each.title for each in (*IDLE, *GROWTH) if each.mode == "idle"
    ]


def test_growth_reaches_from_32_bytes_to_64_mib_and_from_1_connection_to_10_000() -> None:
    assert {each.size for each in GROWTH} >= {32, 64 * 1024 * 1024}
    assert {each.connections for each in GROWTH} >= {1, 10_000}


@pytest.mark.parametrize(
    ("size", "said"), [(32, "32 B"), (1024, "1 KiB"), (16384, "16 KiB"), (1 << 26, "64 MiB")]
)
def test_a_size_is_said_as_people_write_it(size: int, said: str) -> None:
    assert sized(size) == said
