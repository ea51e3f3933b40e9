from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from geventws.awaiting import AsyncWebSocket
from geventws.core.codes import BINARY, CLOSE, CONTINUATION, TEXT, Side
from geventws.core.errors import ConnectionClosed, ProtocolError
from geventws.core.handshake import Accepted
from geventws.options import Options
from tests.core.helpers import Raw, both_sides
from tests.loops import BIG, PATIENCE, QUIET, SMALL, closed, looped, met, turns

# Sending


@both_sides
@looped
async def test_send_sends_text_and_bytes(side: Side) -> None:
    async with met(side=side) as (ws, peer):
        for message in ("text", b"bytes", bytearray(b"array"), memoryview(b"view")):
            await ws.send(message)
        frames = [await peer.next() for _ in range(4)]
        assert [frame.opcode for frame in frames] == [TEXT, BINARY, BINARY, BINARY]
        assert [frame.payload for frame in frames] == [b"text", b"bytes", b"array", b"view"]


@looped
async def test_send_sends_iterables_in_fragments() -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b"three"
        await asyncio.sleep(0)
        yield b"four"

    async with met() as (ws, peer):
        await ws.send(iter(["one", "two"]))
        await ws.send(slowly())
        frames = [await peer.next() for _ in range(4)]
        assert [(frame.opcode, frame.fin) for frame in frames] == [
            *((TEXT, False), (CONTINUATION, True)),
            *((BINARY, False), (CONTINUATION, True)),
        ]
        assert [frame.payload for frame in frames] == [b"one", b"two", b"three", b"four"]


@looped
async def test_messages_of_many_senders_stay_whole() -> None:
    async def fragments() -> AsyncIterator[str]:
        for _ in range(5):
            yield "f" * 9999
            await asyncio.sleep(0)

    async with met(buffer=SMALL) as (ws, peer):
        sending = [
            asyncio.create_task(ws.send(message))
            for message in ("a" * 99_999, fragments(), "b" * 99_999, fragments())
        ]
        got = ""
        for _ in range(12):
            got += (await peer.next()).payload.decode()
        assert got == "a" * 99_999 + "f" * 49_995 + "b" * 99_999 + "f" * 49_995
        await asyncio.gather(*sending)


@pytest.mark.parametrize("message", [5, None, [], iter([5])], ids=["int", "none", "empty", "ints"])
@looped
async def test_send_refuses_what_is_no_message(message: Any) -> None:
    async with met() as (ws, _):
        with pytest.raises(TypeError):
            await ws.send(message)


@looped
async def test_message_that_cannot_be_finished_fails_the_connection() -> None:
    def fragments() -> Iterator[str]:
        yield "one"
        yield "two"
        raise LookupError("no more")

    async with met() as (ws, peer):
        with pytest.raises(LookupError):
            await ws.send(fragments())
        assert [frame.payload[:2] for frame in await peer.until_end()] == [b"on", b"\x03\xf3"]
        assert (await closed(ws)).code == 1011


@looped
async def test_message_is_cut_off_by_close() -> None:
    async def fragments() -> AsyncIterator[str]:
        yield "one"
        yield "two"
        await ws.close(4000)
        yield "three"

    async with met() as (ws, peer):
        sending = asyncio.create_task(ws.send(fragments()))
        assert (await peer.next()).payload == b"one"
        assert await peer.next() == Raw(CLOSE, b"\x0f\xa0")
        peer.send(CLOSE, b"\x0f\xa0")
        peer.writer.close()
        with pytest.raises(ConnectionClosed):
            await sending


@looped
async def test_send_waits_while_the_peer_takes_nothing() -> None:
    async with met(buffer=SMALL) as (ws, peer):
        sending = asyncio.create_task(ws.send(BIG))
        await turns(100)
        assert not sending.done()
        assert (await peer.next()).payload == BIG.encode()
        await sending


