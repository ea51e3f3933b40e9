from __future__ import annotations

from loadtests.bench import contenders, scenarios, targets


def test_every_target_is_of_a_scenario_and_of_contenders_that_take_part() -> None:
    known = {each.title: each for each in scenarios.ALL}
    for target in targets.RATIOS:
        names = {each.name for each in contenders.taking_part(known[target.scenario])}
        assert target.ours in names
        assert names.intersection(target.others)


def test_every_bound_is_of_a_scenario_and_of_one_of_ours() -> None:
    titles = {each.title for each in (*scenarios.IDLE, scenarios.FLOOD)}
    ours = {each.name for each in contenders.OURS}
    assert {each.scenario for each in targets.BOUNDS} <= titles
    assert {each.ours for each in targets.BOUNDS} <= ours


def test_who_is_compared_is_known_by_the_scenario() -> None:
    assert targets.COMPARED[scenarios.broadcast(128, 1000).title] == {
        contenders.RECEIVE,
        contenders.PICOWS,
    }
    assert targets.COMPARED[scenarios.FLOOD.title] == {contenders.RECEIVE, contenders.WSGI}


def test_the_best_of_many_is_asked_of_other_people_s_alone() -> None:
    everybody = {*targets.COMPRESSING, *targets.PYTHON_CLIENTS}
    assert not [name for name in everybody if name.startswith(("geventws", "raw"))]
    assert contenders.PICOWS in everybody
