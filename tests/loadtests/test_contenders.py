from __future__ import annotations

from pathlib import Path

from loadtests.bench import building
from loadtests.bench.contenders import ALL, CLIENTS, LIMITS, OURS, PEERS, doors, taking_part
from loadtests.bench.scenarios import HANDSHAKE, MIB, NEAREST, client, echo
from setup import ROOT
from tests.conformance.doors import SERVERS


def modules(folder: str) -> set[str]:
    """Return the programs in *folder*, without what they share."""
    shared = {"__init__", "__main__", "greenlets", "tasks"}
    return {path.stem for path in (building.HERE / folder).glob("*.py")} - shared


def run_from(command: tuple[str, ...], package: str) -> str:
    """Return the module of *package* that *command* runs, or nothing."""
    return command[command.index(package) + 1] if package in command else ""


def test_every_server_takes_part() -> None:
    package = "loadtests.bench.servers"
    named = {run_from(each.command, package) for each in [*OURS, *PEERS, *LIMITS]} - {""}
    assert named == modules("servers")


def test_every_client_takes_part() -> None:
    package = "loadtests.bench.clients"
    assert {run_from(each.command, package) for each in CLIENTS} == modules("clients")


def test_every_door_takes_part() -> None:
    assert set(SERVERS) - {"native", "pywsgi"} <= set(doors())
    assert {f"geventws, {name}" for name in doors()} <= {each.name for each in OURS}


def test_every_script_of_node_is_there() -> None:
    scripts = [word for each in ALL for word in each.command if word.endswith(".js")]
    assert scripts
    assert all((ROOT / script).is_file() for script in map(Path, scripts))


def test_servers_and_clients_have_names_of_their_own() -> None:
    for group in ([*OURS, *PEERS, *LIMITS], CLIENTS):
        names = [each.name for each in group]
        assert len(set(names)) == len(names)


def test_only_who_can_takes_part() -> None:
    assert {each.name for each in taking_part(client(32, 1))} == {each.name for each in CLIENTS}
    assert "raw C" not in {each.name for each in taking_part(HANDSHAKE)}
    assert "gevent-websocket" not in {each.name for each in taking_part(echo(MIB, 1))}


def test_few_take_part_where_few_are_wanted() -> None:
    few = taking_part(echo(32, 64), NEAREST)
    assert {each.crowd for each in few} == {NEAREST}
    assert 0 < len(few) < len(taking_part(echo(32, 64)))


def test_doors_take_part_where_everybody_does() -> None:
    behind = {f"geventws, {name}" for name in (*doors(), "flask", "django", "gunicorn")}
    assert behind <= {each.name for each in taking_part(HANDSHAKE)}
    assert not behind & {each.name for each in taking_part(echo(32, 1000))}
