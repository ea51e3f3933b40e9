"""websocket-client, which is a client only, and knows no compression."""

from __future__ import annotations

from typing import Any

import websocket

from tests.interop.scenes import IN_TIME, Message
from tests.interop.their_clients import Refused, TheirClient


class WebsocketClient(TheirClient):
    """websocket-client."""

    name = "websocket-client"
    package = "websocket-client"
    can_compress = False

    def connect(self) -> None:
        try:
            self._ws: Any = websocket.create_connection(
                self.uri,
                timeout=IN_TIME,
                sslopt={"context": self.context} if self.context else {},
                subprotocols=self.offers,
            )
        except websocket.WebSocketBadStatusException as error:
            raise Refused(error.status_code, error.resp_headers, error.resp_body) from None
        self.subprotocol = self._ws.getsubprotocol()
        self.compressed = False

    def send(self, message: Message) -> None:
        if isinstance(message, str):
            self._ws.send(message)
        else:
            self._ws.send_binary(message)

    def send_fragments(self, fragments: list[Message]) -> None:
        opcode = websocket.ABNF.OPCODE_TEXT
        if isinstance(fragments[0], bytes):
            opcode = websocket.ABNF.OPCODE_BINARY
        for number, data in enumerate(fragments, 1):
            last = number == len(fragments)
            payload = data.encode() if isinstance(data, str) else data
            self._ws.send_frame(websocket.ABNF(int(last), 0, 0, 0, opcode, 1, payload))
            opcode = websocket.ABNF.OPCODE_CONT

    def receive(self) -> Message:
        message: Message = self._ws.recv()
        return message

    def ping(self) -> None:
        self._ws.ping("are you there?")
        assert self._ws.recv_data(control_frame=True) == (
            websocket.ABNF.OPCODE_PONG,
            b"are you there?",
        )

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._ws.close(code, reason.encode())

    def closed(self) -> tuple[int, str]:
        opcode, data = self._ws.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE
        self._ws.shutdown()
        return int.from_bytes(data[:2], "big"), data[2:].decode()
