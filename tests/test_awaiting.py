from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from zope.interface.verify import verifyObject

from geventws.awaiting import AsyncWebSocket
from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Side
from geventws.core.errors import ConcurrencyError, ConnectionClosed
from geventws.core.protocol import AHEAD_BYTES, AHEAD_MESSAGES
from geventws.interfaces import IWebSocket
from geventws.options import Options
from tests.core.helpers import Raw, both_sides, frame_to
from tests.loops import BIG, looped, met, turns

# Receiving


@looped
async def test_connection_keeps_its_contract() -> None:
    async with met() as (ws, _):
        assert verifyObject(IWebSocket, ws, tentative=True)  # its methods are awaited


@both_sides
@looped
async def test_receive_waits_for_a_message(side: Side) -> None:
    async with met(side=side) as (ws, peer):
        receiving = asyncio.create_task(ws.receive())
        await turns()
        peer.send(TEXT, b"tex", False)
        peer.send(CONTINUATION, b"t")
        peer.send(BINARY, b"bytes")
        assert await receiving == "text"
        assert await ws.receive() == b"bytes"


@looped
async def test_receive_takes_what_came_with_the_handshake() -> None:
    async with met(rest=frame_to(Side.SERVER, TEXT, b"early")) as (ws, _):
        assert await ws.receive(0) == "early"


@looped
async def test_receive_loses_nothing_when_the_time_is_up() -> None:
    async with met() as (ws, peer):
        peer.send(TEXT, b"in ", False)
        with pytest.raises(TimeoutError):
            await ws.receive(0.01)
        with pytest.raises(TimeoutError):
            await ws.receive(0)
        peer.send(CONTINUATION, b"two")
        assert await ws.receive() == "in two"


@looped
async def test_receive_loses_nothing_when_it_is_cancelled() -> None:
    async with met() as (ws, peer):
        receiving = asyncio.create_task(ws.receive())
        await turns()
        peer.send(TEXT, b"x")
        peer.send(PING, b"?")
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving
        assert await peer.next() == Raw(PONG, b"?")
        assert await ws.receive() == "x"


@looped
async def test_only_one_task_may_receive() -> None:
    async with met() as (ws, peer):
        receiving = asyncio.create_task(ws.receive())
        await turns()
        with pytest.raises(ConcurrencyError):
            await ws.receive()
        peer.send(TEXT, b"x")
        assert await receiving == "x"


@looped
async def test_large_message_arrives_although_little_is_read_ahead() -> None:
    async with met(Options(ping_interval=None, max_size=None)) as (ws, peer):
        peer.send(TEXT, BIG.encode() * 2)
        await turns(100)
        assert ws._protocol.buffered() < 8 * AHEAD_BYTES  # the loop reads 256 KiB at once
        assert await ws.receive() == BIG * 2


@looped
async def test_reading_stops_while_nobody_receives() -> None:
    async with met() as (ws, peer):
        for number in range(5000):
            peer.send(TEXT, b"%0100d" % number)
        await turns(100)
        assert ws._protocol.queued() <= AHEAD_MESSAGES
        assert ws._protocol.buffered() < 8 * AHEAD_BYTES
        for number in range(5000):
            assert await ws.receive() == f"{number:0100}"


@looped
async def test_receive_lets_other_tasks_run() -> None:
    ran = 0

    async def run() -> None:
        nonlocal ran
        while True:
            await asyncio.sleep(0)
            ran += 1

    async with met() as (ws, peer):
        for _ in range(1000):
            peer.send(TEXT, b"x")
        await turns(100)
        other = asyncio.create_task(run())
        for _ in range(1000):
            await ws.receive()
        other.cancel()
    assert ran > 10


@looped
async def test_iteration_ends_when_the_peer_is_done() -> None:
    async with met() as (ws, peer):
        peer.send(TEXT, b"one")
        peer.send(TEXT, b"two")
        peer.send(CLOSE, b"\x03\xe9")
        assert [message async for message in ws] == ["one", "two"]
        assert (ws.close_code, ws.close_reason) == (1001, "")


@looped
async def test_iteration_raises_when_the_connection_is_lost() -> None:
    async with met() as (ws, peer):
        peer.writer.close()
        with pytest.raises(ConnectionClosed) as raised:
            [message async for message in ws]
        assert (raised.value.code, raised.value.clean) == (1006, False)


# In pieces


