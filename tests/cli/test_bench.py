"""`geventws bench`: what its options do, what it prints, and how it ends."""

from __future__ import annotations

import argparse
import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from gevent.event import Event

from geventws.benchmarking.bench import Bench
from geventws.cli import main
from geventws.cli.bench import MOST_SOURCES, add_to, plan_of, sources, stop
from tests.benchmarking.scene import (
    IN_TIME,
    Answer,
    answer_all,
    answer_otherwise,
    answering,
    fail_inside,
    say_nothing,
    send_back,
)
from tests.cli.programs import CTRL_C, ended, person, running
from tests.pairs import RawPeer
from tests.servers import (
    Serve,
    accept,
    certified,
    echo,
    read_head,
    refusing_port,
    response,
    saying,
    serving,
)

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Give Python its signals back, which the event loop took."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def load(talk: Serve, *arguments: str) -> int:
    """Run the command on a server that does *talk*; of several --count the last one counts."""
    with serving(talk) as server:
        return main(["bench", f"ws://127.0.0.1:{server.port}/", "--count", "30", *arguments])


def figures(capture: Capture, talk: Serve, *arguments: str) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    status = load(talk, "--json", *arguments)
    shown: dict[str, Any] = json.loads(capture.readouterr().out)
    assert status == int(shown["failed"])
    return shown


# What it prints


def test_report_is_a_table_and_a_histogram(capsys: Capture) -> None:
    assert load(echo) == 0
    out, err = capsys.readouterr()
    assert "10 connections, 1 in flight on each, 32 bytes of text\n" in out
    assert re.search(r"\nmessages answered +30\n", out)
    assert "\nlatency p99.9 " in out
    assert "\n\nlatencies\n" in out
    assert err == ""


def test_report_is_json(capsys: Capture) -> None:
    shown = figures(capsys, echo, "-c", "4", "--size", "100", "--binary")
    assert (shown["options"]["connections"], shown["options"]["binary"]) == (4, True)
    (target,) = shown["targets"]
    assert (target["messages"], target["connections"], target["failures"]) == (30, 4, {})
    assert target["latency"]["p50"] <= target["latency"]["max"]


def test_two_servers_are_compared(capsys: Capture) -> None:
    with serving(echo) as one, serving(echo) as other:
        urls = [f"ws://127.0.0.1:{server.port}/" for server in (one, other)]
        arguments = ["bench", *urls, "--count", "30", "--rounds", "3", "-c", "2"]
        assert main(arguments) == 0
        assert f"1  {urls[0]}\n2  {urls[1]}\n2 connections" in capsys.readouterr().out
        assert main([*arguments, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [target["messages"] for target in shown["targets"]] == [30, 30]
    assert [len(target["rounds"]) for target in shown["targets"]] == [3, 3]
    assert shown["ratios"]["p50"] > 0


# What its options do


def test_rate_measures_from_when_messages_were_due(capsys: Capture) -> None:
    shown = figures(capsys, echo, "--rate", "300")
    assert (shown["options"]["rate"], shown["options"]["in_flight"]) == (300.0, None)
    assert shown["targets"][0]["seconds"] >= 29 / 300
    assert shown["targets"][0]["sent_late"]["max"] > 0


def test_duration_ends_it_too(capsys: Capture) -> None:
    (target,) = figures(capsys, echo, "--duration", "0.2", "--count", "1000000")["targets"]
    assert 0 < target["messages"] < 1_000_000
    assert target["seconds"] >= 0.2


def test_warm_up_and_duration_have_defaults() -> None:
    plan = plan_of(parsed("ws://a/"))
    assert (plan.warm_up, plan.duration, plan.count) == (1.0, 10.0, None)
    counted = plan_of(parsed("ws://a/", "--count", "5"))
    assert (counted.warm_up, counted.duration, counted.count) == (0.0, None, 5)
    both = plan_of(parsed("ws://a/", "--count", "5", "--duration", "2", "--warm-up", "0.5"))
    assert (both.warm_up, both.duration, both.count) == (0.5, 2.0, 5)


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_to(parser.add_subparsers())
    return parser.parse_args(["bench", *arguments])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--message", "Gr\xfc\xdfe"], ("text", "Gr\xfc\xdfe".encode())),
        (["--message", "hello", "--binary"], ("binary", b"hello")),
    ],
)
def test_message_can_be_given(
    capsys: Capture, arguments: list[str], expected: tuple[str, bytes]
) -> None:
    seen = set()

    def note(peer: RawPeer, frame: Any) -> None:
        seen.add(("text" if frame.opcode == 1 else "binary", frame.payload))
        send_back(peer, frame)

    shown = figures(capsys, answering(note), *arguments)
    assert not shown["failed"]
    assert seen == {expected}


