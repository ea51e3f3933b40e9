"""Every name of ws4py is here, and is called as it was."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

SOURCE = "geventws.adapters.ws4py"
CLIENT = (
    "url, protocols=None, extensions=None, heartbeat_freq=None, ssl_options=None, "
    "headers=None, exclude_headers=None"
)
WEBSOCKET = "sock, protocols=None, extensions=None, environ=None, heartbeat_freq=None"

# what is called, and with which parameters: ours may have more after those
SIGNATURES = {
    ".configure_logger": "stdout=True, filepath=None, level=20",
    ".format_addresses": "ws",
    "exc.HandshakeError": "msg",
    "framing.Frame": "opcode=None, body=b'', masking_key=None, fin=0, rsv1=0, rsv2=0, rsv3=0",
    "framing.Frame.build": "self",
    "framing.Frame.mask": "self, data",
    "framing.Frame.unmask": "self, data",
    "messaging.Message": "opcode, data=b'', encoding='utf-8'",
    "messaging.Message.single": "self, mask=False",
    "messaging.Message.fragment": "self, first=False, last=False, mask=False",
    "messaging.Message.extend": "self, data",
    "messaging.TextMessage": "text=None",
    "messaging.BinaryMessage": "bytes=None",
    "messaging.CloseControlMessage": "code=1000, reason=''",
    "messaging.PingControlMessage": "data=None",
    "messaging.PongControlMessage": "data",
    "streaming.Stream": "always_mask=False, expect_masking=True",
    "streaming.Stream.text_message": "self, text",
    "streaming.Stream.binary_message": "self, bytes",
    "streaming.Stream.close": "self, code=1000, reason=''",
    "streaming.Stream.ping": "self, data=''",
    "streaming.Stream.pong": "self, data=''",
    "streaming.Stream.receiver": "self",
    "utf8validator.Utf8Validator": "",
    "utf8validator.Utf8Validator.reset": "self",
    "utf8validator.Utf8Validator.decode": "self, b",
    "utf8validator.Utf8Validator.validate": "self, ba",
    "websocket.Heartbeat": "websocket, frequency=2.0",
    "websocket.Heartbeat.run": "self",
    "websocket.Heartbeat.stop": "self",
    "websocket.WebSocket": WEBSOCKET,
    "websocket.WebSocket.opened": "self",
    "websocket.WebSocket.close": "self, code=1000, reason=''",
    "websocket.WebSocket.closed": "self, code, reason=None",
    "websocket.WebSocket.close_connection": "self",
    "websocket.WebSocket.ping": "self, message",
    "websocket.WebSocket.ponged": "self, pong",
    "websocket.WebSocket.received_message": "self, message",
    "websocket.WebSocket.unhandled_error": "self, error",
    "websocket.WebSocket.send": "self, payload, binary=False",
    "websocket.WebSocket.once": "self",
    "websocket.WebSocket.process": "self, data",
    "websocket.WebSocket.run": "self",
    "websocket.WebSocket.terminate": "self",
    "websocket.EchoWebSocket": WEBSOCKET,
    "client.WebSocketBaseClient": CLIENT,
    "client.WebSocketBaseClient.close": "self, code=1000, reason=''",
    "client.WebSocketBaseClient.connect": "self",
    "client.WebSocketBaseClient.handshake_ok": "self",
    "client.WebSocketBaseClient.process_response_line": "self, response_line",
    "client.WebSocketBaseClient.process_handshake_header": "self, headers",
    "client.threadedclient.WebSocketClient": CLIENT,
    "client.threadedclient.WebSocketClient.run_forever": "self",
    "client.threadedclient.WebSocketClient.handshake_ok": "self",
    "client.geventclient.WebSocketClient": CLIENT,
    "client.geventclient.WebSocketClient.receive": "self, block=True",
    "client.geventclient.WebSocketClient.handshake_ok": "self",
    "client.tornadoclient.TornadoWebSocketClient": (
        "url, protocols=None, extensions=None, io_loop=None, ssl_options=None, "
        "headers=None, exclude_headers=None"
    ),
    "client.tornadoclient.TornadoWebSocketClient.connect": "self",
    "manager.SelectPoller": "timeout=0.1",
    "manager.EPollPoller": "timeout=0.1",
    "manager.KQueuePoller": "timeout=0.1",
    **{
        f"manager.{kind}.{name}": signature
        for kind in ("SelectPoller", "EPollPoller", "KQueuePoller")
        for name, signature in [
            *[("release", "self"), ("register", "self, fd")],
            *[("unregister", "self, fd"), ("poll", "self")],
        ]
    },
    "manager.WebSocketManager": "poller=None",
    "manager.WebSocketManager.add": "self, websocket",
    "manager.WebSocketManager.remove": "self, websocket",
    "manager.WebSocketManager.start": "self",
    "manager.WebSocketManager.stop": "self",
    "manager.WebSocketManager.run": "self",
    "manager.WebSocketManager.join": "self, timeout=None",
    "manager.WebSocketManager.close_all": "self, code=1001, message='Server is shutting down'",
    "manager.WebSocketManager.broadcast": "self, message, binary=False",
    "server.wsgiutils.WebSocketWSGIApplication.make_websocket": (
        "self, sock, protocols, extensions, environ"
    ),
    "server.wsgiutils.WebSocketWSGIApplication.__call__": "self, environ, start_response",
    "server.geventserver.WSGIServer": "*args, **kwargs",
    "server.geventserver.WSGIServer.stop": "self, *args, **kwargs",
    "server.geventserver.GEventWebSocketPool.track": "self, websocket",
    "server.geventserver.GEventWebSocketPool.clear": "self",
    "server.geventserver.WebSocketWSGIHandler.run_application": "self",
    "server.wsgirefserver.WSGIServer.initialize_websockets_manager": "self",
    "server.wsgirefserver.WSGIServer.link_websocket_to_server": "self, ws",
    "server.wsgirefserver.WSGIServer.shutdown_request": "self, request",
    "server.wsgirefserver.WSGIServer.server_close": "self",
    "server.wsgirefserver.WebSocketWSGIHandler.setup_environ": "self",
    "server.wsgirefserver.WebSocketWSGIHandler.finish_response": "self",
    "server.wsgirefserver.WebSocketWSGIRequestHandler.handle": "self",
    "server.cherrypyserver.WebSocketPlugin": "bus",
    "server.cherrypyserver.WebSocketPlugin.start": "self",
    "server.cherrypyserver.WebSocketPlugin.stop": "self",
    "server.cherrypyserver.WebSocketPlugin.cleanup": "self",
    "server.cherrypyserver.WebSocketPlugin.handle": "self, ws_handler, peer_addr",
    "server.cherrypyserver.WebSocketPlugin.broadcast": "self, message, binary=False",
    "server.tulipserver.WebSocketProtocol": "handler_cls",
    "server.tulipserver.WebSocketProtocol.close": "self",
    "server.tulipserver.WebSocketProtocol.timeout": "self",
    "async_websocket.WebSocket": "proto",
    "async_websocket.WebSocket.run": "self",
    "async_websocket.EchoWebSocket": "proto",
    "compat.ord": "c",
    "compat.get_connection": "fileobj",
    "compat.detach_connection": "fileobj",
}
# where a parameter's default is a value of this package
DEFAULTS: dict[str, dict[str, Any]] = {
    "server.wsgiutils.WebSocketWSGIApplication": (
        {"protocols": None, "extensions": None, "handler_cls": "websocket.WebSocket"}
    ),
    "server.cherrypyserver.WebSocketTool.upgrade": (
        {
            **{"protocols": None, "extensions": None, "version": (8, 13)},
            **{"handler_cls": "websocket.WebSocket", "heartbeat_freq": None},
        }
    ),
}
OTHERS = {
    "": "WS_KEY WS_VERSION __version__ __author__ __all__",
    "exc": (
        "WebSocketException ProtocolException FrameTooLargeException StreamClosed "
        "UnsupportedFrameTypeException TextFrameEncodingException InvalidBytesError"
    ),
    "framing": (
        "OPCODE_CONTINUATION OPCODE_TEXT OPCODE_BINARY OPCODE_CLOSE OPCODE_PING OPCODE_PONG"
    ),
    "framing.Frame": "parser",
    "streaming": "VALID_CLOSING_CODES",
    "streaming.Stream": "parser has_message has_messages message",
    "utf8validator.Utf8Validator": "UTF8VALIDATOR_DFA UTF8_ACCEPT UTF8_REJECT",
    "websocket": "DEFAULT_READING_SIZE",
    "websocket.WebSocket": "local_address peer_address connection terminated",
    "client.WebSocketBaseClient": "bind_addr handshake_headers handshake_request",
    "client.threadedclient.WebSocketClient": "daemon",
    "manager.WebSocketManager": "__len__ __iter__ __contains__",
    "server.geventserver.WSGIServer": "handler_class",
    "server.geventserver": "WebSocketWSGIHandler GEventWebSocketPool",
    "server.wsgirefserver.WebSocketWSGIRequestHandler": "WebSocketWSGIHandler",
    "server.cherrypyserver": "WebSocketTool WebSocketPlugin",
    "async_websocket.WebSocket": "local_address peer_address",
    "compat": "py3k urlsplit range unicode basestring",
}
ATTRIBUTES = {
    "framing.Frame": "opcode body masking_key fin rsv1 rsv2 rsv3 payload_length",
    "streaming.Stream": "message pings pongs closing errors always_mask expect_masking",
}
WEBSOCKETS_OWN = (
    "stream protocols extensions sock client_terminated server_terminated reading_buffer_size "
    "environ heartbeat_freq buf"
)
CLIENTS_OWN = (
    "url host scheme port unix_socket_path resource ssl_options extra_headers exclude_headers key"
)


def found(path: str) -> Any:
    """Return what ws4py calls *path*."""
    names = path.split(".")
    module, rest = SOURCE, names
    for count in range(len(names), 0, -1):
        candidate = ".".join([SOURCE, *filter(None, names[:count])])
        try:
            importlib.import_module(candidate)
        except ModuleNotFoundError:
            continue
        module, rest = candidate, names[count:]
        break
    thing: Any = importlib.import_module(module)
    for name in rest:
        thing = getattr(thing, name)
    return thing


def parameters(path: str) -> list[str]:
    signature = inspect.signature(found(path))
    return [
        str(each.replace(annotation=inspect.Parameter.empty))
        for each in signature.parameters.values()
    ]


@pytest.mark.parametrize("path", SIGNATURES)
def test_name_is_called_as_it_was(path: str) -> None:
    wanted = [each for each in SIGNATURES[path].split(", ") if each]
    ours = [each.removesuffix("=None") for each in parameters(path)[: len(wanted)]]
    assert ours == [each.removesuffix("=None") for each in wanted]


@pytest.mark.parametrize("path", DEFAULTS)
def test_name_has_the_defaults_it_had(path: str) -> None:
    ours = inspect.signature(found(path)).parameters
    for name, default in DEFAULTS[path].items():
        wanted = found(default) if isinstance(default, str) else default
        assert ours[name].default == wanted


@pytest.mark.parametrize(
    ("path", "name"),
    [(path, name) for path, names in OTHERS.items() for name in names.split()],
)
def test_name_is_there(path: str, name: str) -> None:
    assert hasattr(found(path), name)


@pytest.mark.parametrize("path", ATTRIBUTES)
def test_instances_have_their_attributes(path: str) -> None:
    instance = found(path)()
    assert [name for name in ATTRIBUTES[path].split() if not hasattr(instance, name)] == []


@pytest.mark.parametrize(
    "path",
    [
        *("client.WebSocketBaseClient", "client.threadedclient.WebSocketClient"),
        *("client.geventclient.WebSocketClient", "client.tornadoclient.TornadoWebSocketClient"),
    ],
)
def test_clients_have_their_attributes(path: str) -> None:
    client = found(path)("ws://localhost:9000/chat?room=1")
    names = f"{WEBSOCKETS_OWN} {CLIENTS_OWN}".split()
    assert [name for name in names if not hasattr(client, name)] == []
    assert (client.host, client.port, client.scheme) == ("localhost", 9000, "ws")
    assert (client.resource, client.bind_addr) == ("/chat?room=1", ("localhost", 9000))


def test_values_are_those_of_ws4py() -> None:
    framing, package = found("framing"), found("")
    codes = [value for name, value in sorted(vars(framing).items()) if name.startswith("OPCODE")]
    assert sorted(codes) == [0, 1, 2, 8, 9, 10]
    assert package.WS_VERSION == (8, 13)
    assert package.WS_KEY == b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    assert package.__version__ == "0.6.0"
