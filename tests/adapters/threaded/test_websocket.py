from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from threading import Barrier, Event, main_thread
from typing import Any

import pytest
import websockets.sync.client
import websockets.sync.server
from websockets.exceptions import ConnectionClosedOK
from zope.interface.verify import verifyObject

from geventws.adapters.threaded import ThreadedWebSocket, connect
from geventws.core.errors import ConcurrencyError, ConnectionClosed
from geventws.interfaces import IWebSocket
from setup import ROOT
from tests.threads import (
    BIG,
    LOCAL,
    PATIENCE,
    Threads,
    await_waiters,
    contexts,
    echo,
    echo_of_theirs,
    joined_threads,
    met,
    serving,
    uri,
)


@pytest.fixture
def threads() -> Iterator[Threads]:
    with joined_threads() as started:
        yield started


# Both sides


def test_begin_close_bounds_the_wait_of_a_thread_that_receives(threads: Threads) -> None:
    done = Event()
    with serving(lambda ws: done.wait(PATIENCE)) as server:
        try:
            ws = connect(uri(server), ping_interval=None, close_timeout=0.2)
            receiving = threads.start(ws.receive)
            await_waiters(ws._transport, 1)
            ws.begin_close(3000)
            with pytest.raises(ConnectionClosed) as closed:
                receiving.result(PATIENCE)
            assert closed.value.code == 1006
        finally:
            done.set()


@pytest.mark.parametrize("options", [{}, {"compression": None}], ids=["deflate", "plain"])
def test_messages_go_both_ways(options: Any) -> None:
    with serving(max_size=None) as server:
        with connect(uri(server), max_size=None, **options) as ws:
            for message in ("", "text", b"binary", "\N{GREEK SMALL LETTER OMEGA}" * 9999, BIG):
                ws.send(message)
                assert ws.receive(PATIENCE) == message
            assert ws.ping(PATIENCE) >= (ws.latency or 0) > 0
        assert ws.close_code == 1000


def test_messages_go_both_ways_over_tls() -> None:
    theirs, ours = contexts()
    with serving(ssl=ours, max_size=None) as server:
        with connect(uri(server, secure=True), ssl=theirs, max_size=None) as ws:
            ws.send(BIG)
            assert ws.receive(PATIENCE) == BIG
        assert ws.close_code == 1000


def test_connection_keeps_its_contract() -> None:
    with met(echo) as ws:
        assert verifyObject(IWebSocket, ws)


def test_server_knows_what_was_asked_for() -> None:
    asked: list[Any] = []
    wanted: Any = {"subprotocols": ["a", "b"], "headers": {"X": "y"}}
    with (
        serving(asked.append, subprotocols=["b", "a"]) as server,
        connect(uri(server), **wanted) as ws,
    ):
        assert ws.subprotocol == "b"
        assert ws.extensions == ("permessage-deflate",)
    request = asked[0].request
    assert (request.path, request.query, request.headers["X"]) == ("/some/path", "query", "y")
    assert request.remote_address == ws.local_address


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (4999, "x" * 123)])
def test_close_codes_reach_the_other_side(code: int, reason: str) -> None:
    with met(lambda ws: ws.close(code, reason)) as ws:
        with pytest.raises(ConnectionClosed) as raised:
            ws.receive(PATIENCE)
        closed = raised.value
        assert (closed.code, closed.reason, closed.clean) == (code, reason, True)
        assert (ws.close_code, ws.close_reason) == (code, reason)


def test_iteration_ends_when_the_peer_is_done() -> None:
    def count(ws: ThreadedWebSocket) -> None:
        for number in range(100):
            ws.send(str(number))

    with met(count) as ws:
        assert list(ws) == [str(number) for number in range(100)]


def test_handler_that_fails_closes_with_1011(caplog: Any) -> None:
    def fail(ws: ThreadedWebSocket) -> None:
        raise RuntimeError("so it goes")

    with met(fail) as ws, pytest.raises(ConnectionClosed) as raised:
        ws.receive(PATIENCE)
    assert raised.value.code == 1011
    assert "the handler failed" in caplog.text


# Many threads on one connection


def test_messages_of_many_senders_stay_whole(threads: Threads) -> None:
    texts = {letter * 300_000 for letter in "abcdefgh"}
    with met(echo, max_size=None) as ws:
        sending = [threads.start(ws.send, text) for text in texts]
        assert {ws.receive(PATIENCE) for _ in texts} == texts
        for sent in sending:
            sent.result(PATIENCE)


