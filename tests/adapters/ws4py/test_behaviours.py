"""What ws4py 0.6.0 did wrong on the wire, each by the behaviour that stands in its place."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import gevent
import pytest

from geventws.adapters.ws4py.exc import StreamClosed
from geventws.adapters.ws4py.server.geventserver import WSGIServer
from geventws.adapters.ws4py.server.wsgiutils import WebSocketWSGIApplication
from geventws.adapters.ws4py.websocket import EchoWebSocket
from geventws.client import connect
from geventws.options import Options
from tests.adapters.ws4py.scene import Echo, ended, run
from tests.rawpeer import BINARY, CLOSE, TEXT, RawPeer, close_frame, frame, head
from tests.serving import LOCAL, running

BIG = bytes(range(256)) * 16384  # 4 MiB


def closed_by(*frames: bytes) -> int:
    """Return the close code that the peer hears after *frames*, having heard nothing else."""
    with run(Echo) as (_, peer, _):
        peer.send(*frames)
        return peer.read_close()[0]


# What a server is sent


@pytest.mark.parametrize("payload", [b"", b"x"], ids=["empty", "with-payload"])
def test_server_fails_1002_on_an_unmasked_frame(payload: bytes) -> None:
    assert closed_by(frame(TEXT, payload, masked=False)) == 1002


def test_server_fails_1002_on_a_length_in_more_bytes_than_it_takes() -> None:
    assert closed_by(b"\x81\xfe\x00\x01mask\x00") == 1002


def test_server_answers_an_empty_close_with_an_empty_one() -> None:
    with run(Echo) as (ws, peer, _):
        peer.send(frame(CLOSE))
        assert peer.read_frame() == (CLOSE, b"")
        assert ended(ws) == (1005, "")


@pytest.mark.parametrize("payload", [b"\x03", struct.pack("!H", 999), struct.pack("!H", 1005)])
def test_server_fails_1002_on_a_close_that_may_not_be_sent(payload: bytes) -> None:
    assert closed_by(frame(CLOSE, payload)) == 1002


@pytest.mark.parametrize("code", [1012, 1013, 1014])
def test_server_echoes_the_registered_close_codes(code: int) -> None:
    assert closed_by(close_frame(code)) == code


def test_server_fails_1007_on_a_text_that_ends_within_a_character() -> None:
    assert closed_by(frame(TEXT, b"\xe2\x82", fin=False), frame(0)) == 1007


def test_server_fails_1009_on_a_length_beyond_reason() -> None:
    assert closed_by(b"\x82\xff" + struct.pack("!Q", 2**62) + b"mask") == 1009


def test_server_fails_1009_on_a_message_over_its_limit() -> None:
    class Small(Echo):
        options: ClassVar[Options] = Options(max_size=1000)

    with run(Small) as (_, peer, _):
        peer.send(frame(BINARY, bytes(1000)))
        assert peer.read_frame()[0] == BINARY
        peer.send(frame(BINARY, bytes(600), fin=False), frame(0, bytes(600)))
        assert peer.read_close()[0] == 1009


@pytest.mark.parametrize("opcode", [3, 7, 0xB, 0xF])
def test_server_fails_1002_on_a_reserved_opcode(opcode: int) -> None:
    assert closed_by(frame(opcode)) == 1002


# What a server sends


@pytest.mark.parametrize(
    "send",
    [
        lambda ws: ws.ping("x" * 126),
        lambda ws: ws.close(1000, "x" * 124),
        lambda ws: ws.close(1005),
        lambda ws: ws.send(b"\xff"),
    ],
    ids=["long-ping", "long-reason", "reserved-code", "no-text"],
)
def test_server_sends_nothing_that_it_would_be_failed_for(send: Callable[[Any], None]) -> None:
    with run(Echo) as (ws, peer, _):
        with pytest.raises(ValueError, match=r".+"):
            send(ws)
        peer.end()


def test_server_sends_nothing_after_its_close_frame() -> None:
    with run(Echo) as (ws, peer, _):
        ws.close()
        with pytest.raises(StreamClosed):
            ws.send("late")
        peer.send(frame(TEXT, b"crossing"), close_frame(1000))
        assert peer.read_close()[0] == 1000
        assert peer.read_to_end() == b""


# What a server agrees on


@contextmanager
def visiting(**arguments: Any) -> Iterator[RawPeer]:
    """Give a client of gevent's server."""
    arguments.setdefault("handler_cls", EchoWebSocket)
    server = WSGIServer(LOCAL, WebSocketWSGIApplication(**arguments), log=None)
    with running(server), RawPeer.to(server.address) as peer:
        yield peer


