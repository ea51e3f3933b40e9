"""Many tasks at one connection, behind both doors of event loops."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from geventws.adapters.asyncio import AsyncWebSocket, connect, serve
from geventws.adapters.tornado import Upgrader, WebSocketHandler
from geventws.core.errors import ConnectionClosed
from tests.loops import REQUEST, looped
from tests.threads import LOCAL, contexts
from tests.tornados import served

MANY = 20  # tasks
TIMES = 10  # messages of each

both_doors = pytest.mark.parametrize("door", ["asyncio", "tornado"])


@asynccontextmanager
async def serving(door: str, handler: Any, secure: bool = False, **options: Any) -> Any:
    """Have *handler* serve behind *door*, and give the port."""
    context = contexts()[1] if secure else None
    if door == "asyncio":
        async with await serve(handler, *LOCAL, ssl=context, **options) as server:
            yield server.sockets[0].getsockname()[1]
        return

    class Handler(WebSocketHandler):
        upgrader = Upgrader(**options)

        async def handle(self, ws: AsyncWebSocket) -> None:
            await handler(ws)

    async with served(("/", Handler), secure=context) as port:
        yield port


async def hammer(ws: AsyncWebSocket, name: int) -> None:
    """Send whole messages, fragments, and pings, in any order."""
    dice = random.Random(name)
    for number in range(TIMES):
        text = f"{name} {number} " + "x" * dice.choice([0, 100, 70_000])
        if dice.random() < 0.3:
            await ws.send(slowly([text[:3], text[3:]]))
        else:
            await ws.send(text)
        if dice.random() < 0.3:
            assert await ws.ping() > 0


async def slowly(items: list[str]) -> AsyncIterator[str]:
    """Yield *items*, and let others run between them."""
    for item in items:
        yield item
        await asyncio.sleep(0)


async def hear(ws: AsyncWebSocket) -> dict[str, list[int]]:
    """Receive all that hammers send; return the numbers that came of each."""
    heard: dict[str, list[int]] = {}
    for _ in range(MANY * TIMES):
        name, number, rest = str(await ws.receive()).split(" ")
        assert set(rest) <= {"x"}
        heard.setdefault(name, []).append(int(number))
    return heard


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@both_doors
@looped
async def test_messages_of_many_tasks_stay_whole_and_in_order(door: str, secure: bool) -> None:
    heard = []

    async def both(ws: AsyncWebSocket) -> None:
        hammers = [asyncio.create_task(hammer(ws, name)) for name in range(MANY)]
        heard.append(await hear(ws))
        await asyncio.gather(*hammers)

    async def both_and_wait(ws: AsyncWebSocket) -> None:
        await both(ws)
        async for _ in ws:
            pass

    theirs = contexts()[0] if secure else None
    async with serving(door, both_and_wait, secure) as port:
        scheme = "wss" if secure else "ws"
        async with await connect(f"{scheme}://localhost:{port}/", ssl=theirs) as ws:
            await both(ws)
    assert heard == [{str(name): list(range(TIMES)) for name in range(MANY)}] * 2


@both_doors
@looped
async def test_tasks_that_are_cancelled_anywhere_break_nothing(door: str) -> None:
    async def echo(ws: AsyncWebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    async def receive_in_pieces() -> list[str]:
        """Cancel every wait for a message again and again; none may be lost by that."""
        got: list[str] = []
        while len(got) < 300:
            with suppress(TimeoutError):
                got.append(str(await ws.receive(dice.random() / 500)))
        return got

    async def ping_and_give_up() -> None:
        while True:
            with suppress(TimeoutError):
                await ws.ping(dice.random() / 1000)
            await asyncio.sleep(0)

    dice = random.Random(1)
    async with (
        serving(door, echo) as port,
        await connect(f"ws://127.0.0.1:{port}/") as ws,
    ):
        others = [asyncio.create_task(ping_and_give_up()) for _ in range(3)]
        receiving = asyncio.create_task(receive_in_pieces())
        for number in range(300):
            await ws.send(f"{number}" + "x" * dice.choice([0, 5000]))
        assert [int(text.rstrip("x")) for text in await receiving] == list(range(300))
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


@both_doors
@looped
async def test_everybody_hears_of_the_end_when_many_close_at_once(door: str) -> None:
    async def until_closed(ws: AsyncWebSocket, work: Any) -> ConnectionClosed:
        try:
            while True:
                await work()
        except ConnectionClosed as closed:
            return closed

    async def mill(ws: AsyncWebSocket) -> None:
        works = [ws.receive, ws.ping, lambda: ws.send("x" * 50_000), lambda: ws.send(["a", "b"])]
        busy = [asyncio.create_task(until_closed(ws, work)) for work in works]
        for _ in range(20):
            await asyncio.sleep(0)
        await asyncio.gather(*(ws.close(4000 + number) for number in range(10)))
        codes = {(await task).code for task in busy}
        ends.append(codes)

    ends: list[set[int]] = []
    async with serving(door, mill) as port:
        await mill(await connect(f"ws://127.0.0.1:{port}/"))
    assert ends == [{4000}, {4000}]


@both_doors
@looped
async def test_memory_is_bounded_when_a_peer_does_not_read(door: str) -> None:
    held: list[int] = []
    sent = asyncio.get_running_loop().create_future()

    async def flood(ws: AsyncWebSocket) -> None:
        try:
            while True:
                await ws.send("x" * 100_000)
                held.append(ws._transport.get_write_buffer_size())
        except ConnectionClosed as closed:
            sent.set_result(closed.reason)

    async with serving(door, flood, send_timeout=0.5, compression=None) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(REQUEST)
        assert await sent == "the peer takes no more bytes"
        writer.close()
    assert held
    assert max(held) <= 64 * 1024
    assert reader
