"""connect() over TLS: whom it trusts, whom it asks for, and what it makes of streams cut short."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent.ssl
import pytest
from gevent import socket
from gevent.event import AsyncResult

import geventws
from geventws.core.errors import ConnectionClosed
from geventws.tls import default_context
from tests.servers import (
    accept,
    authority,
    certified,
    echo,
    refusing_port,
    serving,
    silent,
    trusting,
)

leaks_nothing = pytest.mark.usefixtures("leaks_nothing")
NAMES = ("localhost", "127.0.0.1", "::1")
PAST = datetime(2001, 1, 1, tzinfo=UTC)


@leaks_nothing
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_client_talks_over_tls(host: str) -> None:
    bound = "::1" if host == "[::1]" else "127.0.0.1"
    with serving(echo, (bound, 0), certified(*NAMES)) as server:
        with geventws.connect(f"wss://{host}:{server.port}/", ssl=trusting()) as ws:
            ws.send("hello")
            ws.send(b"x" * 1_000_000)
            assert ws.receive(timeout=5) == "hello"
            assert ws.receive(timeout=5) == b"x" * 1_000_000
        assert ws.close_code == 1000


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_talks_over_a_unix_socket_with_tls(tmp_path: Path, version: Any) -> None:
    path = str(tmp_path / "socket")
    context = ssl.create_default_context()
    context.maximum_version = version
    authority().configure_trust(context)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with (
            serving(echo, listener, certified(*NAMES)),
            geventws.connect(f"wss+unix://{path}", ssl=context) as ws,
        ):
            ws.send("hello")
            assert ws.receive(timeout=5) == "hello"


def test_client_takes_a_context_of_gevent_too() -> None:
    context = gevent.ssl.create_default_context()
    authority().configure_trust(context)
    with serving(echo, context=certified(*NAMES)) as server:
        geventws.connect(f"wss://localhost:{server.port}/", ssl=context).close()


def test_client_verifies_with_what_the_system_trusts(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        authority().cert_pem.tempfile() as trusted,
        serving(echo, context=certified(*NAMES)) as server,
    ):
        uri = f"wss://localhost:{server.port}/"
        default_context.cache_clear()
        with pytest.raises(ssl.SSLCertVerificationError):
            geventws.connect(uri)
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
        default_context.cache_clear()
        geventws.connect(uri).close()
    default_context.cache_clear()


@leaks_nothing
@pytest.mark.parametrize(
    ("names", "arguments", "why"),
    [
        (["other.example"], {}, "Hostname mismatch"),
        (["*.localhost"], {}, "Hostname mismatch"),
        (NAMES, {"not_before": PAST, "not_after": PAST.replace(year=2002)}, "expired"),
        (NAMES, {"by": "somebody else"}, "unable to get local issuer"),
    ],
    ids=["other-name", "wildcard", "expired", "unknown-authority"],
)
def test_client_refuses_a_certificate_that_does_not_fit(
    names: list[str], arguments: Any, why: str
) -> None:
    with (
        serving(echo, context=certified(*names, **arguments)) as server,
        pytest.raises(ssl.SSLCertVerificationError, match=why),
    ):
        geventws.connect(f"wss://localhost:{server.port}/", ssl=trusting())


@leaks_nothing
def test_client_refuses_the_certificate_of_another_address() -> None:
    with (
        serving(echo, context=certified("localhost")) as server,
        pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"),
    ):
        geventws.connect(f"wss://127.0.0.1:{server.port}/", ssl=trusting())


def test_client_verifies_nothing_where_the_context_says_so() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with serving(echo, context=certified("other.example", by="somebody else")) as server:
        geventws.connect(f"wss://127.0.0.1:{server.port}/", ssl=context).close()


def test_client_shows_the_certificate_of_its_context() -> None:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    authority().issue_cert("client@example.org").configure_cert(context)
    demanding = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(*NAMES).configure_cert(demanding)
    authority().configure_trust(demanding)
    demanding.verify_mode = ssl.CERT_REQUIRED
    shown: Any = AsyncResult()

    def check(sock: Any) -> None:
        shown.set(sock.getpeercert()["subjectAltName"])
        echo(sock)

    with serving(check, context=demanding) as server:
        geventws.connect(f"wss://localhost:{server.port}/", ssl=context).close()
    assert shown.get(timeout=5) == (("email", "client@example.org"),)


@pytest.mark.parametrize(("host", "name"), [("LOCALHOST", "localhost"), ("127.0.0.1", None)])
def test_client_tells_the_server_whom_it_asks_for(host: str, name: str | None) -> None:
    asked: Any = AsyncResult()
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(*NAMES).configure_cert(context)
    context.sni_callback = lambda sock, server_name, context: asked.set(server_name)
    with serving(echo, context=context) as server:
        geventws.connect(f"wss://{host}:{server.port}/", ssl=trusting()).close()
    assert asked.get(timeout=5) == name


@pytest.mark.parametrize("uri", ["ws://localhost:{}/", "ws+unix:///a"])
def test_client_takes_no_context_where_there_is_no_tls(uri: str) -> None:
    with pytest.raises(ValueError, match=r"^ssl: only wss has TLS"):
        geventws.connect(uri.format(refusing_port()), ssl=trusting())


@leaks_nothing
def test_client_raises_where_the_server_speaks_no_tls() -> None:
    def greet(sock: Any) -> None:
        sock.recv(1)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(greet) as server, pytest.raises(ssl.SSLError):
        geventws.connect(f"wss://localhost:{server.port}/")


@leaks_nothing
def test_client_raises_where_the_server_leaves_during_the_handshake() -> None:
    with serving(lambda sock: None) as server, pytest.raises((ssl.SSLError, ConnectionResetError)):
        geventws.connect(f"wss://localhost:{server.port}/")


@leaks_nothing
def test_client_raises_where_the_server_would_have_had_tls() -> None:
    refusals = (geventws.InvalidHandshake, ConnectionResetError)
    with serving(silent, context=certified(*NAMES)) as server, pytest.raises(refusals):
        geventws.connect(f"ws://localhost:{server.port}/")


def test_client_gets_hundreds_of_messages_out_of_one_record() -> None:
    def flood(sock: Any) -> None:
        accept(sock, then=b"\x82\x01x" * 300).answer_close()

    with (
        serving(flood, context=certified(*NAMES)) as server,
        geventws.connect(f"wss://localhost:{server.port}/", ssl=trusting()) as ws,
    ):
        assert [ws.receive(timeout=5) for _ in range(300)] == [b"x"] * 300


@leaks_nothing
@pytest.mark.parametrize("politely", [True, False])
def test_client_reports_a_stream_that_ends_without_a_close_frame(politely: bool) -> None:
    def leave(sock: Any) -> None:
        accept(sock, then=b"\x81\x02hi")
        if politely:
            sock.unwrap()
        sock.shutdown(socket.SHUT_RDWR)

    with serving(leave, context=certified(*NAMES)) as server:
        ws = geventws.connect(f"wss://localhost:{server.port}/", ssl=trusting())
        assert ws.receive(timeout=5) == "hi"
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive(timeout=5)
        assert (caught.value.code, caught.value.clean) == (1006, False)
        ws.close()


def test_client_asks_for_the_name_that_it_is_told() -> None:
    asked: Any = AsyncResult()
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("inner.example").configure_cert(context)
    context.sni_callback = lambda sock, server_name, context: asked.set(server_name)
    with serving(echo, context=context) as server:
        url = f"wss://127.0.0.1:{server.port}/"
        geventws.connect(url, ssl=trusting(), server_hostname="inner.example").close()
        assert asked.get(timeout=5) == "inner.example"
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            geventws.connect(url, ssl=trusting(), server_hostname="other.example")


def test_client_trusts_nobody_but_its_authority() -> None:
    pinned = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    pinned.load_verify_locations(cadata=authority().cert_pem.bytes().decode())
    with serving(echo, context=certified(*NAMES)) as server:
        geventws.connect(f"wss://localhost:{server.port}/", ssl=pinned).close()
    with (
        serving(echo, context=certified(*NAMES, by="somebody else")) as server,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        geventws.connect(f"wss://localhost:{server.port}/", ssl=pinned)
