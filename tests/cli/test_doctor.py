"""`geventws doctor`: what it finds out, what it advises, and what it calls wrong."""

from __future__ import annotations

import json
import platform
import re
import resource
import ssl
from functools import partial
from typing import Any

import gevent
import greenlet
import pytest
from gevent.libev import corecext as libev
from gevent.libuv import loop as libuv

import geventws
from geventws.cli import main
from geventws.cli.doctor import event_loop, facts, masking, open_files, twins
from geventws.cli.findings import Fact, report
from setup import ROOT
from tests.cli.programs import Done, ended, run, running
from tests.servers import echo, refusing_port, serving
from tests.serving import running as running_server

COMPILE = (
    "messages cost more CPU time interpreted; install a C compiler and Python's headers, "
    "then geventws again with GEVENTWS_COMPILE=yes"
)
PAGE = ROOT / "docs" / "howto" / "doctor.md"


def told(done: Done) -> dict[str, str]:
    """Return the facts that the program printed, by their names."""
    lines = done.out.decode().partition("\n\n")[0].splitlines()
    return {name: value.strip() for name, value in (line.split("  ", 1) for line in lines)}


def test_program_says_what_this_process_finds_out() -> None:
    done = run("doctor")
    assert (done.status, done.err) == (0, b"")
    assert done.out.decode() == f"{report(facts())}\n"


def test_facts_are_those_of_this_process() -> None:
    found = {fact.name: fact.value for fact in facts()}
    assert found["geventws"] == geventws.__version__
    assert found["Python"] == f"{platform.python_version()}, CPython"
    assert found["gevent"] == gevent.__version__
    assert found["greenlet"] == greenlet.__version__
    assert found["TLS"] == ssl.OPENSSL_VERSION
    assert found["hot modules"].startswith("compiled, all ") == geventws.compiled
    assert (found["masking"] == "the compiled loop") == geventws.compiled


@pytest.mark.parametrize(
    ("module", "backend", "said"),
    [
        ("gevent.libev.corecext", "epoll", "libev, epoll"),
        ("gevent.libev.corecffi", "select", "libev, select"),
        ("gevent.libuv.loop", "default", "libuv"),
        ("another", "kqueue", "another, kqueue"),
    ],
)
def test_event_loop_is_named_by_its_library(module: str, backend: str, said: str) -> None:
    loop = type("loop", (), {"__module__": module, "backend": backend})()
    assert event_loop(loop) == Fact("event loop", said)


@pytest.mark.parametrize("library", [libev, libuv])
def test_event_loops_of_gevent_are_named(library: Any) -> None:
    loop = library.loop(default=False)
    try:
        assert event_loop(loop).value.partition(",")[0] == library.__name__.split(".")[1]
    finally:
        loop.destroy()


@pytest.mark.parametrize(
    ("interpreted", "said", "advice"),
    [
        ([], "compiled, all 3", ""),
        (["geventws.core.a"], "2 of 3 compiled; interpreted: core.a", COMPILE),
        (["geventws.core.a", "geventws.c"], "1 of 3 compiled; interpreted: core.a c", COMPILE),
        (["geventws.core.a", "geventws.b", "geventws.c"], "interpreted, all 3", COMPILE),
    ],
)
def test_interpreted_modules_are_noted(interpreted: list[str], said: str, advice: str) -> None:
    hot = ["geventws.core.a", "geventws.b", "geventws.c"]
    assert twins(hot, interpreted) == Fact("hot modules", said, advice)


def test_no_hot_modules_at_all_are_not_compiled() -> None:
    assert twins([], []) == Fact("hot modules", "interpreted, all 0", COMPILE)


def test_masking_advises_wsaccel_where_nothing_else_is_there() -> None:
    assert masking(True, True) == masking(True, False) == Fact("masking", "the compiled loop")
    assert masking(False, True) == Fact("masking", "wsaccel; big integers below 64 bytes")
    alone = masking(False, False)
    assert (alone.value, alone.wrong) == ("big integers", False)
    assert "pip install geventws[wsaccel]" in alone.advice


@pytest.mark.parametrize(
    ("files", "most", "said"),
    [
        (10064, 10000, "10064, so max_connections is 10000 by default"),
        (resource.RLIM_INFINITY, 10000, "unlimited, so max_connections is 10000 by default"),
    ],
)
def test_enough_open_files_need_no_advice(files: int, most: int, said: str) -> None:
    assert open_files(files, most) == Fact("open files", said)


def test_a_limit_of_open_files_is_noted() -> None:
    fact = open_files(1024, 960)
    assert fact[:2] == ("open files", "1024, so max_connections is 960 by default")
    advice = "for 10000 connections, ulimit -n 10064 before the start"
    assert (fact.advice, fact.wrong) == (advice, False)


def test_program_fails_where_open_files_leave_no_room() -> None:
    limit = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (64, 64))
    with running("doctor", preexec_fn=limit) as program:
        done = ended(program)
    assert told(done)["open files"] == "64, so max_connections is 1 by default"
    wrong = b"wrong: open files: for 10000 connections, ulimit -n 10064 before the start\n"
    assert (done.status, done.err, done.out.endswith(wrong)) == (1, b"", True)


def test_page_shows_what_an_interpreted_install_is_told() -> None:
    shown = shown_by(PAGE.read_text(encoding="utf-8"))
    hot = ["one"] * int(re.findall("interpreted, all ([0-9]+)", shown)[0])
    judged = {
        "hot modules": twins(hot, hot),
        "masking": masking(False, False),
        "open files": open_files(1024, 960),
    }
    values = told(Done(0, shown.encode(), b""))
    machines_own = re.compile(".*_proxy|gunicorn worker")
    found = [fact.name for fact in facts()]
    assert list(values) == [name for name in found if not machines_own.fullmatch(name)]
    assert shown == report([judged.get(name, Fact(name, values[name])) for name in values]) + "\n"


def shown_by(page: str) -> str:
    """Return what *page* says that the program prints."""
    return page.partition("```text\n$ geventws doctor\n")[2].partition("```\n")[0]


def test_help_says_what_the_status_means(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert "exit status:\n  0    nothing is wrong\n  1    something is wrong" in told


def test_doctor_probes_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(echo) as server:
        uri = f"ws://127.0.0.1:{server.port}/"
        status = main(["doctor", uri, "--subprotocol", "chat", "--header", "X-A: 1"])
    out, err = capsys.readouterr()
    assert told(Done(status, out.encode(), b""))["address"] == uri
    assert (status, err) == (1, "")
    assert "\nwrong: subprotocol: the server chose none of chat" in out


def test_doctor_says_with_0_that_a_server_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    with running_server(geventws.serve(geventws.EchoWebSocket, ("127.0.0.1", 0))) as server:
        assert main(["doctor", f"ws://127.0.0.1:{server.address[1]}/", "--timeout", "15"]) == 0
    assert "wrong:" not in capsys.readouterr().out


def test_doctor_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", f"ws://127.0.0.1:{refusing_port()}/"]) == 1
    *_, last = json.loads(capsys.readouterr().out)
    assert (last["name"], last["value"], last["wrong"]) == ("TCP", "Connection refused", True)


def test_doctor_fails_with_2_where_arguments_make_no_sense() -> None:
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--timeout", "0"])
    assert left.value.code == 2


def test_doctor_fails_where_a_header_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "ws://127.0.0.1/", "--header", "x"]) == 1
    assert capsys.readouterr().err == "geventws: --header: not of the form NAME:VALUE\n"
