"""`geventws connect`: messages through a pipe, what the options do, and how it ends."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import pytest
from gevent.event import Event
from gevent.os import tp_read

from geventws.cli import main
from tests.cli.programs import CTRL_C, CTRL_D, Done, person, running
from tests.servers import (
    RawServer,
    accept,
    certified,
    echo,
    header,
    read_head,
    refusing_port,
    response,
    saying,
    serving,
    silent,
)

Connect = Callable[..., Done]


@pytest.fixture
def connect(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Connect:
    """Return what runs the command in this process, given an input."""

    def run(*arguments: str, given: bytes = b"") -> Done:
        path = tmp_path / "input"
        path.write_bytes(given)
        with path.open() as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            status = main(["connect", "--linger", "0.05", *arguments])
            gevent.get_hub().threadpool.join()  # a read may have been asked for that is not done
        return Done(status, *capfdbinary.readouterr())

    return run


@pytest.fixture
def uri() -> Iterator[str]:
    with serving(echo) as server:
        yield f"ws://127.0.0.1:{server.port}/"


# Through a pipe


@pytest.mark.parametrize(
    ("given", "out"),
    [
        (b"hi\n", b"hi\n"),
        (b"hi", b"hi\n"),
        (b"one\ntwo\r\n\nthree", b"one\ntwo\n\nthree\n"),
        ("Gr\xfc\xdfe \u20ac\n".encode(), "Gr\xfc\xdfe \u20ac\n".encode()),
        (b"x" * 200_000, b"x" * 200_000 + b"\n"),
        (b"".join(b"%d\n" % number for number in range(5000)),) * 2,
        (b"", b""),
    ],
    ids=["line", "no-end", "lines", "utf-8", "long", "many", "nothing"],
)
def test_lines_are_sent_and_messages_printed(
    connect: Connect, uri: str, given: bytes, out: bytes
) -> None:
    patience = ["--linger", "5"] if len(given) > 1000 else []  # a busy machine makes pauses
    assert connect(uri, *patience, given=given) == Done(0, out, b"")


def test_binary_messages_are_sent_and_written_as_they_are(connect: Connect, uri: str) -> None:
    assert connect(uri, "--binary", given=b"\xff\0\n\r\xfe\n") == Done(0, b"\xff\0\r\xfe", b"")


def test_input_that_is_no_text_is_refused(connect: Connect, uri: str) -> None:
    done = connect(uri, given=b"text\n\xff\xfe\nmore\n")
    assert done.status == 1
    assert done.err == b"geventws: the input is not UTF-8; --binary sends whatever it is\n"


def test_what_comes_after_the_end_of_input_is_waited_for(connect: Connect) -> None:
    def answer_later(sock: Any) -> None:
        peer = accept(sock)
        peer.next()
        for number in range(3):
            gevent.sleep(0.1)
            peer.send(1, b"late %d" % number)
        peer.answer_close()

    with serving(answer_later) as server:
        done = connect(f"ws://127.0.0.1:{server.port}/", "--linger", "0.3", given=b"question")
    assert done == Done(0, b"late 0\nlate 1\nlate 2\n", b"")


def test_program_ends_with_the_connection_though_its_input_goes_on() -> None:
    def greet_and_close(sock: Any) -> None:
        accept(sock, then=b"\x81\x02hi\x88\x05\x03\xe9bye").next()

    with serving(greet_and_close) as server:
        uri = f"ws://127.0.0.1:{server.port}/"
        with running("connect", "-v", uri) as process, gevent.Timeout(20):
            assert process.stdout.read() == b"hi\n"
            assert process.stderr.read().endswith(b"geventws: connection closed: 1001 bye\n")
            assert process.wait() == 0


def test_program_ends_when_nobody_reads_its_output() -> None:
    def flood(sock: Any) -> None:
        peer = accept(sock)
        while True:
            peer.send(1, b"x" * 1000)

    near, far = os.pipe()
    with serving(flood) as server:
        uri = f"ws://127.0.0.1:{server.port}/"
        with running("connect", uri, stdout=far) as process, gevent.Timeout(20):
            os.close(far)
            tp_read(near, 1)
            os.close(near)
            assert process.wait() == 1
            assert process.stderr.read() == b""


# What the options do


class Asked(NamedTuple):
    """A server that tells each client what that asked for."""

    server: RawServer
    heads: list[bytes]

    def uri(self) -> str:
        return f"ws://127.0.0.1:{self.server.port}/"


@pytest.fixture
def asked() -> Iterator[Asked]:
    heads: list[bytes] = []

    def refuse(sock: Any) -> None:
        heads.append(read_head(sock))
        sock.sendall(response("HTTP/1.1 403 Forbidden", "Content-Length: 0"))

    with serving(refuse) as server:
        yield Asked(server, heads)


def test_options_say_what_is_asked_for(connect: Connect, asked: Asked) -> None:
    options = "--header=X-A: 1|--header|Authorization:Basic eDp5|--subprotocol|a|--subprotocol=b"
    connect(asked.uri(), *options.split("|"), "--origin", "https://example.org")
    (head,) = asked.heads
    assert header(head, "X-A") == "1"
    assert header(head, "Authorization") == "Basic eDp5"
    assert header(head, "Sec-WebSocket-Protocol") == "a, b"
    assert header(head, "Origin") == "https://example.org"
    assert b"permessage-deflate" in head


def test_no_compression_offers_none(connect: Connect, asked: Asked) -> None:
    connect(asked.uri(), "--no-compression")
    assert b"Extensions" not in asked.heads[0]


def test_pings_go_out_as_often_as_is_said(connect: Connect) -> None:
    pinged = Event()

    def listen(sock: Any) -> None:
        peer = accept(sock)
        while (frame := peer.next()) is not None:
            if frame.opcode == 9:
                pinged.set()
            peer.send(10 if frame.opcode == 9 else frame.opcode, frame.payload)
            if frame.opcode == 8:
                return

    with serving(listen) as server:
        uri = f"ws://127.0.0.1:{server.port}/"
        connect(uri, "--ping-interval", "0", "--linger", "0.6")
        assert not pinged.is_set()
        connect(uri, "--ping-interval", "0.1", "--linger", "0.6")
        assert pinged.is_set()


def test_insecure_verifies_nothing(connect: Connect) -> None:
    with serving(echo, context=certified("other.example")) as server:
        uri = f"wss://localhost:{server.port}/"
        refused = connect(uri, given=b"hi")
        assert refused.status == 1
        assert b"certificate verify failed" in refused.err
        assert connect(uri, "--insecure", given=b"hi") == Done(0, b"hi\n", b"")


def test_insecure_means_nothing_without_tls(connect: Connect, uri: str) -> None:
    assert connect(uri, "--insecure", given=b"hi") == Done(0, b"hi\n", b"")


def test_verbose_shows_the_handshake_and_the_end(connect: Connect, uri: str) -> None:
    shown = connect(uri, "-v", "--header", "Cookie: secret", given=b"hi")
    logger = logging.getLogger("geventws.handshake")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    assert (shown.status, shown.out) == (0, b"hi\n")
    lines = shown.err.decode().splitlines()
    assert lines[0] == "> GET / HTTP/1.1"
    assert "> Cookie: [redacted]" in lines
    assert "< HTTP/1.1 101 Switching Protocols" in lines
    assert lines[-1] == "geventws: connection closed: 1000"


# How it ends


@pytest.mark.parametrize(
    ("payload", "status", "said"),
    [
        (b"", 0, b""),
        (b"\x03\xe8", 0, b""),
        (b"\x03\xe9going", 0, b""),
        (b"\x03\xf3boom", 1, b"geventws: connection closed: 1011 boom\n"),
        (b"\x0f\xa0\xc2\x9bJ", 1, b"geventws: connection closed: 4000 \\x9bJ\n"),
    ],
)
def test_status_tells_how_the_connection_ended(
    connect: Connect, payload: bytes, status: int, said: bytes
) -> None:
    def close(sock: Any) -> None:
        accept(sock, then=bytes([0x88, len(payload)]) + payload).next()

    with serving(close) as server:
        done = connect(f"ws://127.0.0.1:{server.port}/", "--linger", "5")
    assert done == Done(status, b"", said)


def test_status_tells_that_the_connection_was_lost(connect: Connect) -> None:
    with serving(lambda sock: accept(sock).socket.close()) as server:
        done = connect(f"ws://127.0.0.1:{server.port}/", "--linger", "5")
    assert done == Done(1, b"", b"geventws: connection lost: 1006\n")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            response("HTTP/1.1 403 No", body=b"origin is wrong\nmore"),
            "403 Forbidden: origin is wrong",
        ),
        (response("HTTP/1.1 502 Bad", body=b"<html>"), "502 Bad Gateway"),
        (response("HTTP/1.1 599 What", body=b"\x1b[2J\xff"), "599: \\x1b[2J\ufffd"),
        (response("HTTP/1.1 302 Found"), "302 Found"),
    ],
)
def test_refusal_is_told_in_a_line(connect: Connect, data: bytes, said: str) -> None:
    with serving(saying(data)) as server:
        done = connect(f"ws://127.0.0.1:{server.port}/")
    assert done == Done(1, b"", f"geventws: the server answered {said}\n".encode())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["http://a"], "url: a scheme other than ws"),
        (["ws://a#b"], "url: a fragment"),
        (["ws+unix:///no/such/socket"], "No such file or directory"),
        ([f"ws://127.0.0.1:{refusing_port()}/"], "Connection refused"),
        (["ws://no-such-host.invalid/"], "Name or service not known"),
        (["ws://a", "--header", "a"], "--header: not of the form NAME:VALUE"),
        (["ws://a", "--header", "a b:c"], "header name 'a b' is not a token"),
        (["ws://a", "--header", "a:b\r\nc:d"], "header a has a character that no value may have"),
        (["ws://a", "--header", "Upgrade:x"], "header Upgrade is written by the handshake itself"),
        (["ws://a", "--subprotocol", "a b"], "subprotocols are not different tokens"),
    ],
)
def test_failure_is_told_in_a_line(connect: Connect, arguments: list[str], said: str) -> None:
    done = connect(*arguments)
    assert (done.status, done.out) == (1, b"")
    assert done.err.startswith(f"geventws: {said}".encode())
    assert done.err.count(b"\n") == 1


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon"])
@pytest.mark.parametrize("option", ["--ping-interval", "--linger"])
def test_seconds_are_a_number(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["connect", "ws://a", f"{option}={value}"])
    assert caught.value.code == 2
    assert f"argument {option}" in capsys.readouterr().err


def test_help_tells_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["connect", "--help"])
    said = capsys.readouterr().out
    assert "exit status:\n  0    the connection was closed" in said
    assert "  130  interrupted by Ctrl-C" in said


# At a terminal


def test_person_sees_the_server_close_at_once() -> None:
    go_on = Event()

    def close(sock: Any) -> None:
        peer = accept(sock)
        go_on.wait()
        peer.send(8, b"\x03\xe8enough")
        peer.next()

    with serving(close) as server, person("connect", f"ws://127.0.0.1:{server.port}/") as someone:
        someone.see(b"> ")
        someone.type(b"half a li")
        someone.see(b"half a li")
        go_on.set()
        someone.see(b"connection closed: 1000 enough")
        assert someone.leave() == 0


def test_person_interrupts(uri: str) -> None:
    with person("connect", uri) as someone:
        someone.see(b"> ")
        someone.type(b"never mind" + CTRL_C)
        assert someone.leave() == 130
    assert b"KeyboardInterrupt" not in someone.seen


def test_person_interrupts_while_it_connects() -> None:
    asked = Event()

    def stall(sock: Any) -> None:
        read_head(sock)
        asked.set()
        silent(sock)

    with serving(stall) as server, person("connect", f"ws://127.0.0.1:{server.port}/") as someone:
        assert asked.wait(timeout=20)
        someone.type(CTRL_C)
        assert someone.leave() == 130
    assert b"KeyboardInterrupt" not in someone.seen


def test_person_is_told_the_subprotocol() -> None:
    def agree(sock: Any) -> None:
        accept(sock, "Sec-WebSocket-Protocol: chat").answer_close()

    with serving(agree) as server:
        uri = f"ws://127.0.0.1:{server.port}/"
        with person("connect", uri, "--subprotocol", "chat") as someone:
            someone.see(b" with chat; Ctrl-D closes")
            someone.see(b"> ")
            someone.type(CTRL_D)
            assert someone.leave() == 0