def test_any_answer_will_do_without_echo(capsys: Capture) -> None:
    shown = figures(capsys, answering(answer_otherwise), "--no-echo", "--message", "ping")
    assert (shown["failed"], shown["targets"][0]["messages"]) == (False, 30)


@pytest.mark.parametrize(("arguments", "offered"), [([], True), (["--no-compression"], False)])
def test_compression_is_offered_unless_not_wanted(
    capsys: Capture, arguments: list[str], offered: bool
) -> None:
    heads = []

    def refuse(sock: Any) -> None:
        heads.append(read_head(sock))
        sock.sendall(response("HTTP/1.1 403 Forbidden", "Content-Length: 0"))

    assert load(refuse, "-c", "1", *arguments) == 1
    assert (b"permessage-deflate" in heads[0]) is offered
    capsys.readouterr()


def test_source_addresses_are_used_in_turn(capsys: Capture) -> None:
    with serving(echo) as server:
        url = f"ws://127.0.0.1:{server.port}/"
        given = ["--source-address=127.0.0.2-127.0.0.3", "--source-address=127.0.0.9"]
        assert main(["bench", url, "-c", "3", "--opening", "1", "--count", "9", *given]) == 0
        assert [address for address, _ in server.clients] == [
            "127.0.0.2",
            "127.0.0.3",
            "127.0.0.9",
        ]
    capsys.readouterr()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("127.0.0.254-127.0.1.1", ["127.0.0.254", "127.0.0.255", "127.0.1.0", "127.0.1.1"]),
        ("::1-::2", ["::1", "::2"]),
    ],
)
def test_sources_are_addresses_or_ranges(given: str, expected: list[str]) -> None:
    assert sources(given) == expected


