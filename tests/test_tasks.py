"""Connections in the tasks of their handlers, closed up after and together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

import pytest

from geventws.awaiting import AsyncWebSocket
from geventws.core.codes import CLOSE, TEXT, Side
from geventws.core.handshake import Accepted
from geventws.looped import LoopedTransport
from geventws.tasks import Tasks, ended
from tests.core.helpers import Raw
from tests.loops import PATIENCE, QUIET, NewLoop, Peer, both_loops, looped, met, turns


async def echo(ws: AsyncWebSocket) -> None:
    """Send every message back."""
    async for message in ws:
        await ws.send(message)


async def fail(ws: AsyncWebSocket) -> None:
    """Raise."""
    raise LookupError("so it goes")


async def wait(ws: AsyncWebSocket) -> None:
    """Use no connection at all."""
    await asyncio.sleep(PATIENCE)


async def end(peer: Peer) -> Raw:
    """Answer the close frame that comes and end the stream; return that frame."""
    frame = await peer.next()
    peer.send(CLOSE, frame.payload[:2])
    peer.writer.close()
    return frame


@looped
async def test_connection_is_closed_when_its_handler_returns() -> None:
    tasks = Tasks()
    async with met() as (ws, peer):
        running = asyncio.create_task(tasks.run(echo, ws))
        peer.send(TEXT, b"x")
        assert (await peer.next()).payload == b"x"
        assert len(tasks) == 1
        peer.send(CLOSE)
        peer.writer.write_eof()
        await running
        assert len(tasks) == 0


@looped
async def test_failing_handler_closes_with_1011_and_is_logged(caplog: Any) -> None:
    async with met() as (ws, peer):
        running = asyncio.create_task(Tasks().run(fail, ws))
        assert (await end(peer)).payload == b"\x03\xf3the application failed"
        await running
    assert "the handler failed" in caplog.text
    assert "so it goes" in caplog.text


@looped
async def test_failure_is_reported_where_somebody_wants_to_know(caplog: Any) -> None:
    reported: list[Exception] = []
    async with met() as (ws, peer):
        running = asyncio.create_task(Tasks().run(fail, ws, reported.append))
        await end(peer)
        await running
    assert [type(error) for error in reported] == [LookupError]
    assert caplog.text == ""


@looped
async def test_connection_is_dropped_when_its_task_is_cancelled() -> None:
    tasks = Tasks()
    async with met() as (ws, peer):
        running = asyncio.create_task(tasks.run(wait, ws))
        await turns()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [frame.payload[:2] for frame in await peer.until_end()] == [b"\x03\xe9"]
        assert len(tasks) == 0


@looped
async def test_connections_end_together() -> None:
    tasks = Tasks()
    async with met() as (one, peer), met() as (other, other_peer):
        running = [asyncio.create_task(tasks.run(echo, ws)) for ws in (one, other)]
        await turns()
        tasks.close()
        frames = [await end(each) for each in (peer, other_peer)]
        assert frames == [Raw(CLOSE, b"\x03\xe9")] * 2
        await tasks.wait_closed(PATIENCE)
        assert [task.done() for task in running] == [True, True]


@looped
async def test_handlers_that_do_not_end_are_cancelled() -> None:
    tasks = Tasks()
    async with met() as (ws, _):
        running = asyncio.create_task(tasks.run(wait, ws))
        await turns()
        await tasks.wait_closed(0.01)
        assert running.cancelled()


@looped
async def test_task_does_not_wait_for_itself() -> None:
    await ended([asyncio.current_task(), None], PATIENCE)
    await ended([], PATIENCE)


# Without a running loop


async def begun(tasks: Tasks, connected: socket.socket) -> Coroutine[Any, Any, None]:
    """Return the run of a handler that waits."""
    transport = LoopedTransport(connected, connected.close)
    ws = AsyncWebSocket(transport, QUIET, Side.SERVER, Accepted(None, None, b""), b"")
    running = tasks.run(wait, ws)
    running.send(None)
    return running


@both_loops
def test_connection_is_dropped_when_its_task_is_finalised(new_loop: NewLoop, caplog: Any) -> None:
    near, far = socket.socketpair()
    with near, far, asyncio.Runner(loop_factory=new_loop) as runner:
        tasks = Tasks()
        runner.run(begun(tasks, near)).close()
        assert len(tasks) == 0
        assert far.recv(100)[2:4] == b"\x03\xe9"
        runner.run(turns())
    assert caplog.text == ""


@both_loops
def test_connection_of_a_closed_loop_is_let_go(new_loop: NewLoop, caplog: Any) -> None:
    near, far = socket.socketpair()
    with near, far:
        tasks = Tasks()
        with asyncio.Runner(loop_factory=new_loop) as runner:
            running = runner.run(begun(tasks, near))
        running.close()
        assert len(tasks) == 0
    assert caplog.text == ""
