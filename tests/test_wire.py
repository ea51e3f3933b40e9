"""The opening handshake on an event loop, step by step."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Response
from geventws.opening import read_request
from geventws.uri import parse_uri
from geventws.wire import LINGER_BYTES, Wire, default_context, reach
from tests.loops import PATIENCE, REQUEST, looped, turns
from tests.threads import LOCAL


@asynccontextmanager
async def accepted(seconds: float | None = PATIENCE) -> AsyncIterator[Any]:
    """Give a server's wire and a client's streams; others may connect meanwhile."""
    made: asyncio.Queue[Wire] = asyncio.Queue()
    listening = await asyncio.get_running_loop().create_server(
        lambda: Wire(read_request(), seconds, made.put_nowait), *LOCAL
    )
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    wire = await made.get()
    try:
        yield wire, reader, writer
    finally:
        wire.drop()
        writer.close()
        await turns(5)
        while not made.empty():
            made.get_nowait().drop()
        listening.close()
        await turns(3)


@looped
async def test_request_is_read_however_it_is_cut() -> None:
    async with accepted() as (wire, _, writer):
        assert wire.address == writer.get_extra_info("sockname")
        for byte in REQUEST[:-1]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert not wire.result.done()
        writer.write(REQUEST[-1:] + b"rest")
        head, rest = await wire.result
        assert head + b"\r\n\r\n" == REQUEST
        assert rest in (b"rest", b"")  # or it came later, and is not read yet
        assert not wire.transport.is_reading()


@looped
async def test_request_is_waited_for_no_longer_than_allowed() -> None:
    async with accepted(0.05) as (wire, _, writer):
        writer.write(REQUEST[:20])
        with pytest.raises(TimeoutError, match="open_timeout"):
            await wire.result


@looped
async def test_request_is_waited_for_for_ever_where_that_is_allowed() -> None:
    async with accepted(None) as (wire, _, writer):
        assert wire.deadline is None
        writer.write(REQUEST)
        assert (await wire.result)[1] == b""


@looped
async def test_client_that_goes_or_breaks_rules_is_an_error() -> None:
    async with accepted() as (wire, _, writer):
        writer.write_eof()
        with pytest.raises(InvalidHandshake):
            await wire.result
    async with accepted() as (wire, _, writer):
        writer.write(REQUEST.replace(b"\r\n", b"\n"))
        with pytest.raises(InvalidHandshake):
            await wire.result
    async with accepted() as (wire, _, _writer):
        wire.transport.abort()
        with pytest.raises(ConnectionResetError):
            await wire.result


@looped
async def test_response_reaches_a_client_that_goes_on_talking() -> None:
    async with accepted() as (wire, reader, writer):
        writer.write(REQUEST + b"x" * (LINGER_BYTES // 2))
        await wire.result
        away = asyncio.create_task(wire.turn_away(Response(401, body="who?")))
        assert (await reader.read()).endswith(b"\r\n\r\nwho?")
        writer.close()
        await away
        await wire.turn_away(Response(401))  # where nobody is left


@looped
async def test_client_that_has_left_needs_no_response() -> None:
    async with accepted() as (wire, _, writer):
        writer.write(REQUEST)
        await wire.result
        writer.transport.abort()
        await turns(5)
        await wire.turn_away(Response(401))


@looped
async def test_error_that_nobody_waits_for_is_not_logged(caplog: Any) -> None:
    wire = Wire(read_request(), None)
    wire.data_received(REQUEST.replace(b"\r\n", b"\n"))
    assert wire.result.done()
    del wire
    gc.collect()
    assert caplog.text == ""


@looped
async def test_client_that_says_too_much_is_listened_to_no_longer() -> None:
    async with accepted() as (wire, _, writer):
        writer.write(REQUEST + b"x" * (2 * LINGER_BYTES + 1_000_000))
        await wire.result
        await wire.turn_away(Response(401))
        assert not wire.transport.is_reading()


@looped
async def test_wire_that_is_dropped_has_no_result() -> None:
    wire = Wire(read_request(), None)
    wire.drop()
    assert wire.result.cancelled()
    async with accepted() as (wire, reader, _):
        wire.drop()
        assert await reader.read() == b""


@looped
async def test_reaching_connects_the_wire() -> None:
    async with accepted() as (_, _, writer):
        port = writer.get_extra_info("peername")[1]
        wire = Wire(read_request(), PATIENCE)
        await reach(parse_uri(f"ws://127.0.0.1:{port}/"), wire, None, ("127.0.0.1", 0))
        assert wire.address == ("127.0.0.1", port)
        wire.drop()


@looped
async def test_reaching_names_the_phase_that_took_too_long() -> None:
    wire = Wire(read_request(), 0.0001)
    await asyncio.sleep(0.01)
    with pytest.raises(TimeoutError, match="connecting took longer than open_timeout"):
        await reach(parse_uri("ws://127.0.0.1:9/"), wire, None, None)


def test_context_is_made_once() -> None:
    assert default_context() is default_context()
