from __future__ import annotations

from loadtests.bench import contenders, scenarios, targets


def test_every_target_is_of_a_scenario_and_of_contenders_that_take_part() -> None:
    known = {each.title: each for each in scenarios.ALL}
    for target in targets.ALL:
        needs = known[target.scenario].needs
        names = {each.name for each in contenders.taking_part(needs, False)}
        assert target.ours in names
        assert names.intersection(target.others)


def test_every_target_of_memory_is_of_a_scenario_and_of_a_contender() -> None:
    idle = {each.title for each in scenarios.IDLE}
    ours = {each.name for each in contenders.OURS}
    assert {title for title, _, _ in targets.MEMORY} <= idle
    assert {name for _, name, _ in targets.MEMORY} <= ours


def test_the_best_of_many_is_asked_of_other_people_s_alone() -> None:
    everybody = {*targets.COMPRESSING, *targets.PYTHON_CLIENTS}
    assert not [name for name in everybody if name.startswith(("geventws", "raw"))]
    assert contenders.PICOWS in everybody
