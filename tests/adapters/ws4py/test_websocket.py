from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Event
from typing import Any, ClassVar

import pytest

from geventws.adapters.ws4py.exc import StreamClosed
from geventws.adapters.ws4py.framing import OPCODE_CONTINUATION
from geventws.adapters.ws4py.messaging import (
    BinaryMessage,
    CloseControlMessage,
    Message,
    PingControlMessage,
    PongControlMessage,
    TextMessage,
)
from geventws.adapters.ws4py.websocket import EchoWebSocket, WebSocket
from geventws.options import Options
from tests.adapters.ws4py.scene import Echo, Recorder, Records, ended, met, run
from tests.rawpeer import BINARY, CLOSE, PING, PONG, TEXT, close_frame, frame
from tests.threads import PATIENCE, joined_threads


class Hasty(Recorder):
    options: ClassVar[Options] = Options(ping_interval=None, close_timeout=0.05)


class Failing(Recorder):
    def received_message(self, message: Any) -> None:
        raise LookupError("so it goes")


# Receiving


def test_callbacks_are_called_in_the_order_of_what_happens() -> None:
    with run() as (ws, peer, _):
        peer.send(frame(TEXT, "été".encode()), frame(PONG, b"beep"), frame(BINARY, b"\xff"))
        peer.send(close_frame(4000, "bye"))
        assert peer.read_close() == (4000, "")
        assert ended(ws) == (4000, "bye")
        opened, text, pong, binary, _closed = ws.calls
    assert (opened, pong) == ("opened", b"beep")
    assert (type(text), str(text), text.completed) == (TextMessage, "été", True)
    assert (type(binary), binary.data) == (BinaryMessage, b"\xff")


def test_message_keeps_its_data_after_the_callback() -> None:
    with run(Echo) as (ws, peer, _):
        peer.send(frame(TEXT, b"kept"))
        assert peer.read_frame() == (TEXT, b"kept")
        peer.end()
        ended(ws)
    assert ws.calls[1].data == b"kept"


def test_ping_is_answered_before_the_application_hears_anything() -> None:
    with run() as (ws, peer, _):
        peer.send(frame(PING, b"one"), frame(TEXT, b"two"))
        assert peer.read_frame() == (PONG, b"one")
        peer.end()
        assert [str(each) for each in ws.calls[1:2]] == ["two"]


def test_peer_that_goes_without_a_word_is_told_as_1006() -> None:
    with run() as (ws, peer, _):
        peer.close()
        assert ended(ws) == (1006, "Going away")
    assert ws.terminated


def test_peer_that_breaks_a_rule_hears_why_and_the_application_1006() -> None:
    with run() as (ws, peer, _):
        peer.send(frame(3))
        assert peer.read_close()[0] == 1002
        assert ended(ws) == (1006, "Going away")


def test_callback_that_fails_ends_the_connection_and_passes() -> None:
    with joined_threads() as threads, met(Failing) as (ws, peer):
        running = threads.start(ws.run)
        peer.send(frame(TEXT, b"x"))
        assert peer.read_close()[0] == 1011
        peer.close()
        with pytest.raises(LookupError):
            running.result(PATIENCE)
        assert ended(ws) == (1006, "Going away")


def test_error_of_the_socket_is_told() -> None:
    class Broken:
        def recv(self, size: int) -> bytes:
            raise ConnectionResetError("gone")

        def sendall(self, data: bytes) -> None:
            raise AssertionError("nothing is sent")

    ws = Recorder(Broken())
    ws.run()
    assert isinstance(ws.calls[1], ConnectionResetError)
    assert ws.calls[2] == (1006, "Going away")


def test_unhandled_error_is_logged_unless_overridden(caplog: Any) -> None:
    WebSocket(None).unhandled_error(OSError("gone"))
    assert "receiving failed" in caplog.text


# Sending


def test_str_and_bytes_are_texts_unless_said_otherwise() -> None:
    with met() as (ws, peer):
        for payload in ("été", "été".encode(), bytearray("été".encode())):
            ws.send(payload)
            assert peer.read_frame() == (TEXT, "été".encode())
            ws.send(payload, binary=True)
            assert peer.read_frame() == (BINARY, "été".encode())


