from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtests.bench.building import build_program
from loadtests.bench.contenders import CLIENT, COMPILED, OURS, Contender
from loadtests.bench.contenders import client as client_of
from loadtests.bench.contenders import server as server_of
from loadtests.bench.run import (
    Bench,
    Failed,
    Length,
    Sample,
    Tools,
    cores,
    family,
    load,
    processor_seconds,
    running,
)
from loadtests.bench.scenarios import MIB, Scenario, broadcast, client, echo
from setup import ROOT
from tests.ports import free_port

SHORT = Length(rounds=1, warm=0.01, seconds=0.05)
RECEIVE = server_of("receive", "geventws_receive", "compressed", "broadcast")
CALLBACK = server_of("callback", "geventws_callback", "compressed", "broadcast")
RAW = Contender("raw", ("{wsecho}", "{port}", "raw"), frozenset({"binary"}), raw=True)
FLOOD = Scenario("flood", connections=4, flight=2, late=2)
HANDSHAKES = Scenario("handshakes", "handshake", size=0, connections=4)
IDLE = Scenario("idle", "idle", connections=100)
SCENARIOS = [
    *(echo(128, 4, 2, kind) for kind in ("fragmented", "compressed")),
    echo(256 * 1024, 2, 1, "text"),
    broadcast(128, 4),
    HANDSHAKES,
    FLOOD,
    IDLE,
]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """Return the programs, built, and this checkout as the copy to run from."""
    place = tmp_path_factory.mktemp("programs")
    wsload, wsecho = (build_program(name, place) for name in ("wsload", "wsecho"))
    return Tools(Path(sys.executable), wsload, wsecho, {COMPILED: ROOT}, dict(os.environ))


@pytest.fixture
def bench(tools: Tools, tmp_path: Path) -> Bench:
    """Return what measures, for a moment only."""
    return Bench(tools, SHORT, tmp_path)


