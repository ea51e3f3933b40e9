"""Echo on asyncio: the server with a port, the client with its address.

python examples/echo/with_asyncio.py 9000
python examples/echo/with_asyncio.py ws://127.0.0.1:9000/
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

from geventws.adapters.asyncio import AsyncWebSocket, WebSocketProtocol, connect

SIZES = range(0, 200, 25)


async def echo(ws: AsyncWebSocket) -> None:
    """Send every message back."""
    async for message in ws:
        await ws.send(message)


async def serve(port: int) -> None:
    """Serve, until Ctrl-C."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(WebSocketProtocol(echo), "127.0.0.1", port)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


async def send_some(ws: AsyncWebSocket) -> None:
    """Send a message in fragments, then some whole ones."""
    await ws.send("#" * size for size in SIZES)
    for size in SIZES:
        await ws.send("*" * size)


async def client(url: str) -> None:
    """Receive in one task what another one sends."""
    async with await connect(url) as ws, asyncio.TaskGroup() as tasks:
        tasks.create_task(send_some(ws))
        async for message in ws:
            print(len(message), flush=True)
            if len(message) == SIZES[-1]:
                await ws.close(reason="bye")
    print("closed", ws.close_code)


if __name__ == "__main__":
    where = sys.argv[1] if sys.argv[1:] else "9000"
    with suppress(KeyboardInterrupt):
        asyncio.run(client(where) if where.startswith("ws") else serve(int(where)))
