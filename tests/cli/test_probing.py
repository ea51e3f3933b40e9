"""Probes that look twice, and those that get to an open connection."""

from __future__ import annotations

import ssl
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from gevent import socket

import geventws
from geventws.tls import default_context
from tests.cli.probes import last, probed, valued
from tests.proxying import Proxying
from tests.rawpeer import CLOSE, PING, PONG
from tests.servers import (
    Serve,
    accept,
    acceptance,
    authority,
    certified,
    read_head,
    refusing_port,
    response,
    serving,
    silent,
    trusting,
)
from tests.serving import running

LOCAL = "127.0.0.1"


def at(server: Any, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{server.port}/"


# Second looks


def test_doctor_finds_that_the_port_speaks_tls_where_nothing_is_said() -> None:
    with serving(silent, context=certified(LOCAL)) as server:
        assert last(at(server)).advice == "the port speaks TLS; ask for wss:// instead of ws://"


def test_doctor_finds_which_names_a_certificate_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "authority.pem"
    path.write_bytes(authority().cert_pem.bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    default_context.cache_clear()
    try:
        with serving(silent, context=certified("a.example", "b.example")) as server:
            fact = last(at(server, "wss"))
    finally:
        default_context.cache_clear()
    assert fact.advice == "the certificate is for a.example, b.example, and not for 127.0.0.1"


def test_doctor_says_less_of_a_certificate_that_nobody_else_trusts() -> None:
    with serving(silent, context=certified("a.example")) as server:
        fact = last(at(server, "wss"), ssl=trusting())
    assert fact.advice == "the certificate is for other names"


def test_doctor_finds_that_it_is_the_origin() -> None:
    with running(geventws.serve(geventws.EchoWebSocket, (LOCAL, 0))) as server:
        fact = last(f"ws://127.0.0.1:{server.address[1]}/", origin="https://a.example")
    assert fact.value == "403 Forbidden: origin is not allowed (RFC 6455 10.2)"
    assert fact.advice.startswith("it is the origin https://a.example that the server refuses")


def insisting(*origins: str) -> Any:
    """Return a server that lets in nobody but pages of these *origins*."""

    def talk(sock: Any) -> None:
        head = read_head(sock)
        if any(f"Origin: {origin}\r\n".encode() in head for origin in origins):
            sock.sendall(acceptance(head))
            silent(sock)
        else:
            sock.sendall(response("HTTP/1.1 403 Forbidden", "Content-Length: 0"))

    return talk


@pytest.mark.parametrize("origin", [None, "https://a.example"])
def test_doctor_finds_that_the_server_wants_its_own_origin(origin: str | None) -> None:
    origins: list[str] = []
    with serving(insisting_later(origins)) as server:
        origins.append(f"http://127.0.0.1:{server.port}")
        fact = last(at(server), origin=origin)
    assert fact.advice.endswith(f"of its own origin only: --origin {origins[0]}")


def insisting_later(origins: list[str]) -> Any:
    return lambda sock: insisting(*origins)(sock)


def test_doctor_does_not_know_which_origin_it_is_otherwise() -> None:
    with serving(insisting("https://b.example")) as server:
        assert "most often the origin" in last(at(server), origin="https://a.example").advice


def test_doctor_says_that_it_is_the_proxy_which_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = refusing_port()
    monkeypatch.setenv("ws_proxy", f"http://ann:secret@127.0.0.1:{port}")
    fact = last("ws://192.0.2.1/")
    assert (fact.name, fact.value) == ("TCP", "Connection refused")
    assert fact.advice.startswith(f"that is the proxy 127.0.0.1:{port}: nothing listens there")


# What is agreed on


def test_doctor_says_what_was_agreed_on() -> None:
    arguments: dict[str, Any] = {"subprotocols": ["chat"], "headers": [("Server", "ours/1")]}
    with running(geventws.serve(geventws.EchoWebSocket, (LOCAL, 0), **arguments)) as server:
        found = probed(f"ws://127.0.0.1:{server.address[1]}/x?token=secret", subprotocols=["chat"])
    assert [fact.name for fact in found] == [
        *("address", "name lookup", "TCP", "opening handshake"),
        *("subprotocol", "compression", "ping", "idle timeout"),
    ]
    assert valued(found, "address") == f"ws://127.0.0.1:{server.address[1]}/x?..."
    assert valued(found, "opening handshake") == "101, by ours/1"
    assert valued(found, "subprotocol") == "chat"
    assert valued(found, "compression").startswith("permessage-deflate")
    assert not any(fact.advice for fact in found)
    timed = [fact.name for fact in found if fact.seconds is not None]
    assert timed == ["name lookup", "TCP", "opening handshake", "ping"]


def test_doctor_says_which_tls_was_agreed_on() -> None:
    with serving(accepting(), context=certified(LOCAL)) as server:
        found = probed(at(server, "wss"), ssl=trusting())
    assert valued(found, "TLS handshake").startswith("TLSv1.3, TLS_")
    assert "certificate until " in valued(found, "TLS handshake")


def test_doctor_says_that_nothing_was_verified() -> None:
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    with serving(accepting(), context=certified("other.example")) as server:
        found = probed(at(server, "wss"), ssl=careless)
    assert valued(found, "TLS handshake").endswith("; certificate not verified")


def test_doctor_notes_a_certificate_that_soon_expires() -> None:
    soon = datetime.now(UTC) + timedelta(days=3, hours=1)
    with serving(accepting(), context=certified(LOCAL, not_after=soon)) as server:
        found = probed(at(server, "wss"), ssl=trusting())
    (note,) = [fact for fact in found if fact.name == "certificate"]
    assert (note.value, note.wrong) == ("3 days left", False)


def test_doctor_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(accepting()) as server, serving(Proxying().http) as proxy:
        monkeypatch.setenv("ws_proxy", f"http://127.0.0.1:{proxy.port}")
        found = probed(at(server))
    assert valued(found, "TCP") == f"127.0.0.1:{proxy.port}"
    assert valued(found, "proxy") == f"leads to 127.0.0.1:{server.port}"
    assert valued(found, "ping") == "answered"


def test_doctor_goes_over_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with serving(accepting(), listener):
            found = probed(f"ws+unix://{path}:/x")
    assert valued(found, "address") == f"ws://localhost/x over {path}"
    assert valued(found, "TCP") == path


def test_doctor_calls_it_wrong_where_no_subprotocol_is_chosen() -> None:
    with serving(accepting()) as server:
        found = probed(at(server), subprotocols=["a", "b"])
    (wrong,) = [fact for fact in found if fact.wrong]
    assert wrong.name == "subprotocol"
    assert wrong.advice.startswith("the server chose none of a, b")


def test_doctor_notes_that_compression_was_not_accepted() -> None:
    with serving(accepting()) as server:
        found = probed(at(server))
        without = probed(at(server), compression=None)
    (note,) = [fact for fact in found if fact.advice]
    assert (note.name, note.wrong) == ("compression", False)
    assert "offered and not accepted" in note.advice
    assert not any(fact.advice for fact in without)


def accepting(*lines: str, then: bytes = b"") -> Serve:
    """Return a server that accepts with *lines* more, says *then*, and answers what comes."""

    def talk(sock: Any) -> None:
        peer = accept(sock, *lines, then=then)
        while (frame := peer.next()) is not None:
            peer.send(PONG if frame.opcode == PING else frame.opcode, frame.payload)
            if frame.opcode == CLOSE:
                return

    return talk


def test_doctor_names_middle_boxes() -> None:
    with serving(accepting("Via: 1.1 edge", "X-Cache: MISS")) as server:
        found = probed(at(server))
    assert valued(found, "middle boxes") == "Via: 1.1 edge; X-Cache: MISS"


def test_doctor_notes_a_middle_box_that_compresses() -> None:
    with serving(accepting("Content-Encoding: gzip")) as server:
        found = probed(at(server))
    (note,) = [fact for fact in found if fact.name == "middle boxes"]
    assert "have it leave this path alone" in note.advice


# After the opening


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (1008, "did not want us"),
        (4401, "did not want us"),
        (1011, "failed at once"),
        (1000, "closed at once"),
    ],
)
def test_doctor_explains_an_end_at_once(code: int, advice: str) -> None:
    close = b"\x88\x02" + struct.pack("!H", code)
    with serving(accepting(then=close)) as server:
        fact = last(at(server))
    assert fact.name == "ping"
    assert fact.value == f"connection closed: {code}"
    assert advice in fact.advice


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"\xff\x00", "1002 a reserved bit is set (RFC 6455 5.2)"),
        (b"\x02\x00" + b"\x00\x00" * 5000, "1008 a message of more than 4096 continuations"),
    ],
    ids=["bits", "continuations"],
)
def test_doctor_explains_frames_that_break_a_rule(data: bytes, rule: str) -> None:
    with serving(accepting(then=data)) as server:
        fact = last(at(server))
    assert fact.value == f"connection lost: {rule}"
    assert "breaks that rule" in fact.advice


def test_doctor_explains_a_connection_that_is_cut_at_once() -> None:
    def accept_and_leave(sock: Any) -> None:
        accept(sock)

    with serving(accept_and_leave) as server:
        fact = last(at(server))
    assert "hung up without a close frame" in fact.advice
