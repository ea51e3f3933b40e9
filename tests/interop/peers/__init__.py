"""Other people's ends of the wire that Python can drive, one module each."""

from __future__ import annotations

from tests.interop.peers import aiohttp, picows, tornado, websocket_client, websockets, wsproto
from tests.interop.their_clients import TheirClient
from tests.interop.their_servers import TheirServer

THEIR_CLIENTS: list[type[TheirClient]] = [
    websockets.Websockets,
    websockets.WebsocketsSync,
    aiohttp.Aiohttp,
    websocket_client.WebsocketClient,
    wsproto.Wsproto,
    picows.Picows,
    tornado.Tornado,
]
THEIR_SERVERS: list[type[TheirServer]] = [
    websockets.WebsocketsServer,
    websockets.WebsocketsSyncServer,
    aiohttp.AiohttpServer,
    wsproto.WsprotoServer,
    picows.PicowsServer,
    tornado.TornadoServer,
]