@pytest.mark.parametrize(
    "given",
    ["localhost", "", "-", "127.0.0.2-127.0.0.1", "127.0.0.1-::1", "127.0.0.1-", "::1-::ffff"],
)
def test_sources_that_make_no_sense_are_refused(given: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        sources(given)


def test_longest_range_of_sources_is_taken() -> None:
    assert len(sources("10.0.0.0-10.0.3.255")) == MOST_SOURCES


def test_tls_can_go_unverified(capsys: Capture) -> None:
    with serving(echo, context=certified("other.example")) as server:
        command = ["bench", f"wss://localhost:{server.port}/", "-c", "2", "--count", "5"]
        assert main([*command, "--insecure"]) == 0
        assert main(command) == 1
    assert "         2  TLS failed: CERTIFICATE_VERIFY_FAILED\n" in capsys.readouterr().out


# What fails


def after_one(answer: Answer) -> Serve:
    """Return a server that answers one message on each connection well, and then does *answer*."""

    def talk(sock: Any) -> None:
        peer = accept(sock)
        first = peer.next()
        assert first is not None
        send_back(peer, first)
        answer_all(peer, answer)

    return talk


@pytest.mark.parametrize(
    ("talk", "answered", "failures"),
    [
        (saying(response("HTTP/1.1 503 No", "Content-Length: 0")), 0, {"refused with 503": 3}),
        (after_one(fail_inside), 3, {"closed with 1011": 3}),
        (after_one(say_nothing), 3, {"no reply in 0.3 s": 3}),
        (after_one(answer_otherwise), 3, {"wrong answer": 27}),
    ],
    ids=["refuses", "closes with 1011", "goes silent", "answers wrongly"],
)
def test_failures_are_shown(
    capsys: Capture, talk: Serve, answered: int, failures: dict[str, int]
) -> None:
    shown = figures(capsys, talk, "-c", "3", "--timeout", "0.3")
    assert shown["failed"]
    assert shown["targets"][0]["failures"] == failures
    assert shown["targets"][0]["messages"] == answered


def test_failures_are_shown_to_people(capsys: Capture) -> None:
    assert main(["bench", f"ws://127.0.0.1:{refusing_port()}/", "-c", "3"]) == 1
    out, err = capsys.readouterr()
    assert out.endswith("\n\nfailures\n         3  cannot connect: ECONNREFUSED\n")
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["http://a"], "url: a scheme other than ws"),
        (["ws://a", "--header", "a"], "--header: not of the form NAME:VALUE"),
        (["ws://a", "ws+unix:///a", "--header", "Upgrade:x"], "header Upgrade is written by"),
        (["ws+unix:///a", "--source-address", "127.0.0.2"], "source_address: a unix socket"),
        (["ws://a", "-c", "1000000000"], "1000000000 connections need 1000000064 open files"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_line(
    arguments: list[str], said: str, capsys: Capture
) -> None:
    assert main(["bench", *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"geventws: {said}")


@pytest.mark.parametrize(
    "argument",
    [
        *("--connections=0", "--connections=many", "--in-flight=0", "--rate=0", "--rate=nan"),
        *("--size=-1", "--size=\u0661", "--duration=0", "--duration=inf", "--count=0"),
        *("--warm-up=-1", "--rounds=0", "--timeout=0", "--opening=0", "--source-address=a"),
    ],
)
def test_numbers_are_checked(argument: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", "ws://a/", argument])
    assert caught.value.code == 2
    assert argument.partition("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--rate=1", "--in-flight=2"], ["--size=1", "--message=a"], ["ws://b/", "ws://c/"]],
)
def test_what_excludes_each_other_is_refused(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", "ws://a/", *arguments])
    assert caught.value.code == 2
    assert "usage: geventws" in capsys.readouterr().err


def test_help_tells_the_statuses(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    out = capsys.readouterr().out
    assert "exit status:\n  0    all messages were answered\n  1    something failed" in out


# How it ends


def test_person_sees_what_is_going_on_and_ends_it() -> None:
    with serving(echo) as server:
        url = f"ws://127.0.0.1:{server.port}/"
        with person("bench", url, "-c", "2", "--duration", "1000", "--warm-up", "0") as someone:
            someone.see(b" s, ")
            someone.see(b" messages, p50 ")
            someone.type(CTRL_C)
            someone.see(b"\r\x1b[K" + url.encode())
            someone.see(b"interrupted\r\n")
            someone.see(b"messages answered")
            assert someone.leave() == 0
    assert b"KeyboardInterrupt" not in someone.seen


def test_program_is_quiet_in_a_pipe_and_ends_when_told() -> None:
    answered = Event()

    def answer(peer: RawPeer, frame: Any) -> None:
        send_back(peer, frame)
        answered.set()

    with serving(answering(answer)) as server:
        arguments = ["--duration", "1000", "--warm-up", "0", "--json"]
        with running("bench", f"ws://127.0.0.1:{server.port}/", *arguments) as process:
            assert answered.wait(timeout=IN_TIME)
            process.terminate()
            done = ended(process)
    assert done.err == b""
    assert json.loads(done.out)["interrupted"]


def test_second_interrupt_ends_it_now() -> None:
    plan = plan_of(parsed("ws://a/"))
    bench = Bench(plan, [])
    stop(bench)
    assert bench.interrupted
    with pytest.raises(KeyboardInterrupt):
        stop(bench)