def test_message_objects_are_sent_as_what_they_are() -> None:
    with met() as (ws, peer):
        ws.send(TextMessage("text"), binary=True)
        assert peer.read_frame() == (TEXT, b"text")
        ws.send(BinaryMessage(b"binary"))
        assert peer.read_frame() == (BINARY, b"binary")
        ws.send(PingControlMessage("ping"))
        assert peer.read_frame() == (PING, b"ping")
        ws.send(PongControlMessage("beep"))
        assert peer.read_frame() == (PONG, b"beep")
        ws.ping("again")
        assert peer.read_frame() == (PING, b"again")
        ws.send(CloseControlMessage(4001, "done"))
        assert peer.read_close() == (4001, "done")


def fragments(peer: Any) -> list[tuple[int, bytes]]:
    """Return the first byte and the payload of each frame of one message."""
    read: list[tuple[int, bytes]] = []
    while not read or read[-1][0] < 0x80:
        first, size = peer.read(2)
        read.append((first, peer.read(size)))
    return read


@pytest.mark.parametrize("make", [iter, list], ids=["generator", "list"])
def test_iterable_is_sent_in_fragments(make: Any) -> None:
    def chunks() -> Iterator[str]:
        yield from ("a", "bc", "d")

    with met() as (ws, peer):
        ws.send(make(chunks()))
        assert fragments(peer) == [(0x01, b"a"), (0x00, b"bc"), (0x80, b"d")]
        ws.send(make(chunks()), binary=True)
        assert fragments(peer) == [(0x02, b"a"), (0x00, b"bc"), (0x80, b"d")]


def test_fragments_of_bytes_may_cut_a_character() -> None:
    with met() as (ws, peer):
        ws.send(iter([b"\xe2\x82", b"\xac!", "."]))
        assert b"".join(payload for _, payload in fragments(peer)) == "€!.".encode()


@pytest.mark.parametrize("payload", [5, None, object()])
def test_send_refuses_what_is_no_message(payload: Any) -> None:
    with met() as (ws, _), pytest.raises(ValueError, match="payload"):
        ws.send(payload)


def test_send_refuses_bytes_that_are_no_text() -> None:
    with met() as (ws, peer):
        with pytest.raises(UnicodeDecodeError):
            ws.send(b"\xff")
        with pytest.raises(ValueError, match="125 bytes"):
            ws.ping("x" * 126)
        ws.send("still open")
        assert peer.read_frame() == (TEXT, b"still open")


def test_text_that_ends_within_a_character_fails_the_connection() -> None:
    with met() as (ws, peer):
        with pytest.raises(UnicodeDecodeError):
            ws.send(iter([b"a", b"\xe2\x82"]))
        with pytest.raises(StreamClosed):
            ws.send("more")
        assert peer.read_to_end().endswith(b"the message could not be finished")


# Closing


def test_close_returns_at_once_and_the_peers_answer_ends_it() -> None:
    with run() as (ws, peer, _):
        ws.close(4000, "enough")
        assert ws.server_terminated
        assert peer.read_close() == (4000, "enough")
        peer.send(close_frame(4000, "yes"))
        assert ended(ws) == (4000, "yes")
        assert peer.read_to_end() == b""
    assert (ws.sock, ws.stream, ws.environ) == (None, None, None)


def test_close_needs_no_reason() -> None:
    with met() as (ws, peer):
        ws.close(1000, None)
        assert peer.read_close() == (1000, "")


def test_continuation_is_no_message() -> None:
    with met() as (ws, _), pytest.raises(ValueError, match="a continuation is no message"):
        ws.send(Message(OPCODE_CONTINUATION, b"x"))


def test_close_is_sent_once() -> None:
    with run() as (ws, peer, _):
        for _ in range(3):
            ws.close(4000)
        peer.send(close_frame(4000))
        assert peer.read_close() == (4000, "")
        assert peer.read_to_end() == b""
        ended(ws)
    ws.close()