@looped
async def test_pieces_are_yielded_as_they_arrive() -> None:
    async with met() as (ws, peer):
        pieces = ws.receive_pieces()
        peer.send(TEXT, "caf\u00e9".encode()[:-1], False)
        assert await anext(pieces) == "caf"
        peer.send(CONTINUATION, "\u00e9".encode()[1:], False)
        assert await anext(pieces) == "\u00e9"
        peer.send(CONTINUATION, b"!")
        peer.send(BINARY, b"next")
        assert [piece async for piece in pieces] == ["!"]
        assert await ws.receive() == b"next"


@looped
async def test_pieces_of_a_large_message_are_never_whole_in_memory() -> None:
    async with met(Options(ping_interval=None, max_size=None)) as (ws, peer):
        peer.send(TEXT, BIG.encode() * 3)
        size = 0
        async for piece in ws.receive_pieces():
            size += len(piece)
            assert ws._protocol.buffered() < len(BIG)
        assert size == 3 * len(BIG)


@looped
async def test_message_that_was_read_ahead_is_one_piece() -> None:
    async with met() as (ws, peer):
        peer.send(TEXT, b"whole")
        await turns()
        assert ws.stats.queued == 1
        assert [piece async for piece in ws.receive_pieces()] == ["whole"]


@looped
async def test_rest_of_a_message_left_early_is_passed_over() -> None:
    async with met() as (ws, peer):
        peer.send(TEXT, b"some", False)
        async with aclosing(ws.receive_pieces()) as pieces:
            assert await anext(pieces) == "some"
            with pytest.raises(ConcurrencyError):
                await ws.receive()
            with pytest.raises(ConcurrencyError):
                await anext(ws.receive_pieces())
        peer.send(CONTINUATION, b"more")
        peer.send(TEXT, b"next")
        assert await ws.receive() == "next"


@looped
async def test_pings_are_answered_between_two_pieces() -> None:
    async with met() as (ws, peer):
        peer.send(TEXT, b"some", False)
        pieces = ws.receive_pieces()
        assert await anext(pieces) == "some"
        peer.send(PING, b"?")
        peer.send(CONTINUATION, b"more")
        assert await peer.next() == Raw(PONG, b"?")
        assert [piece async for piece in pieces] == ["more"]


async def first(ws: AsyncWebSocket) -> str | bytes:
    """Return the first piece that comes."""
    return await anext(ws.receive_pieces())


@looped
async def test_pieces_that_are_cancelled_leave_the_message_to_others() -> None:
    async with met() as (ws, peer):
        waiting = asyncio.create_task(first(ws))
        await turns()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        peer.send(TEXT, b"x")
        assert await ws.receive() == "x"


# Pings


@looped
async def test_ping_waits_for_its_pong() -> None:
    async with met() as (ws, peer):
        receiving = asyncio.create_task(ws.receive())
        pings = [asyncio.create_task(ws.ping()) for _ in range(3)]
        for _ in pings:
            peer.send(PONG, (await peer.next()).payload)
        assert all([await ping > 0 for ping in pings])
        assert not receiving.done()
        receiving.cancel()


@looped
async def test_ping_raises_when_no_pong_comes() -> None:
    async with met() as (ws, peer):
        with pytest.raises(TimeoutError):
            await ws.ping(0.01)
        pinging = asyncio.create_task(ws.ping())
        await turns()
        peer.send(CLOSE)
        with pytest.raises(ConnectionClosed):
            await pinging


# What is known of the connection


@looped
async def test_connection_tells_what_is_known_of_it() -> None:
    async with met() as (ws, peer):
        assert (ws.latency, ws.close_code, ws.close_reason) == (None, None, "")
        assert ws.local_address == ws._transport.get_extra_info("sockname")
        assert ws.peer_address == ws._transport.get_extra_info("peername")
        assert repr(ws).startswith("<AsyncWebSocket ")
        pinging = asyncio.create_task(ws.ping())
        peer.send(PONG, (await peer.next()).payload)
        assert 0 < await pinging == pytest.approx(ws.latency, abs=1)
        await ws.send("four")
        peer.send(PING, b"")
        peer.send(BINARY, b"three")
        await peer.next()
        await peer.next()
        stats = ws.stats
        assert (stats.messages_received, stats.messages_sent, stats.queued) == (1, 1, 1)
        assert (stats.bytes_received, stats.bytes_sent, stats.pings_received) == (5, 4, 1)
        assert stats.wire_received == 10 + 6 + 11
        assert stats.wire_sent == 6 + 6 + 2
