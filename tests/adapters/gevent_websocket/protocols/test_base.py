"""The protocol that hands everything on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from geventws.adapters.gevent_websocket.protocols.base import BaseProtocol


def test_protocol_hands_on_what_happens() -> None:
    heard: list[Any] = []
    app = SimpleNamespace(
        on_open=lambda: heard.append("open"), on_message=heard.append, on_close=heard.append
    )
    protocol = BaseProtocol(app)
    protocol.on_open()
    protocol.on_message("hi")
    protocol.on_close()
    protocol.on_close("bye")
    assert heard == ["open", "hi", None, "bye"]


def test_protocol_knows_server_and_handler_once_there_is_a_websocket() -> None:
    app = SimpleNamespace()
    protocol = BaseProtocol(app)
    assert protocol.handler is protocol.server is None
    app.ws = SimpleNamespace(handler=SimpleNamespace(server="the server"))
    assert protocol.handler is app.ws.handler
    assert protocol.server == "the server"


def test_protocol_without_application_says_so() -> None:
    with pytest.raises(RuntimeError, match="app: none was given"):
        BaseProtocol(None).on_open()