def test_fragments_of_one_message_stay_together(threads: Threads) -> None:
    begun, others_sent = Event(), Event()

    def fragments() -> Iterator[str]:
        yield "a"
        yield "b"
        begun.set()
        assert ws.ping(PATIENCE) > 0  # the connection is free for others meanwhile
        assert not others_sent.wait(0.02)
        yield "c"

    def send_other() -> None:
        ws.send("other")
        others_sent.set()

    with met(echo) as ws:
        sending = threads.start(ws.send, fragments())
        assert begun.wait(PATIENCE)
        other = threads.start(send_other)
        assert ws.receive(PATIENCE) == "abc"
        assert ws.receive(PATIENCE) == "other"
        sending.result(PATIENCE)
        other.result(PATIENCE)


def test_message_that_cannot_be_finished_fails_the_connection() -> None:
    def fragments() -> Iterator[str]:
        yield "a"
        yield "b"
        raise LookupError("no more")

    with met(echo) as ws:
        with pytest.raises(LookupError):
            ws.send(fragments())
        with pytest.raises(ConnectionClosed):
            ws.receive(PATIENCE)
        assert ws.close_code == 1011


def test_message_may_not_be_anything() -> None:
    with met(echo) as ws, pytest.raises(TypeError, match="message"):
        ws.send(5)


def test_ping_works_while_another_thread_receives(threads: Threads) -> None:
    with met(echo) as ws:
        receiving = threads.start(ws.receive, PATIENCE)
        pings = [threads.start(ws.ping, PATIENCE) for _ in range(5)]
        assert all(ping.result(PATIENCE) > 0 for ping in pings)
        assert not receiving.done()
        ws.send("now")
        assert receiving.result(PATIENCE) == "now"


def test_ping_keeps_messages_for_who_receives_later() -> None:
    with met(echo) as ws:
        ws.send("early")
        assert ws.ping(PATIENCE) > 0
        assert ws.receive(0) == "early"


def test_only_one_thread_may_receive(threads: Threads) -> None:
    with met(echo) as ws:
        inside = Barrier(2)

        def receive() -> Any:
            pieces: Any = ws.receive_pieces()
            first = next(pieces)
            inside.wait(PATIENCE)
            inside.wait(PATIENCE)
            return first + "".join(pieces)

        receiving = threads.start(receive)
        ws.send("x" * 100_000)
        inside.wait(PATIENCE)
        with pytest.raises(ConcurrencyError):
            ws.receive(PATIENCE)
        with pytest.raises(ConcurrencyError):
            next(ws.receive_pieces())
        inside.wait(PATIENCE)
        assert receiving.result(PATIENCE) == "x" * 100_000


def test_close_ends_what_other_threads_wait_for(threads: Threads) -> None:
    with met(echo) as ws:
        receiving = threads.start(ws.receive)
        ws.ping(PATIENCE)
        ws.close(4000, "enough")
        with pytest.raises(ConnectionClosed) as raised:
            receiving.result(PATIENCE)
        assert raised.value.code == 4000


def test_close_gives_up_on_a_peer_that_does_not_answer(threads: Threads) -> None:
    left = Event()
    with serving(lambda ws: left.wait(PATIENCE)) as server:
        ws = connect(uri(server), close_timeout=0.05)
        receiving = threads.start(ws.receive)
        ws.close()
        assert ws.close_code == 1006
        with pytest.raises(ConnectionClosed):
            receiving.result(PATIENCE)
        left.set()


def test_send_gives_up_on_a_peer_that_takes_nothing() -> None:
    left = Event()
    with met(lambda ws: left.wait(PATIENCE), compression=None, send_timeout=0.05) as ws:
        with pytest.raises(ConnectionClosed) as raised:
            ws.send(BIG * 4)
        assert raised.value.code == 1006
        left.set()


def test_piece_by_piece_is_as_it_arrives() -> None:
    received = Event()

    def fragments() -> Iterator[bytes]:
        yield b"first"
        yield b"second"
        assert received.wait(PATIENCE)
        yield b"third"

    with met(lambda ws: ws.send(fragments())) as ws:
        pieces = ws.receive_pieces()
        assert next(pieces) == b"first"
        received.set()
        assert b"".join(pieces) == b"secondthird"


