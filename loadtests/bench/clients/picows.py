"""picows on uvloop."""

from __future__ import annotations

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from loadtests.bench.clients import MAX_SIZE, Plan
from loadtests.bench.clients.tasks import measure


class _Listener(WSListener):
    def __init__(self, plan: Plan, index: int) -> None:
        self._plan = plan
        self._index = index

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.BINARY, self._plan.message)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        plan = self._plan
        plan.check(frame.get_payload_as_memoryview())
        plan.counts[self._index] += 1
        transport.send(WSMsgType.BINARY, plan.message)


async def _talk(plan: Plan, index: int) -> None:
    def listener() -> WSListener:
        return _Listener(plan, index)

    transport, _ = await ws_connect(listener, plan.url, max_frame_size=MAX_SIZE)
    await transport.wait_disconnected()


def main(plan: Plan) -> None:
    """Make round trips."""
    uvloop.run(measure(_talk, plan))