def test_peer_that_never_answers_a_close_is_dropped() -> None:
    with run(Hasty) as (ws, peer, _):
        ws.close()
        assert ended(ws) == (1006, "Going away")
        assert peer.read_close() == (1000, "")


@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (1006, ""), (1000, "x" * 124)])
def test_close_refuses_what_may_not_be_sent(code: int, reason: str) -> None:
    with run() as (ws, peer, _):
        with pytest.raises(ValueError, match=r"code|reason"):
            ws.close(code, reason)
        assert not ws.server_terminated
        peer.end()


def test_nothing_is_sent_after_a_close() -> None:
    with run() as (ws, peer, _):
        ws.close()
        for send in (ws.send, ws.ping):
            with pytest.raises(StreamClosed):
                send("late")
        with pytest.raises(StreamClosed):
            ws.send(PongControlMessage("beep"))
        peer.send(close_frame(1000))
        assert peer.read_close() == (1000, "")
        assert peer.read_to_end() == b""


def test_websocket_that_is_over_says_so() -> None:
    with run() as (ws, peer, _):
        peer.end()
        ended(ws)
    assert ws.terminated
    for error in (StreamClosed, RuntimeError):
        with pytest.raises(error, match="terminated"):
            ws.send("late")
    assert not ws.once()
    assert not ws.process(b"late")
    calls = list(ws.calls)
    ws.terminate()
    assert ws.calls == calls


def test_close_connection_ends_it_without_a_word() -> None:
    with run() as (ws, peer, _):
        ws.close_connection()
        assert ended(ws) == (1006, "Going away")
        assert peer.read_to_end() == b""


# Hooks


def test_bytes_can_be_processed_by_hand() -> None:
    with met(Echo) as (ws, peer):
        data = frame(TEXT, b"one") + frame(TEXT, b"two")
        assert ws.process(data[:5])
        assert ws.calls == []
        assert ws.process(data[5:])
        assert [str(each) for each in ws.calls] == ["one", "two"]
        assert [peer.read_frame() for _ in "12"] == [(TEXT, b"one"), (TEXT, b"two")]
        assert not ws.process(close_frame(1000))
        assert not ws.terminated
        peer.close()
        ws.terminate()
        assert ws.calls[-1] == (1000, "")


def test_overridden_hooks_are_called() -> None:
    calls: list[Any] = []

    class Hooked(Echo):
        def once(self) -> bool:
            calls.append("once")
            return super().once()

        def process(self, data: bytes) -> bool:
            calls.append(data)
            return super().process(data)

        def terminate(self) -> None:
            calls.append("terminate")
            super().terminate()

        def close_connection(self) -> None:
            calls.append("close_connection")
            super().close_connection()

    with run(Hooked) as (ws, peer, _):
        data = frame(TEXT, b"x")
        peer.send(data)
        assert peer.read_frame() == (TEXT, b"x")
        last = close_frame(1000)
        peer.send(last)
        peer.read_to_end()
        peer.close()
        ended(ws)
    assert calls[:-1] == ["once", data, "once", last, "terminate", "close_connection"]


def test_once_returns_false_at_the_end() -> None:
    with met() as (ws, peer):
        peer.send(frame(TEXT, b"x"))
        assert ws.once()
        assert str(ws.calls[0]) == "x"
        peer.close()
        assert not ws.once()


def test_stream_says_that_this_is_a_client() -> None:
    with met(Echo) as (ws, peer):
        ws.stream.always_mask = True
        ws.stream.expect_masking = False
        ws.send("masked")
        assert peer.read(2) == b"\x81\x86"
        peer.read(4 + 6)
        assert ws.process(frame(TEXT, b"plain", masked=False))
        assert str(ws.calls[0]) == "plain"


# Any object


class Source:
    """Messages to receive, one by one, and what was sent."""

    def __init__(self, *frames: bytes) -> None:
        self.frames = [*frames, b""]
        self.sent = b""

    def recv(self, size: int) -> bytes:
        return self.frames.pop(0)

    def sendall(self, data: bytes) -> None:
        self.sent += data


