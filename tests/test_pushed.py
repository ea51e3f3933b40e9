"""What an event loop pushes into a connection, and what follows from it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from time import monotonic

import pytest

from geventws.awaiting import AsyncWebSocket
from geventws.core.codes import CLOSE, PING, PONG, TEXT, Side
from geventws.core.errors import ConnectionClosed
from geventws.core.handshake import Accepted
from geventws.core.protocol import AHEAD_MESSAGES
from geventws.options import Options
from tests.core.helpers import Raw, frame_to
from tests.loops import BIG, PATIENCE, QUIET, SMALL, closed, looped, met, turns
from tests.threads import LOCAL, contexts

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
        pongs = [await peer.next()]
        while pongs[-1] != Raw(PONG, b"49"):
            pongs.append(await peer.next())
        assert len(pongs) < 50  # what is held is bounded
        await sending


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
    async with met(Options(ping_interval=0.01, ping_timeout=2)) as (ws, peer):
        until = monotonic() + 3
        while monotonic() < until:
            peer.send(TEXT, b"here")
            assert await ws.receive() == "here"
            await asyncio.sleep(0.02)


@looped
async def test_peer_is_not_given_up_while_nobody_receives() -> None:
    async with met(Options(ping_interval=0.5, ping_timeout=0.5)) as (ws, peer):
        for _ in range(AHEAD_MESSAGES):
            peer.send(TEXT, b"x")
        await asyncio.sleep(1.5)
        assert [await ws.receive() for _ in range(AHEAD_MESSAGES)] == ["x"] * AHEAD_MESSAGES


@looped
async def test_pings_do_not_gather_while_the_peer_takes_nothing() -> None:
    options = Options(ping_interval=0.01, ping_timeout=PATIENCE)
    async with met(options, buffer=SMALL) as (ws, peer):
        sending = asyncio.create_task(ws.send(BIG))
        await asyncio.sleep(0.1)
        silence = ws._signs()
        pings = 0
        while (frame := await peer.next()).opcode == PING:
            pings += 1
        assert ws._signs() != silence  # to take is a sign of life too
        assert frame.payload == BIG.encode()
        await sending
        assert (await peer.next()).payload == bytes([0, 0, 0, pings + 1])


@looped
async def test_pings_end_with_the_conversation() -> None:
    async with met(Options(ping_interval=0.01, ping_timeout=PATIENCE)) as (ws, peer):
        closing = asyncio.create_task(ws.close())
        await asyncio.sleep(0.05)
        peer.send(CLOSE, b"\x03\xe8")
        peer.writer.write_eof()
        await closing
        assert (await peer.until_end())[-1] == Raw(CLOSE, b"\x03\xe8")


@looped
async def test_conversation_ends_with_a_peer_that_is_gone_already() -> None:
    with socket.create_server(LOCAL) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=near)
    transport.pause_reading()  # so that nobody has noticed yet
    far.close()  # it answers our close frame with a reset
    violation = frame_to(Side.CLIENT, 3, b"")
    ws = AsyncWebSocket(transport, QUIET, Side.CLIENT, Accepted(None, None, b""), violation)
    assert (await closed(ws)).code == 1002
    ws.drop()
    await turns()


# Sending


@looped
async def test_what_is_held_is_bounded_however_many_sends_are_cancelled() -> None:
    async with met(buffer=SMALL) as (ws, peer):
        for number in range(20):
            with suppress(TimeoutError):
                await asyncio.wait_for(ws.send(f"{number:02}" + BIG), 0.001)
        assert ws._transport.get_write_buffer_size() < 2 * len(BIG)
        assert ws._protocol.writer.messages == 1
        last = asyncio.create_task(ws.send("last"))
        assert (await peer.next()).payload == b"00" + BIG.encode()
        assert (await peer.next()).payload == b"last"
        await last


@looped
async def test_peer_that_takes_bytes_slowly_is_waited_for() -> None:
    options = Options(ping_interval=None, send_timeout=1)
    async with met(options, buffer=SMALL) as (ws, peer):
        sending = asyncio.create_task(ws.send(BIG))
        while not sending.done():  # which takes three times as long
            await peer.reader.read(SMALL * 4)
            await asyncio.sleep(0.05)
        await sending


# Closing


@looped
async def test_begin_close_ends_without_anybody_waiting() -> None:
    async with met() as (ws, peer):
        ws.begin_close(4000, "bye")
        ws.begin_close(4001)
        assert await peer.next() == Raw(CLOSE, b"\x0f\xa0bye")
        peer.send(CLOSE, b"\x0f\xa0")
        assert await peer.until_end() == []
        peer.writer.close()
        await ws._lost.wait()
        assert (ws.close_code, ws.close_reason) == (4000, "")
        ws.begin_close()


@looped
async def test_begin_close_refuses_what_may_not_be_sent() -> None:
    async with met() as (ws, _):
        with pytest.raises(ValueError, match="code"):
            ws.begin_close(1005)
        assert ws.close_code is None


@looped
async def test_closing_is_over_in_time_although_nobody_waits() -> None:
    async with met(Options(ping_interval=None, close_timeout=0.05)) as (ws, peer):
        ws.begin_close()
        await ws._lost.wait()
        assert (ws.close_code, ws.close_reason) == (1006, "no close frame in time")
        assert len(await peer.until_end()) == 1


@looped
async def test_closing_goes_on_when_close_is_cancelled() -> None:
    async with met() as (ws, peer):
        closing = asyncio.create_task(ws.close(4000))
        assert (await peer.next()).opcode == CLOSE
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        peer.send(TEXT, b"late")
        peer.send(CLOSE, b"\x0f\xa0")
        peer.writer.close()
        await ws.close()
        assert ws.close_code == 4000


@looped
async def test_drop_tells_the_peer_and_waits_for_nothing() -> None:
    async with met() as (ws, peer):
        for _ in range(40):
            peer.send(TEXT, b"before")
        await turns()
        ws.drop()
        ws.drop()
        assert [frame.payload[:2] for frame in await peer.until_end()] == [b"\x03\xe9"]
        assert [await ws.receive() for _ in range(40)] == ["before"] * 40
        error = await closed(ws)
        assert (error.code, error.reason) == (1006, "the connection is dropped")


@looped
async def test_peer_that_says_no_more_is_still_answered() -> None:
    async with met() as (ws, peer):
        peer.send(TEXT, b"x")
        peer.send(CLOSE, b"\x0f\xa0")
        peer.writer.write_eof()
        await turns()
        await ws.send("still")
        assert await ws.receive() == "x"
        assert (await closed(ws)).code == 4000
        assert [frame.payload for frame in await peer.until_end()] == [b"still", b"\x0f\xa0"]
        await ws.close()


@looped
async def test_messages_outlive_a_peer_that_takes_nothing() -> None:
    options = Options(ping_interval=None, send_timeout=0.05)
    async with met(options, buffer=SMALL) as (ws, peer):
        for number in range(100):
            peer.send(TEXT, b"%d" % number)
        await turns()
        with pytest.raises(ConnectionClosed):
            await ws.send(BIG)
        assert [await ws.receive() for _ in range(100)] == [f"{each}" for each in range(100)]
        assert (await closed(ws)).reason == "the peer takes no more bytes"


@looped
async def test_close_frame_is_not_cut_off_by_those_who_send_too_late() -> None:
    async with met(buffer=SMALL) as (ws, peer):
        sending = asyncio.create_task(ws.send(BIG))
        await turns()
        peer.send(CLOSE, b"\x0f\xa0")
        peer.writer.write_eof()
        await turns()
        late = asyncio.create_task(ws.send("late"))
        assert (await peer.next()).payload == BIG.encode()
        assert await peer.until_end() == [Raw(CLOSE, b"\x0f\xa0")]
        for task in (sending, late):
            with pytest.raises(ConnectionClosed) as raised:
                await task
            assert raised.value.code == 4000


@looped
async def test_fragment_that_comes_after_the_end_is_no_more_than_that() -> None:
    async def fragments() -> AsyncIterator[str]:
        yield "one"
        yield "two"
        peer.writer.transport.abort()
        await ws._lost.wait()
        yield "three"

    async with met() as (ws, peer):
        peer.send(TEXT, b"before")
        await turns()
        with pytest.raises(ConnectionClosed) as raised:
            await ws.send(fragments())
        assert raised.value.code == 1006
        assert await ws.receive() == "before"


@looped
async def test_ping_waits_for_nothing_once_the_stream_is_lost() -> None:
    async with met() as (ws, peer):
        peer.send(TEXT, b"before")
        await turns()
        pinging = asyncio.create_task(ws.ping())
        await turns()
        peer.writer.transport.abort()
        for ping in (pinging, ws.ping()):
            with pytest.raises(ConnectionClosed):
                await ping
        assert await ws.receive() == "before"


@looped
async def test_client_over_tls_lets_the_server_end_the_stream() -> None:
    theirs, ours = contexts()
    ends: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)  # its close frame
        writer.write(b"\x88\x02\x03\xe8")
        await writer.drain()
        for _ in range(50):
            await asyncio.sleep(0)
        ends.append("early" if reader.at_eof() else "server")
        writer.close()

    server = await asyncio.start_server(talk, *LOCAL, ssl=ours)
    loop = asyncio.get_running_loop()
    host, port = server.sockets[0].getsockname()
    transport, _ = await loop.create_connection(
        asyncio.Protocol, host, port, ssl=theirs, server_hostname="localhost"
    )
    ws = AsyncWebSocket(transport, QUIET, Side.CLIENT, Accepted(None, None, b""), b"")
    await ws.close()
    server.close()
    assert (ws.close_code, ends) == (1000, ["server"])