def test_server_takes_version_13_only() -> None:
    with visiting() as peer:
        peer.send(head(sec_websocket_version="8"))
        reply = peer.read_response()
        assert (reply.status, reply.headers["sec-websocket-version"]) == (426, "13")


def test_server_chooses_one_subprotocol() -> None:
    with visiting(protocols=["chat", "superchat"]) as peer:
        reply = peer.upgrade(sec_websocket_protocol="superchat, chat")
        assert reply.headers["sec-websocket-protocol"] == "chat"
        peer.end()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec_websocket_key": None}, 400),
        ({"sec_websocket_key": "!"}, 400),
        ({"sec_websocket_version": "x"}, 426),
        ({"connection": "close"}, 426),
        ({"upgrade": "h2c"}, 426),
    ],
)
def test_server_answers_a_malformed_handshake_as_rfc_6455_says(headers: Any, status: int) -> None:
    with visiting() as peer:
        peer.send(head(**headers))
        assert peer.read_response().status == status


def test_101_has_nothing_in_it_about_a_body() -> None:
    with visiting() as peer:
        reply = peer.upgrade()
        assert {
            "content-length",
            "content-type",
            "transfer-encoding",
        } & reply.headers.keys() == set()
        peer.end()


# Many greenlets at once


@pytest.mark.usefixtures("leaks_nothing")
def test_large_messages_of_several_greenlets_stay_whole() -> None:
    class Frequent(EchoWebSocket):
        def __init__(self, sock: Any, protocols: Any, extensions: Any, environ: Any) -> None:
            super().__init__(sock, protocols, extensions, environ, heartbeat_freq=0.01)

        def opened(self) -> None:
            payloads = [bytes([number]) * len(BIG) for number in range(3)]
            gevent.joinall([gevent.spawn(self.send, each, True) for each in payloads])

    application = WebSocketWSGIApplication(extensions=[], handler_cls=Frequent)
    server = WSGIServer(LOCAL, application, log=None)
    with running(server), connect(f"ws://127.0.0.1:{server.server_port}/", max_size=None) as ws:
        messages = [ws.receive(10) for _ in range(3)]
    assert sorted(message[:1] for message in messages) == [b"\0", b"\1", b"\2"]
    assert all(len(set(message)) == 1 and len(message) == len(BIG) for message in messages)


@pytest.mark.usefixtures("leaks_nothing")
def test_fragmented_messages_of_two_greenlets_do_not_interleave() -> None:
    class Talking(EchoWebSocket):
        def opened(self) -> None:
            gevent.joinall([gevent.spawn(self.send, self.fragments(each)) for each in "ab"])

        def fragments(self, letter: str) -> Iterator[str]:
            for _ in range(20):
                gevent.sleep(0.001)
                yield letter

    with visiting(handler_cls=Talking, extensions=[]) as peer:
        peer.upgrade()
        frames = [peer.read(2) + peer.read(1) for _ in range(40)]
        texts = b"".join(each[2:] for each in frames)
        assert sorted([texts[:20], texts[20:]]) == [b"a" * 20, b"b" * 20]
        assert [each[0] for each in frames] == [1, *[0] * 18, 0x80] * 2
        peer.end()
