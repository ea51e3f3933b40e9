"""What is written while more follows leaves with it: in one call of the kernel, a moment later."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from weakref import ref

import gevent
import pytest
from gevent import GreenletExit
from gevent.monkey import get_original
from gevent.socket import socket as Socket

from geventws.core.errors import ConnectionClosed
from geventws.transport import Transport
from tests.pairs import BIG, SMALL, Kind, burn, drop, each_kind, ends, read_all, reset, tcp, unix
from tests.peers import Met, Net
from tests.rawpeer import TEXT, frame

CORK = 64 * 1024  # bytes
REAL_THREAD = get_original("threading", "Thread")

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def corked(kind: Kind, *said: bytes) -> tuple[Transport, Transport]:
    """Return two transports; the first has corked what is *said*."""
    one, other = ends(kind)
    for data in said:
        one.write([data], more=True)
    assert one.written == 0
    return one, other


@each_kind
def test_corked_bytes_leave_at_the_hubs_next_turn(kind: Kind) -> None:
    one, other = corked(kind, b"a", b"b", b"c")
    gevent.sleep(0)
    assert one.written == 3
    assert other.read(5.0) == b"abc"
    drop(one, other)


@each_kind
def test_corked_bytes_of_a_reader_leave_while_it_waits(kind: Kind) -> None:
    one, other = corked(kind, b"a")
    with pytest.raises(TimeoutError):
        one.read(0.0)
    assert one.written == 1
    drop(one, other)


@each_kind
def test_corked_bytes_of_a_parked_transport_leave(kind: Kind) -> None:
    one, other = corked(kind, b"a")
    one.park(lambda: None)
    assert other.read(5.0) == b"a"
    drop(one, other)


@each_kind
def test_what_is_written_or_posted_leaves_behind_what_is_corked(kind: Kind) -> None:
    one, other = corked(kind, b"a", b"b")
    one.write([b"c"])
    one.write([b"d"], more=True)
    one.post([b"e"])
    assert one.written == 5
    assert read_all(other, 5) == b"abcde"
    drop(one, other)


@each_kind
@pytest.mark.parametrize("size", [CORK - 1, CORK])
@pytest.mark.parametrize("way", ["write", "post"])
def test_nothing_is_lost_of_what_follows_and_fits_in_part(kind: Kind, size: int, way: str) -> None:
    one, other = ends(kind, SMALL)
    one.write([b"x"], more=True)
    follower = gevent.spawn(getattr(one, way), [bytes(size)])
    assert read_all(other, size + 1) == b"x" + bytes(size)
    follower.get(timeout=5.0)
    drop(one, other)


@each_kind
def test_no_more_is_corked_than_the_limit(kind: Kind) -> None:
    one, other = corked(kind, bytes(CORK))
    one.write([b"!"], more=True)
    assert one.written + one.unsent() == CORK + 1
    assert one.written > 0
    assert read_all(other, CORK + 1) == bytes(CORK) + b"!"
    drop(one, other)


@each_kind
def test_write_of_more_than_the_limit_waits_for_the_peer(kind: Kind) -> None:
    one, other = ends(kind, SMALL)
    with pytest.raises(TimeoutError, match=r"^the peer takes no more bytes$"):
        one.write([BIG], 0.1, more=True)
    drop(one, other)


@pytest.mark.parametrize("use", [lambda _: gevent.sleep(0.01), Transport.unsent, Transport.close])
def test_child_process_leaves_what_is_corked_to_its_parent(
    use: Callable[[Transport], object],
) -> None:
    one, other = corked(unix, b"once")
    child = os.fork()
    if not child:
        use(one)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    gevent.sleep(0)
    one.shutdown()
    assert read_all(other, 4) == b"once"
    assert other.read(5.0) == b""
    drop(one, other)


@each_kind
def test_unsent_counts_nothing_that_can_leave_now(kind: Kind) -> None:
    one, other = corked(kind, b"a")
    assert one.unsent() == 0
    assert one.written == 1
    drop(one, other)


@each_kind
def test_corked_bytes_leave_before_the_stream_ends(kind: Kind) -> None:
    one, other = corked(kind, b"a")
    one.shutdown()
    assert read_all(other, 1) == b"a"
    assert other.read(5.0) == b""
    drop(one, other)


@each_kind
def test_corked_bytes_leave_before_the_stream_is_dropped(kind: Kind) -> None:
    one, other = corked(kind, b"a")
    one.close()
    assert read_all(other, 1) == b"a"
    drop(other)


def test_nothing_is_corked_while_the_peer_takes_nothing() -> None:
    one, other = ends(unix, SMALL)
    one.post([BIG])
    kept = one.unsent()
    assert kept
    writer = gevent.spawn(one.write, [b"x"], None, True)
    gevent.sleep(0)
    assert not writer.ready()
    assert len(read_all(other, len(BIG) + 1)) == len(BIG) + 1
    writer.get(timeout=5.0)
    drop(one, other)


def test_write_after_a_loss_that_uncorking_met_raises() -> None:
    near, far = tcp()
    one = Transport(near)
    reset(far)
    one.write([b"a"], more=True)
    one.unsent()  # the first bytes after a reset meet it
    with pytest.raises(ConnectionAbortedError, match=r"^the connection is lost$"):
        one.write([b"b"], more=True)
    drop(one)


@pytest.mark.parametrize("kind", [tcp, unix], ids=["tcp", "unix"])
def test_write_that_is_interrupted_leaves_what_was_corked_before_it(kind: Kind) -> None:
    first, second = kind(SMALL)
    first.settimeout(0.0)
    size = 0
    with suppress(BlockingIOError):
        while True:
            size += first.send(bytes(1000))
    one, other = Transport(first), Transport(second)
    one.write([b"corked"], more=True)
    with pytest.raises(TimeoutError):
        one.write([b"mine"], 0.0)
    assert not one.torn
    one.post([b"after"])
    assert read_all(other, size + 11) == bytes(size) + b"corkedafter"
    drop(one, other)


# Others who can go on


class Writers:
    """Transports whose readers, once all have something to read, say "!" one after the other."""

    def __init__(self, count: int, at_once: bool, seconds: float = 0.0) -> None:
        self._seconds = seconds  # of work before each speaks
        sockets = [unix() for _ in range(count)]
        self.transports = [Transport(one, at_once) for one, _ in sockets]
        self.peers = [Transport(other) for _, other in sockets]
        self.written: list[int] = []  # how many, after each has spoken
        self._greenlets = [gevent.spawn(self._answer, each) for each in self.transports]
        gevent.sleep(0)

    def _answer(self, transport: Transport) -> None:
        transport.read()
        burn(self._seconds)
        transport.write([b"!"])
        self.written.append(sum(each.written for each in self.transports))

    def run(self) -> list[int]:
        for peer in self.peers:
            peer.post([b"?"])
        gevent.joinall(self._greenlets, 5.0, raise_error=True)
        for peer in self.peers:
            assert peer.read(5.0) == b"!"
        drop(*self.transports, *self.peers)
        return self.written


def test_who_writes_while_others_can_go_on_waits_for_them() -> None:
    assert Writers(3, at_once=False).run() == [0, 0, 1]


def test_no_more_than_eight_wait_for_others() -> None:
    assert Writers(10, at_once=False).run() == [0] * 8 + [8, 9]


def test_nobody_waits_for_long_for_others() -> None:
    assert Writers(4, at_once=False, seconds=0.002).run() == [0, 1, 2, 3]


def test_who_writes_at_once_waits_for_nobody() -> None:
    assert Writers(3, at_once=True).run() == [1, 2, 3]


class Broken(Socket):
    """Raises what no socket should."""

    def send(self, *_: object) -> int:
        raise LookupError("odd")


def test_stream_that_breaks_does_not_keep_others_from_leaving(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, other = unix()
    broken = Transport(Broken(fileno=one.detach()))
    broken.write([b"a"], more=True)
    fine, peer = corked(unix, b"b")
    gevent.sleep(0)
    assert fine.written == 1
    assert "LookupError: odd" in capsys.readouterr().err
    fine.write([b"c"], more=True)
    assert read_all(peer, 2) == b"bc"
    drop(broken, fine, peer)
    other.close()


def test_hub_of_a_thread_that_has_ended_is_not_kept() -> None:
    hubs: list[Any] = []

    def use() -> None:
        hubs.append(ref(gevent.get_hub()))  # which never runs, or gevent itself would keep it
        one, other = ends(unix)
        one.close()
        other.close()

    thread = REAL_THREAD(target=use)
    thread.start()
    thread.join()
    gc.collect()
    assert hubs[0]() is None


def test_nobody_waits_for_a_reader_who_has_gone() -> None:
    one, other = ends(unix)
    reader = gevent.spawn(one.read)
    gevent.sleep(0)
    other.post([b"?"])
    gevent.get_hub().loop.run_callback(reader.kill, GreenletExit, False)
    gevent.sleep(0)
    reader.join(5.0)
    assert one.read(5.0) == b"?"
    one.write([b"!"])
    assert one.written == 1
    drop(one, other)


# Connections


@pytest.fixture
def met() -> Iterator[Met]:
    with Net() as net:
        yield net.meet(send_buffer=None)


def test_replies_to_messages_that_came_together_leave_together(met: Met) -> None:
    met.peer.socket.sendall(b"".join(frame(TEXT, b"%d" % number) for number in range(16)))
    for _ in range(15):
        met.ws.send(met.ws.receive())
    assert met.ws.stats.messages_sent == 15
    met.peer.socket.settimeout(0.0)
    with pytest.raises(BlockingIOError):
        met.peer.socket.recv(1)
    met.peer.socket.settimeout(None)
    met.ws.send(met.ws.receive())
    assert met.peer.receive(16) == [str(number) for number in range(16)]


def test_reply_does_not_wait_for_a_handler_that_waits_for_something_else(met: Met) -> None:
    met.peer.socket.sendall(frame(TEXT, b"one") + frame(TEXT, b"two"))
    met.ws.send(met.ws.receive())
    assert met.peer.receive(1) == ["one"]  # while this greenlet waits here, not in receive()


def test_close_frame_comes_after_the_replies(met: Met) -> None:
    met.peer.socket.sendall(frame(TEXT, b"one") + frame(TEXT, b"two"))
    met.ws.send(met.ws.receive())
    met.ws.begin_close()
    assert met.peer.receive_all() == ["one"]


def test_dropped_connection_has_sent_its_replies(met: Met) -> None:
    met.peer.socket.sendall(frame(TEXT, b"one") + frame(TEXT, b"two"))
    met.ws.send(met.ws.receive())
    met.ws.drop()
    assert met.peer.receive_all() == ["one"]


def test_reply_that_could_not_leave_is_told_by_the_next_call(met: Met) -> None:
    met.peer.socket.sendall(frame(TEXT, b"one") + frame(TEXT, b"two") + frame(TEXT, b"three"))
    met.ws.send(met.ws.receive())
    met.peer.socket.close()
    gevent.sleep(0)
    with pytest.raises(ConnectionClosed) as caught:
        met.ws.send("to nobody")
    assert caught.value.code == 1006
    assert [met.ws.receive(), met.ws.receive()] == ["two", "three"]