@looped
async def test_send_does_no_harm_when_it_is_cancelled() -> None:
    async with met(buffer=SMALL) as (ws, peer):
        sending = asyncio.create_task(ws.send(BIG))
        await turns()
        sending.cancel()
        other = asyncio.create_task(ws.send("other"))
        assert (await peer.next()).payload == BIG.encode()
        assert (await peer.next()).payload == b"other"
        await other


@looped
async def test_fragments_fail_the_connection_when_they_are_cancelled() -> None:
    async def fragments() -> AsyncIterator[str]:
        yield "one"
        yield "two"
        await asyncio.sleep(PATIENCE)

    async with met() as (ws, peer):
        sending = asyncio.create_task(ws.send(fragments()))
        assert (await peer.next()).payload == b"one"
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert [frame.payload[:2] for frame in await peer.until_end()] == [b"\x03\xf3"]
        assert (await closed(ws)).code == 1011


@looped
async def test_last_fragment_does_no_harm_when_it_is_cancelled() -> None:
    async with met(buffer=SMALL) as (ws, peer):
        sending = asyncio.create_task(ws.send([BIG]))
        await turns()
        sending.cancel()
        other = asyncio.create_task(ws.send("other"))
        assert (await peer.next()).payload == BIG.encode()
        assert (await peer.next()).payload == b"other"
        await other


@looped
async def test_send_gives_up_on_a_peer_that_takes_nothing() -> None:
    async with met(Options(ping_interval=None, send_timeout=0.05), buffer=SMALL) as (ws, _):
        with pytest.raises(ConnectionClosed) as raised:
            await ws.send(BIG)
        assert raised.value.code == 1006
        assert (await closed(ws)).reason == "the peer takes no more bytes"


@looped
async def test_send_raises_when_the_connection_is_lost() -> None:
    async with met(buffer=SMALL) as (ws, peer):
        peer.send(TEXT, b"before")
        await turns()
        sending = asyncio.create_task(ws.send(BIG))
        await turns()
        peer.writer.transport.abort()
        with pytest.raises(ConnectionClosed) as raised:
            await sending
        assert raised.value.code == 1006
        with pytest.raises(ConnectionClosed):
            await ws.send("after")
        assert await ws.receive() == "before"
        assert (await closed(ws)).code == 1006


@looped
async def test_senders_let_other_tasks_run() -> None:
    async with met() as (ws, peer):
        reading = asyncio.create_task(peer.until_end())
        for _ in range(100):
            await ws.send("x")
        assert len(peer.reader._buffer) < 100  # type: ignore[attr-defined]
        ws._transport.abort()
        assert len(await reading) == 100


# Closing


@both_sides
@looped
async def test_close_exchanges_close_frames_and_ends_tcp(side: Side) -> None:
    async with met(side=side) as (ws, peer):
        closing = asyncio.create_task(ws.close(4001, "bye"))
        assert (await peer.next())[:2] == (CLOSE, b"\x0f\xa1bye")
        peer.send(TEXT, b"late")
        peer.send(CLOSE, b"\x0f\xa1bye")
        if side == Side.CLIENT:  # RFC 6455 7.1.1: the server is the one to end TCP
            await turns()
            assert not closing.done()
        else:
            assert await peer.reader.read() == b""
        peer.writer.close()
        await closing
        await ws.close()
        error = await closed(ws)
        assert (error.code, error.reason, error.clean) == (4001, "bye", True)


@looped
async def test_close_is_answered() -> None:
    async with met() as (ws, peer):
        peer.send(TEXT, b"last")
        peer.send(CLOSE, b"\x0f\xa0why")
        assert await ws.receive() == "last"
        error = await closed(ws)
        assert (error.code, error.reason, error.clean) == (4000, "why", True)
        assert await peer.until_end() == [Raw(CLOSE, b"\x0f\xa0")]
        with pytest.raises(ConnectionClosed):
            await ws.send("x")


