"""`geventws publish`: what is said in a room, and what where that is not possible."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from io import BytesIO, TextIOWrapper
from typing import Any

import pytest
from gevent.queue import Queue

from geventws.adapters.redis import RedisBroker
from geventws.cli import main
from tests.cli.programs import PIPES, ended, run, running
from tests.redises import RedisServer, redis_server

PATIENCE = 20.0
Listen = Callable[[str], "Queue[Any]"]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def listen(redis: RedisServer) -> Iterator[Listen]:
    """Return what has what is published in a room put into a queue."""
    broker = RedisBroker(redis.url)

    def listen(room: str) -> Queue[Any]:
        heard: Queue[Any] = Queue()
        broker.subscribe(room, lambda publication: heard.put(publication.message))
        return heard

    yield listen
    broker.close()


def test_publish_says_something_in_a_room(redis: RedisServer, listen: Listen) -> None:
    heard, elsewhere = listen("t\u00e9a"), listen("den")
    done = run("publish", "--broker", redis.url, "t\u00e9a", "milk \u2615")
    assert done == (0, b"", b"")
    assert heard.get(timeout=PATIENCE) == "milk \u2615"
    assert elsewhere.empty()


def test_publish_reaches_everybody_in_the_room_without_a_name(
    redis: RedisServer, listen: Listen
) -> None:
    heard = listen("")
    assert main(["publish", "--broker", redis.url, "", "we close at five"]) == 0
    assert heard.get(timeout=PATIENCE) == "we close at five"


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (["-"], b"one\ntwo\n", "one\ntwo"),
        (["-"], b"one\r\n", "one"),
        (["-"], b"", ""),
        (["-", "--binary"], b"\xff\x00\n", b"\xff\x00\n"),
        (["word", "--binary"], b"", b"word"),
        ([b"\xff".decode(errors="surrogateescape"), "--binary"], b"", b"\xff"),
    ],
)
def test_publish_takes_what_it_is_given(
    redis: RedisServer,
    listen: Listen,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    given: bytes,
    said: str | bytes,
) -> None:
    heard = listen("tea")
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(given)))
    assert main(["publish", "--broker", redis.url, "tea", *arguments]) == 0
    assert heard.get(timeout=PATIENCE) == said


def test_publish_needs_an_input_where_it_is_to_read_it(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # as where a program is started with it closed
    assert main(["publish", "--broker", redis.url, "tea", "-"]) == 1
    assert capsys.readouterr().err == "geventws: standard input is closed\n"


def test_publish_says_each_line_as_it_comes(redis: RedisServer, listen: Listen) -> None:
    heard = listen("tea")
    with running("publish", "--broker", redis.url, "--lines", "tea", "-", **PIPES) as process:
        for line in ("one", "", "two"):
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            assert heard.get(timeout=PATIENCE) == line
        assert ended(process) == (0, b"", b"")


def test_publish_has_a_room_remember_what_it_is_told(redis: RedisServer) -> None:
    broker = RedisBroker(redis.url)
    memory = ("--history", "1", "--history-ttl", "60")
    try:
        for message in ("first", "second"):
            assert main(["publish", "--broker", redis.url, *memory, "short", message]) == 0
        assert [each.message for each in broker.history("short").publications] == ["second"]
        assert main(["publish", "--broker", redis.url, "--history", "0", "short", "third"]) == 0
        assert len(broker.history("short").publications) == 1
    finally:
        broker.close()


def test_room_that_is_no_text_is_told(
    redis: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    room = b"\xff".decode(errors="surrogateescape")
    assert main(["publish", "--broker", redis.url, room, "message"]) == 1
    assert capsys.readouterr().err == "geventws: the room is not UTF-8\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--broker", "memory:"], "--broker: memory: is one process's own, and nobody else hears"),
        (["--broker", "http://a"], "--broker: neither memory: nor a URL of redis, rediss or unix"),
        (["--lines"], "--lines goes with - for MESSAGE"),
    ],
)
def test_failure_is_told_in_a_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", *arguments, "room", "message"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"geventws: {said}")


def test_message_that_is_no_text_is_told(
    redis: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    message = b"\xff".decode(errors="surrogateescape")
    assert main(["publish", "--broker", redis.url, "room", message]) == 1
    said = "geventws: the message is not UTF-8; --binary publishes whatever it is\n"
    assert capsys.readouterr().err == said


def test_redis_that_cannot_be_reached_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = ("--broker", "redis://127.0.0.1:1", "--timeout", "0.1")
    assert main(["publish", *nowhere, "room", "message"]) == 1
    said = "geventws: --broker: Error 111 connecting to 127.0.0.1:1. Connection refused.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("amount", ["-1", "x", ""])
def test_amount_that_makes_no_sense_is_refused(
    amount: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["publish", f"--history={amount}", "room", "message"])
    assert caught.value.code == 2
    assert "argument --history: not a number from 0 on" in capsys.readouterr().err


def test_help_tells_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["publish", "--help"])
    said = capsys.readouterr().out
    assert "exit status:\n  0    the broker has it" in said
