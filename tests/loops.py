"""What the tests of event loops share: a loop for each test, and raw peers on it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from inspect import Parameter, signature
from typing import Any, NamedTuple

import pytest
import uvloop

from geventws.awaiting import AsyncWebSocket
from geventws.core.codes import Side
from geventws.core.errors import ConnectionClosed
from geventws.core.handshake import Accepted
from geventws.options import Options
from tests.core.helpers import Raw, frame_to, read_frames

PATIENCE = 30.0  # seconds; a test that waits longer has failed
SMALL = 4096  # bytes of a socket's buffer
BIG = "x" * 1_000_000
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
QUIET = Options(ping_interval=None)  # nothing but what the test says

NewLoop = Callable[[], asyncio.AbstractEventLoop]

both_loops = pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


def looped(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run *test* in an event loop of its own, one of each kind; it must not take too long."""

    @both_loops
    @wraps(test)
    def run(*args: Any, new_loop: NewLoop, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(asyncio.wait_for(test(*args, **kwargs), PATIENCE))

    shape = signature(test)
    added = Parameter("new_loop", Parameter.KEYWORD_ONLY)
    vars(run)["__signature__"] = shape.replace(parameters=[*shape.parameters.values(), added])
    return run  # type: ignore[no-any-return]


class Peer(NamedTuple):
    """Speaks raw frames to a connection of *side*."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    side: Side

    def send(self, opcode: int, payload: bytes = b"", fin: bool = True) -> None:
        """Send one frame."""
        self.writer.write(frame_to(self.side, opcode, payload, fin))

    async def next(self) -> Raw:
        """Wait for a frame."""
        masked = self.side == Side.CLIENT
        head = await self.reader.readexactly(2)
        length = head[1] & 0x7F
        if length > 125:
            extended = await self.reader.readexactly(2 if length == 126 else 8)
            head, length = head + extended, int.from_bytes(extended, "big")
        data = head + await self.reader.readexactly(4 * masked + length)
        return next(iter(read_frames(data)))

    async def until_end(self) -> list[Raw]:
        """Wait for all frames up to the end of the stream."""
        frames = []
        while True:
            try:
                frames.append(await self.next())
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return frames


class Met(NamedTuple):
    """A connection and its raw peer."""

    ws: AsyncWebSocket
    peer: Peer


@asynccontextmanager
async def met(
    options: Options = QUIET, side: Side = Side.SERVER, rest: bytes = b"", buffer: int = 0
) -> AsyncIterator[Met]:
    """Give a connection of *side*, begun with *rest*, and its peer; both are dropped at the end.

    A *buffer* is how many bytes the socket takes that the peer does not read.
    """
    near, far = socket.socketpair()
    if buffer:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=near)
    reader, writer = await asyncio.open_connection(sock=far)
    ws = AsyncWebSocket(transport, options, side, Accepted(None, None, b""), rest)
    try:
        yield Met(ws, Peer(reader, writer, side))
    finally:
        ws.drop()
        writer.transport.abort()
        await asyncio.sleep(0)


async def turns(count: int = 20) -> None:
    """Let the loop go round, so that what can happen has happened."""
    for _ in range(count):
        await asyncio.sleep(0)


async def closed(ws: AsyncWebSocket) -> ConnectionClosed:
    """Return what receive() raises."""
    with pytest.raises(ConnectionClosed) as raised:
        await ws.receive()
    return raised.value