def test_pieces_that_nobody_takes_are_passed_over() -> None:
    def send(ws: ThreadedWebSocket) -> None:
        ws.send(iter(["a", "b", "c"]))
        ws.send("next")

    with met(send) as ws:
        pieces: Any = ws.receive_pieces()
        assert next(pieces) == "a"
        pieces.close()
        assert ws.receive(PATIENCE) == "next"


# Keepalive


def test_receive_pings_when_that_is_due() -> None:
    def await_ping(ws: ThreadedWebSocket) -> None:
        while not ws.stats.pings_received:
            with suppress(TimeoutError):
                ws.receive(0.01)
        ws.send("pinged")

    with met(await_ping, ping_interval=0.02) as ws:
        assert ws.receive() == "pinged"


def test_receive_gives_a_silent_peer_up() -> None:
    left = Event()
    with met(lambda ws: left.wait(PATIENCE), ping_interval=0.01, ping_timeout=0.02) as ws:
        with pytest.raises(ConnectionClosed) as raised:
            ws.receive()
        assert raised.value.code == 1006
        assert isinstance(raised.value.__cause__, TimeoutError)
        left.set()


def test_receive_times_out_all_the_same() -> None:
    with met(echo, ping_interval=0.01) as ws:
        with pytest.raises(TimeoutError):
            ws.receive(0.05)
        assert ws.ping(PATIENCE) > 0


# Interrupts


class Interrupt(BaseException):
    """What a signal's handler raises, as Ctrl-C does."""


def test_receive_that_is_interrupted_loses_nothing(threads: Threads) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with met(echo) as ws:
            interrupted = Event()
            threads.start(interrupt_when_waiting, ws, interrupted)
            with pytest.raises(Interrupt):
                ws.receive()
            interrupted.set()
            ws.send("x")
            assert ws.receive(PATIENCE) == "x"
    finally:
        signal.signal(signal.SIGUSR1, before)


def interrupt_when_waiting(ws: Any, interrupted: Event) -> None:
    """Send the main thread a signal once it waits for the socket."""
    await_waiters(ws._transport, 1)
    signal.pthread_kill(main_thread().ident or 0, signal.SIGUSR1)
    while not interrupted.wait(1.0):  # one that came just before poll() does not end that
        signal.pthread_kill(main_thread().ident or 0, signal.SIGUSR1)


# With another library


def test_client_talks_to_another_librarys_server(threads: Threads) -> None:
    with websockets.sync.server.serve(echo_of_theirs, *LOCAL, max_size=None) as server:
        threads.start(server.serve_forever)
        port = server.socket.getsockname()[1]
        with connect(f"ws://127.0.0.1:{port}/", max_size=None) as ws:
            for message in ("text", b"binary", BIG):
                ws.send(message)
                assert ws.receive(PATIENCE) == message
            ws.send(iter(["in ", "three ", "fragments"]))
            assert ws.receive(PATIENCE) == "in three fragments"
            assert ws.ping(PATIENCE) > 0
        assert ws.close_code == 1000
        server.shutdown()


def test_server_talks_to_another_librarys_client() -> None:
    with serving(max_size=None) as server:
        theirs = websockets.sync.client.connect(uri(server), max_size=None)
        with theirs as connection:
            for message in ("text", b"binary", BIG):
                connection.send(message)
                assert connection.recv(PATIENCE) == message
            connection.send(["in ", "three ", "fragments"])
            assert connection.recv(PATIENCE) == "in three fragments"
            assert connection.ping().wait(PATIENCE)
        assert isinstance(connection.protocol.close_exc, ConnectionClosedOK)


# Without gevent

ALONE = """
import sys, threading
from geventws.adapters.threaded import connect, serve

def echo(ws):
    for message in ws:
        ws.send(message)

server = serve(echo, ("127.0.0.1", 0))
running = threading.Thread(target=server.serve_forever)
running.start()
with connect(f"ws://127.0.0.1:{server.address[1]}/") as ws:
    ws.send("hello")
    print(ws.receive(10))
server.close()
running.join()
assert "gevent" not in sys.modules
assert "greenlet" not in sys.modules
"""

# the same threads, that gevent has made greenlets of
PATCHED = "from gevent import monkey\nmonkey.patch_all()\n" + ALONE.partition("assert")[0]


@pytest.mark.parametrize("script", [ALONE, PATCHED], ids=["alone", "patched"])
def test_door_works_without_gevent_and_where_it_has_patched(script: str) -> None:
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == ("hello\n", "")