@looped
async def test_close_keeps_what_came_before() -> None:
    async with met() as (ws, peer):
        for number in range(40):
            peer.send(TEXT, b"%d" % number)
        await turns()
        closing = asyncio.create_task(ws.close())
        assert (await peer.next()).opcode == CLOSE
        peer.send(CLOSE)
        peer.writer.close()
        await closing
        assert [await ws.receive() for _ in range(40)] == [f"{number}" for number in range(40)]
        await closed(ws)


@looped
async def test_close_ends_what_other_tasks_wait_for() -> None:
    async with met() as (ws, peer):
        receiving = asyncio.create_task(closed(ws))
        closing = asyncio.create_task(ws.close())
        other = asyncio.create_task(ws.close())
        peer.send(CLOSE, (await peer.next()).payload)
        peer.writer.close()
        assert (await receiving).code == 1000
        await asyncio.gather(closing, other)


@looped
async def test_close_gives_up_on_a_peer_that_does_not_answer() -> None:
    async with met(Options(ping_interval=None, close_timeout=0.05)) as (ws, peer):
        await ws.close()
        assert (ws.close_code, ws.close_reason) == (1006, "no close frame in time")
        assert len(await peer.until_end()) == 1


@looped
async def test_tcp_is_ended_at_last_when_the_peer_does_not() -> None:
    async with met(Options(ping_interval=None, close_timeout=0.05)) as (ws, peer):
        peer.send(CLOSE)
        await closed(ws)
        assert len(await peer.until_end()) == 1
        await ws._lost.wait()


@looped
async def test_violation_fails_the_connection() -> None:
    async with met() as (ws, peer):
        peer.send(TEXT, b"good")
        peer.send(3)
        assert await ws.receive() == "good"
        error = await closed(ws)
        assert error.code == 1002
        assert isinstance(error.__cause__, ProtocolError)
        assert [frame.payload[:2] for frame in await peer.until_end()] == [b"\x03\xea"]


@looped
async def test_context_manager_closes() -> None:
    async with met() as (ws, peer):
        async with ws as same:
            assert same is ws
            assert (ws.close_code, ws.close_reason) == (None, "")
            peer.send(CLOSE, b"\x0f\xa0why")
            peer.writer.write_eof()
        assert await peer.until_end() == [Raw(CLOSE, b"\x03\xe8")]
        assert (ws.close_code, ws.close_reason) == (4000, "why")


@looped
async def test_context_manager_closes_with_1011_where_its_block_fails() -> None:
    async def fail() -> None:
        async with ws:
            raise LookupError("so it goes")

    async with met() as (ws, peer):
        peer.send(TEXT, b"x")
        failing = asyncio.create_task(fail())
        await turns()
        peer.send(CLOSE)
        peer.writer.write_eof()
        with pytest.raises(LookupError):
            await failing
        (frame,) = await peer.until_end()
        assert frame.payload == b"\x03\xf3the application failed"


@looped
async def test_context_manager_closes_quietly_where_the_connection_was_closed() -> None:
    async def use() -> None:
        async with ws:
            await ws.receive()

    async with met() as (ws, peer):
        peer.send(CLOSE, b"\x0f\xa0")
        peer.writer.close()
        with pytest.raises(ConnectionClosed):
            await use()
        assert ws.close_code == 4000


@looped
async def test_context_manager_drops_when_it_is_cancelled() -> None:
    async def use() -> None:
        async with ws:
            await asyncio.sleep(PATIENCE)

    async with met() as (ws, peer):
        using = asyncio.create_task(use())
        await turns()
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using
        assert [frame.payload[:2] for frame in await peer.until_end()] == [b"\x03\xe9"]
        assert ws.close_code == 1006


@looped
async def test_connection_that_is_lost_already_is_over() -> None:
    async with met() as (ws, _):
        ws._transport.abort()
        again = AsyncWebSocket(ws._transport, QUIET, Side.SERVER, Accepted(None, None, b""), b"")
        assert (await closed(again)).code == 1006