@pytest.fixture(scope="module")
def echoing(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Have our native server run, and return what the load generator has to know of it."""
    port = free_port()
    log = tmp_path_factory.mktemp("logs") / "log"
    with running(tools.command(RECEIVE, port), cores()[0], log, cwd=ROOT) as pid:
        yield {"port": port, "pids": pid, "seconds": 0.01, "warm": 0.01}


def written(place: Path, **files: bytes) -> dict[str, Path]:
    """Write *files* for the load generator, and return the options that name them."""
    for name, data in files.items():
        (place / name).write_bytes(data)
    return {name: place / name for name in files}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.title)
def test_our_server_is_measured(bench: Bench, scenario: Scenario) -> None:
    ((sample,),) = bench.rounds(scenario, [RECEIVE])
    assert (sample.contender, sample.error) == ("receive", "")
    assert sample.value is not None
    assert sample.value >= 0


@pytest.mark.parametrize("name", ["flask", "django", "gunicorn", "gevent_websocket", "engineio"])
def test_every_framework_is_measured(bench: Bench, name: str) -> None:
    (door,) = [each for each in OURS if each.name == f"geventws, {name}"]
    ((sample,),) = bench.rounds(echo(32, 2), [door])
    assert (sample.error, sample.rate > 0) == ("", True)


def test_callbacks_are_measured_as_broadcasts_too(bench: Bench) -> None:
    ((sample,),) = bench.rounds(broadcast(128, 4), [CALLBACK])
    assert (sample.error, sample.rate > 0) == ("", True)


def test_contenders_take_turns(tools: Tools, tmp_path: Path) -> None:
    bench = Bench(tools, SHORT._replace(rounds=2), tmp_path)
    found = bench.rounds(echo(32, 2), [RAW, RAW._replace(name="other")])
    assert [[(each.contender, each.round, each.error) for each in one] for one in found] == [
        [("raw", 0, ""), ("other", 0, "")],
        [("raw", 1, ""), ("other", 1, "")],
    ]


def test_what_one_client_left_is_not_sent_to_the_next(tools: Tools, tmp_path: Path) -> None:
    bench = Bench(tools, SHORT._replace(rounds=3), tmp_path)  # that of each round goes in between
    found = [sample.error for (sample,) in bench.rounds(echo(MIB, 2, 4), [RAW])]
    assert found == [""] * 3


def test_clients_are_measured(tools: Tools, tmp_path: Path) -> None:
    bench = Bench(tools, SHORT._replace(seconds=0.5), tmp_path)  # unlike wsload they do not wait
    ours = client_of("ours", "geventws_receive")
    bare = client_of("bare", "raw_gevent", raw=True)
    (found,) = bench.rounds(client(32, 3), [ours, bare])
    for sample in found:
        assert sample.error == ""
        assert sample.value is not None
        assert sample.value > 0


def test_who_cannot_start_is_named_with_the_reason(bench: Bench) -> None:
    missing = Contender("missing", ("{python}", "-m", "no_such_peer"))
    ((failure, sample),) = bench.rounds(echo(32, 1), [missing, RAW])
    assert failure.value is None
    assert failure.error.startswith("did not start: ")
    assert failure.error.endswith("No module named no_such_peer")
    assert (sample.contender, sample.error) == ("raw", "")


def test_a_client_that_cannot_start_is_named_with_the_reason(bench: Bench) -> None:
    missing = Contender("missing", ("{python}", "-m", "no_such_peer"), CLIENT)
    ((sample,),) = bench.rounds(client(32, 1), [missing])
    assert sample.error.endswith("No module named no_such_peer")


def test_a_program_that_is_not_there_is_named_with_the_reason(bench: Bench) -> None:
    missing = Contender("missing", ("no-such-program", "{port}"))
    ((sample,),) = bench.rounds(echo(32, 1), [missing])
    assert "no-such-program" in sample.error


def test_a_server_that_dies_is_named_with_the_reason(bench: Bench) -> None:
    dying = Contender("dying", ("{python}", "-c", "print('listening', flush=True)"))
    ((sample,),) = bench.rounds(echo(32, 1), [dying])
    assert sample.value is None
    assert sample.error


@pytest.mark.parametrize(
    ("files", "options", "why"),
    [
        ({"expect": b"other"}, {}, "a reply differs"),
        ({"expect": b"hello, and more"}, {}, "5 bytes came back"),
        ({"expect": b"hello"}, {"opcode": 1}, "opcode 2"),
        ({"expect": b"hello"}, {"mode": "raw"}, "a reply differs"),
        ({"expect": b"hello"}, {"offer": 1}, "RSV1 is wrong"),
        ({"send": b"\x83\x80\0\0\0\0"}, {}, "the server closed: 1002"),
        ({"send": b""}, {}, "nothing to send"),
        ({}, {"mode": "what"}, "no such mode: what"),
        ({}, {"mode": "idle"}, "too few connections to tell what each takes"),
    ],
)
def test_the_load_generator_says_what_is_wrong(
    tools: Tools,
    echoing: dict[str, Any],
    tmp_path: Path,
    files: dict[str, bytes],
    options: dict[str, Any],
    why: str,
) -> None:
    names = written(tmp_path, **{"send": b"\x82\x85\0\0\0\0hello", "expect": b"", **files})
    with pytest.raises(Failed) as failed:
        load(tools.wsload, cores()[1], **{**echoing, **names, **options})
    assert str(failed.value) == why


def test_the_load_generator_says_that_nobody_listens(tools: Tools) -> None:
    with pytest.raises(Failed, match="connect: Connection refused"):
        load(tools.wsload, cores()[1], mode="handshake", port=free_port(), pids=os.getpid())


def test_a_family_is_a_process_and_its_descendants() -> None:
    child = "import subprocess; subprocess.run(['sh', '-c', 'echo $$; cat'])"
    with subprocess.Popen(
        [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        told = int(parent.stdout.readline())
        assert family(parent.pid)[:2] == [parent.pid, told]
        assert family(told)[0] == told


def test_processor_time_is_that_of_every_thread_of_a_process() -> None:
    before = processor_seconds([os.getpid()])
    here = time.process_time()
    sum(range(200_000))
    used = time.process_time() - here
    assert processor_seconds([os.getpid()]) - before >= used


def test_a_sample_has_no_value_where_nothing_was_measured() -> None:
    assert Sample("scenario", "contender", 0).value is None
