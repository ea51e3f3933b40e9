"""picows on uvloop: the field's fastest. It echoes frames, neither decoded nor put together."""

from __future__ import annotations

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from loadtests.bench.servers import HOST, MAX_SIZE, listening

DATA = WSMsgType.CONTINUATION, WSMsgType.TEXT, WSMsgType.BINARY
everybody: set[WSTransport] = set()


class _Listener(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in DATA:
            payload = frame.get_payload_as_memoryview()
            transport.send(frame.msg_type, payload, frame.fin)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()


class _Share(_Listener):
    def on_ws_connected(self, transport: WSTransport) -> None:
        everybody.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        everybody.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        for each in everybody:
            each.send(frame.msg_type, payload)


async def _serve(listener: type[_Listener], port: int) -> None:
    def accept(request: WSUpgradeRequest) -> WSListener:
        return listener()

    server = await ws_create_server(accept, HOST, port, max_frame_size=MAX_SIZE, backlog=4096)
    listening()
    await server.serve_forever()


def serve(port: int) -> None:
    """Echo."""
    uvloop.run(_serve(_Listener, port))


def broadcast(port: int) -> None:
    """Send every message to all."""
    uvloop.run(_serve(_Share, port))
