from __future__ import annotations

import asyncio

import pytest
from zope.interface.verify import verifyObject

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Side
from geventws.core.errors import ConcurrencyError, ConnectionClosed
from geventws.core.protocol import AHEAD_BYTES, AHEAD_MESSAGES
from geventws.interfaces import IWebSocket
from geventws.options import Options
from tests.core.helpers import Raw, both_sides, frame_to
from tests.loops import BIG, PATIENCE, SMALL, closed, looped, met, turns

# Receiving


@looped
async def test_connection_keeps_its_contract() -> None:
    async with met() as (ws, _):
        assert verifyObject(IWebSocket, ws, tentative=True)


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
        peer.send(TEXT, BIG.encode() * 4)
        await turns(100)
        assert ws._protocol.buffered() < 8 * AHEAD_BYTES  # the loop reads 256 KiB at once
        assert await ws.receive() == BIG * 4


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


# Pings


@looped
async def test_pings_are_answered_while_nobody_receives() -> None:
    async with met() as (ws, peer):
        peer.send(TEXT, b"x")
        peer.send(PING, b"1")
        assert await peer.next() == Raw(PONG, b"1")
        assert await ws.receive() == "x"


@looped
async def test_pings_are_answered_while_a_task_works_on_a_message() -> None:
    async with met() as (ws, peer):
        receiving = asyncio.create_task(ws.receive())
        await turns()
        data = frame_to(Side.SERVER, TEXT, b"x") + frame_to(Side.SERVER, PING, b"1")
        peer.writer.write(data)
        assert await receiving == "x"
        assert await peer.next() == Raw(PONG, b"1")


@looped
async def test_many_pings_at_once_are_looked_at_in_turns() -> None:
    async with met() as (ws, peer):
        peer.writer.write(b"".join(frame_to(Side.SERVER, PING, b"%d" % each) for each in range(99)))
        while (await peer.next()).payload != b"98":
            pass
        assert ws._protocol.pings_received == 99


@looped
async def test_pongs_wait_while_the_peer_takes_nothing() -> None:
    async with met(buffer=SMALL) as (ws, peer):
        sending = asyncio.create_task(ws.send(BIG))
        await turns()
        for number in range(50):
            peer.send(PING, b"%d" % number)
            await turns()
        assert (await peer.next()).payload == BIG.encode()
        assert await peer.next() == Raw(PONG, b"49")
        await sending


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


# Keepalive


@looped
async def test_pings_go_out_when_they_are_due() -> None:
    async with met(Options(ping_interval=0.01, ping_timeout=PATIENCE)) as (ws, peer):
        for _ in range(3):
            frame = await peer.next()
            assert frame.opcode == PING
            peer.send(PONG, frame.payload)
        await turns()
        assert ws._keepalive.latency is not None


@looped
async def test_silent_peer_is_given_up() -> None:
    async with met(Options(ping_interval=0.01, ping_timeout=0.02)) as (ws, peer):
        error = await closed(ws)
        assert error.code == 1006
        assert isinstance(error.__cause__, TimeoutError)
        assert (await peer.until_end())[-1] == Raw(CLOSE, b"\x03\xf3no pong in time")


@looped
async def test_peer_that_says_anything_is_not_given_up() -> None:
    async with met(Options(ping_interval=0.01, ping_timeout=0.2)) as (ws, peer):
        for number in range(100):
            peer.send(TEXT, b"%d" % number)
            assert await ws.receive() == str(number)
            await asyncio.sleep(0.005)


@looped
async def test_peer_is_not_given_up_while_nobody_receives() -> None:
    async with met(Options(ping_interval=0.01, ping_timeout=0.01)) as (ws, peer):
        for _ in range(AHEAD_MESSAGES):
            peer.send(TEXT, b"x")
        await asyncio.sleep(0.05)
        assert [await ws.receive() for _ in range(AHEAD_MESSAGES)] == ["x"] * AHEAD_MESSAGES


@looped
async def test_pings_do_not_gather_while_the_peer_takes_nothing() -> None:
    options = Options(ping_interval=0.01, ping_timeout=PATIENCE)
    async with met(options, buffer=SMALL) as (ws, peer):
        sending = asyncio.create_task(ws.send(BIG))
        await asyncio.sleep(0.1)
        silence = ws._signs()
        data = (await peer.next()).payload
        assert ws._signs() != silence  # to take is a sign of life too
        assert data == BIG.encode()
        await sending
        assert (await peer.next()).payload == b"\0\0\0\1"


@looped
async def test_pings_end_with_the_conversation() -> None:
    async with met(Options(ping_interval=0.01, ping_timeout=0.01)) as (ws, peer):
        closing = asyncio.create_task(ws.close())
        await asyncio.sleep(0.05)
        peer.send(CLOSE, b"\x03\xe8")
        peer.writer.write_eof()
        await closing
        assert await peer.until_end() == [Raw(CLOSE, b"\x03\xe8")]
