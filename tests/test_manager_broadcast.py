"""Messages for many: whom a broadcast reaches, in which order, and what slow peers get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from geventws.broadcasting import Result
from geventws.core.codes import Side
from geventws.core.errors import ConnectionClosed
from geventws.manager import Manager
from geventws.options import Options
from geventws.websocket import WebSocket
from tests.peers import Met, Net, group

LARGE = "x" * 300_000  # more than a socket takes at once


@pytest.fixture
def net() -> Iterator[Net]:
    with Net() as made:
        yield made


def result(
    *,
    sent: Iterable[WebSocket] = (),
    buffered: Iterable[WebSocket] = (),
    dropped: Iterable[WebSocket] = (),
    closed: Iterable[WebSocket] = (),
) -> Result[WebSocket]:
    return Result(list(sent), list(buffered), list(dropped), list(closed))


def slow_one(net: Net, options: Options | None = None, **policy: Any) -> tuple[Manager, Met]:
    """Return a manager of one connection whose peer is behind by a message already."""
    met = net.meet(options=options)
    manager = group([met.ws], **policy)
    assert manager.broadcast(LARGE) == result(sent=[met.ws])
    return manager, met


def received(ws: WebSocket) -> list[str | bytes]:
    return list(ws)


@pytest.mark.parametrize("side", [Side.SERVER, Side.CLIENT], ids=["servers", "clients"])
@pytest.mark.parametrize(
    ("message", "comes"),
    [("text", "text"), (b"bytes", b"bytes"), (bytearray(b"1"), b"1"), (memoryview(b"2"), b"2")],
    ids=["str", "bytes", "bytearray", "memoryview"],
)
def test_broadcast_reaches_every_connection(
    net: Net, side: Side, message: Any, comes: str | bytes
) -> None:
    met = [net.meet(side=side) for _ in range(3)]
    manager = group(each.ws for each in met)
    assert manager.broadcast(message) == result(sent=manager)
    assert [each.peer.receive(1) for each in met] == [[comes]] * 3


def test_broadcast_is_what_it_was_when_it_was_made(net: Net) -> None:
    ws, peer = net.meet(side=Side.CLIENT)
    manager = group([ws])
    manager.broadcast(LARGE)
    message = bytearray(b"before")
    manager.broadcast(message)
    message[:] = b"after!"
    assert peer.receive(2) == [LARGE, b"before"]


def test_broadcast_reaches_a_room_alone(net: Net) -> None:
    inside, outside = net.meet(), net.meet()
    manager = group([inside.ws, outside.ws])
    manager.join_room(inside.ws, "a")
    assert manager.broadcast("in", room="a") == result(sent=[inside.ws])
    assert manager.broadcast("nobody", room="no such room") == result()
    manager.broadcast("all")
    assert inside.peer.receive(2) == ["in", "all"]
    assert outside.peer.receive(1) == ["all"]


def test_broadcast_spares_whom_it_is_told_to(net: Net) -> None:
    first, second, third = (net.meet() for _ in range(3))
    manager = group([first.ws, second.ws, third.ws])
    assert manager.broadcast("1", exclude=[first.ws, second.ws]) == result(sent=[third.ws])
    assert manager.broadcast("2", exclude=first.ws) == result(sent=[second.ws, third.ws])
    assert second.peer.receive(1) == ["2"]


@pytest.mark.parametrize("message", [5, None, ["a", "list"]])
def test_broadcast_refuses_what_is_no_message(net: Net, message: Any) -> None:
    ws, peer = net.meet()
    manager = group([ws])
    with pytest.raises(TypeError, match="message"):
        manager.broadcast(message)
    with pytest.raises(UnicodeEncodeError):
        manager.broadcast("\ud800")
    manager.broadcast("good")
    assert peer.receive(1) == ["good"]


def test_broadcast_tells_who_is_closing(net: Net) -> None:
    open_one, closing = net.meet().ws, net.meet().ws
    manager = group([open_one, closing])
    closing.begin_close()
    assert manager.broadcast("hello") == result(sent=[open_one], closed=[closing])


def test_broadcasts_of_several_greenlets_come_to_all_in_one_order(net: Net) -> None:
    pairs = [net.pair() for _ in range(100)]
    manager = group((server for server, _ in pairs), slow_peers="block")
    readers = [gevent.spawn(received, client) for _, client in pairs]

    def talk(name: str) -> None:
        for number in range(15):
            manager.broadcast(f"{name}{number}")

    gevent.joinall([gevent.spawn(talk, name) for name in "abcd"], raise_error=True)
    assert manager.drain(timeout=20)
    came = [reader.get() for reader in readers]
    assert all(each == came[0] for each in came)
    assert sorted(came[0]) == sorted(f"{name}{number}" for name in "abcd" for number in range(15))
    for name in "abcd":
        mine = [each for each in came[0] if str(each).startswith(name)]
        assert mine == [f"{name}{number}" for number in range(15)]


def test_broadcaster_who_gives_up_in_line_lets_no_other_overtake(net: Net) -> None:
    met = [net.meet(side=Side.CLIENT) for _ in range(20)]
    manager = group(each.ws for each in met)
    huge = "x" * 3_000_000  # masking 20 of these takes many turns
    greenlets = [gevent.spawn(manager.broadcast, text) for text in (huge, "2", "3")]
    gevent.sleep(0)
    greenlets[1].kill(block=False)
    gevent.joinall(greenlets, raise_error=True)
    assert greenlets[0].get() == result(sent=manager)
    assert all(each.peer.receive(2) == [huge, "3"] for each in met)


def test_other_greenlets_run_while_a_broadcast_goes_out(net: Net) -> None:
    manager = group(net.pair()[0] for _ in range(300))
    here, there = socket.socketpair()
    rounds = 0

    def play() -> None:
        nonlocal rounds
        while True:
            socket.wait_read(here.fileno())  # recv() tries first, and would never wait
            here.recv(1)
            rounds += 1
            there.send(b"x")

    there.send(b"x")
    player = gevent.spawn(play)
    start = monotonic()
    while rounds <= 5 and monotonic() - start < 20:
        manager.broadcast("x")
    assert rounds > 5  # each takes the hub a look at its sockets
    player.kill()
    here.close()
    there.close()


def test_broadcast_waits_for_the_end_of_a_fragmented_message(net: Net) -> None:
    ws, peer = net.meet()
    manager = group([ws])
    go_on = Event()

    def items() -> Iterator[str]:
        yield "a"
        yield "b"
        go_on.wait()
        yield "c"

    sender = gevent.spawn(ws.send, items())
    gevent.idle()
    assert manager.broadcast("1") == result(buffered=[ws])
    assert manager.broadcast("2") == result(buffered=[ws])
    go_on.set()
    sender.get()
    assert manager.broadcast("3") == result(sent=[ws])
    assert peer.receive(4) == ["abc", "1", "2", "3"]


# Slow peers


def test_close_closes_a_slow_peer_with_1008(net: Net) -> None:
    manager, (ws, peer) = slow_one(net)
    for _ in range(64):
        assert manager.broadcast("x") == result(buffered=[ws])
    assert manager.broadcast("too much") == result(closed=[ws])
    assert manager.broadcast("too late") == result(closed=[ws])
    assert peer.receive_all() == [LARGE]
    assert peer.protocol.close_code == 1008
    assert peer.protocol.close_reason == "too slow for what is broadcast"
    peer.answer()
    peer.socket.close()
    assert manager.join(5)


def test_close_drops_a_slow_peer_that_does_not_answer(net: Net) -> None:
    manager, (ws, _) = slow_one(net, Options(close_timeout=0.1), buffer_size=10)
    assert manager.broadcast("x" * 11) == result(closed=[ws])
    assert manager.join(5)
    with pytest.raises(ConnectionClosed):
        ws.receive()


def test_drop_oldest_sends_a_slow_peer_the_newest(net: Net) -> None:
    manager, (ws, peer) = slow_one(net, slow_peers="drop_oldest")
    texts = [str(number) for number in range(100)]
    results = [manager.broadcast(text) for text in texts]
    assert results[:64] == [result(buffered=[ws])] * 64
    assert results[64:] == [result(dropped=[ws])] * 36
    assert peer.receive(65) == [LARGE, *texts[36:]]


def test_latest_sends_a_slow_peer_the_newest_alone(net: Net) -> None:
    manager, (ws, peer) = slow_one(net, slow_peers="latest")
    results = [manager.broadcast(text) for text in ("1", "2", "3")]
    assert results == [result(buffered=[ws]), result(dropped=[ws]), result(dropped=[ws])]
    assert peer.receive(2) == [LARGE, "3"]


def test_block_waits_for_a_slow_peer_after_it_has_served_all_others(net: Net) -> None:
    manager, slow = slow_one(net, slow_peers="block", buffer_size=10)
    fast = net.meet()
    manager.add(fast.ws)
    assert manager.broadcast("x" * 10) == result(sent=[fast.ws], buffered=[slow.ws])
    broadcasting = gevent.spawn(manager.broadcast, "y")
    assert fast.peer.receive(2) == ["x" * 10, "y"]
    gevent.idle()
    assert not broadcasting.ready()
    other = gevent.spawn(manager.broadcast, "z")  # is not kept from serving the others either
    assert fast.peer.receive(1) == ["z"]
    assert slow.peer.receive(4) == [LARGE, "x" * 10, "y", "z"]
    assert broadcasting.get() == result(sent=[fast.ws], buffered=[slow.ws])
    assert other.get() == result(sent=[fast.ws], buffered=[slow.ws])


def test_block_sends_what_is_larger_than_the_buffer(net: Net) -> None:
    manager, (ws, peer) = slow_one(net, slow_peers="block", buffer_size=10)
    broadcasting = gevent.spawn(manager.broadcast, "x" * 100)
    assert peer.receive(2) == [LARGE, "x" * 100]
    assert broadcasting.get() == result(buffered=[ws])


def test_block_waits_no_longer_than_send_timeout_for_a_peer_that_takes_nothing(net: Net) -> None:
    options = Options(send_timeout=0.1)
    manager, (ws, _) = slow_one(net, options, slow_peers="block", buffer_size=10)
    assert manager.broadcast("x" * 11) == result(closed=[ws])
    assert len(manager) == 0
    with pytest.raises(ConnectionClosed) as caught:
        ws.receive()
    assert isinstance(caught.value.__cause__, TimeoutError)


@pytest.mark.parametrize("policy", ["drop_oldest", "latest"])
def test_slow_peer_holds_no_more_memory_than_the_buffer(net: Net, policy: str) -> None:
    manager, (ws, peer) = slow_one(net, slow_peers=policy, buffer_size=1 << 20)
    messages = [bytes([number]) * 300_000 for number in range(100)]
    for message in messages:
        manager.broadcast(message)
    left = {"drop_oldest": messages[-3:], "latest": messages[-1:]}[policy]
    assert manager.broadcast(b"x" * (1 << 20) + b"x") == result(dropped=[ws])
    assert peer.receive(1 + len(left)) == [LARGE, *left]


def test_peers_that_read_are_unaffected_by_one_in_a_hundred_that_does_not(net: Net) -> None:
    pairs = [net.pair() for _ in range(99)]
    deaf = net.meet(options=Options(close_timeout=0.1))
    manager = group([*(server for server, _ in pairs), deaf.ws])
    readers = [gevent.spawn(received, client) for _, client in pairs]
    texts = [f"{number:1000}" for number in range(100)]
    closed = set()
    for text in texts:
        closed.update(manager.broadcast(text).closed)
        gevent.idle()
    assert closed == {deaf.ws}
    assert manager.drain(timeout=20)
    assert all(reader.get() == texts for reader in readers)


def test_fast_peers_are_not_held_up_by_slow_ones(net: Net) -> None:
    slow = [net.meet() for _ in range(10)]
    manager = group((each.ws for each in slow), slow_peers="drop_oldest")
    manager.broadcast(LARGE)
    server, client = net.pair()
    manager.add(server)
    for number in range(100):
        manager.broadcast(str(number))
        assert client.receive(timeout=10) == str(number)


def test_close_all_lets_broadcasts_go_first(net: Net) -> None:
    manager, (_, peer) = slow_one(net)
    manager.broadcast("bye")
    manager.close_all()
    assert peer.receive_all() == [LARGE, "bye"]
    assert peer.protocol.close_code == 1001