def test_any_object_with_recv_and_sendall_is_a_socket() -> None:
    source = Source(frame(TEXT, b"hello there"), frame(BINARY, b"a bit more"))
    ws = Echo(source)
    ws.run()
    assert source.sent == b"\x81\x0bhello there\x82\x0aa bit more"
    assert ws.calls[-1] == (1006, "Going away")
    assert (ws.local_address, ws.peer_address) == (None, None)


def test_object_without_recv_is_refused() -> None:
    with pytest.raises(TypeError, match="sock"):
        WebSocket(object()).send("x")


# What is known


def test_addresses_are_pairs_or_paths() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        near = socket.create_connection(listener.getsockname()[:2])
        far, _ = listener.accept()
        with near, far:
            ws = WebSocket(near)
            assert ws.local_address == far.getpeername()[:2]
            assert ws.peer_address == far.getsockname()[:2]
            assert ws.connection is near
            ws.close_connection()
    assert ws.connection is None


def test_what_was_agreed_on_is_kept_for_the_application() -> None:
    with met(protocols=["chat"], extensions=[], environ={"a": 1}, heartbeat_freq=5.0) as (ws, _):
        assert (ws.protocols, ws.extensions, ws.environ) == (["chat"], [], {"a": 1})
        assert (ws.heartbeat_freq, ws.client_terminated, ws.terminated) == (5.0, False, False)


# Heartbeats


def test_heartbeat_pings_and_gives_up_a_peer_that_says_nothing() -> None:
    class Watched(Recorder):
        options: ClassVar[Options] = Options(ping_timeout=0.05, close_timeout=0.05)

    with run(Watched, heartbeat_freq=0.02) as (ws, peer, _):
        opcode, payload = peer.read_frame()
        peer.send(frame(PONG, payload))
        assert opcode == PING
        assert ended(ws) == (1006, "Going away")
        assert payload in ws.calls


def test_no_heartbeat_is_the_default() -> None:
    with run(Hasty, heartbeat_freq=0) as (ws, peer, _):
        ws.send("first")
        ws.close()
        assert ended(ws) == (1006, "Going away")
        assert [peer.read_frame()[0] for _ in "12"] == [TEXT, CLOSE]


# Many at once


def test_messages_of_many_threads_stay_whole() -> None:
    texts = {letter * 200_000 for letter in "abcdef"}
    with run() as (ws, peer, threads):
        sending = [threads.start(ws.send, text) for text in texts]
        assert {peer.read_frame()[1].decode() for _ in texts} == texts
        for sent in sending:
            sent.result(PATIENCE)
        peer.end()


def test_other_messages_wait_for_a_fragmented_one() -> None:
    begun, going_on = Event(), Event()

    def chunks() -> Iterator[str]:
        yield "a"
        yield "b"
        begun.set()
        assert going_on.wait(PATIENCE)
        yield "c"

    with run() as (ws, peer, threads):
        first = threads.start(ws.send, chunks())
        assert begun.wait(PATIENCE)
        second = threads.start(ws.send, "other")
        ws.ping("between")
        going_on.set()
        frames = [peer.read(2) + peer.read(1) for _ in "a"]
        frames.append(peer.read(2) + peer.read(7))
        frames += [peer.read(2) + peer.read(size) for size in (1, 1, 5)]
        assert frames == [
            b"\x01\x01a",
            b"\x89\x07between",
            b"\0\x01b",
            b"\x80\x01c",
            b"\x81\x05other",
        ]
        first.result(PATIENCE)
        second.result(PATIENCE)
        peer.end()


def test_echo_sends_text_and_bytes_back() -> None:
    class Both(Records, EchoWebSocket):
        def received_message(self, message: Any) -> None:
            EchoWebSocket.received_message(self, message)

    with run(Both) as (_, peer, _):
        peer.send(frame(TEXT, b"text"), frame(BINARY, b"bytes"))
        assert [peer.read_frame() for _ in "12"] == [(TEXT, b"text"), (BINARY, b"bytes")]
        peer.end()
