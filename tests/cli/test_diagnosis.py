"""Failures of each step of an opening, and the words that a doctor has for each."""

from __future__ import annotations

import errno
import socket as stdlib_socket
import ssl
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent.ssl
import pytest
import trustme
from gevent import socket

from geventws.cli.diagnosis import LOOK_UP, TCP, TLS, Failure, explain_failure
from geventws.cli.findings import Fact
from tests.cli.probes import answered, last
from tests.proxying import Proxying
from tests.servers import (
    Serve,
    acceptance,
    authority,
    certified,
    name_server,
    read_head,
    refusing_port,
    response,
    saying,
    serving,
    silent,
    trusting,
)

LOCAL = "127.0.0.1"


# The address


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("http://example.org/", "write ws:// for http://"),
        ("example.org:9000", "write ws:// for http://"),
        ("ws://example.org/#chat", "leave out what begins with #"),
        ("ws://exa mple.org/", "has the form ws://host:port/path"),
    ],
)
def test_doctor_explains_an_address(url: str, advice: str) -> None:
    fact = last(url)
    assert fact.name == "address"
    assert advice in fact.advice


def test_doctor_explains_an_option() -> None:
    assert "mend that option" in last("ws://127.0.0.1/", headers=[("Upgrade", "x")]).advice


def test_doctor_explains_a_malformed_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ws_proxy", "ftp://user:secret@proxy")
    fact = last("ws://127.0.0.1/")
    assert (fact.name, "secret" in fact.value) == ("address", False)
    assert "mend that variable" in fact.advice


# The name and the way


@pytest.mark.parametrize(
    ("number", "advice"),
    [(socket.EAI_NONAME, "nobody knows that name"), (socket.EAI_AGAIN, "no name server answered")],
)
def test_doctor_explains_a_name(number: int, advice: str) -> None:
    def look_up(_: str) -> list[str]:
        raise socket.gaierror(number, "no")

    with name_server(look_up):
        fact = last("ws://nowhere.example/")
    assert fact.name == "name lookup"
    assert advice in fact.advice


def test_doctor_explains_a_port_that_nobody_listens_on() -> None:
    fact = last(f"ws://127.0.0.1:{refusing_port()}/")
    assert (fact.name, fact.value) == ("TCP", "Connection refused")
    assert "nothing listens there" in fact.advice


def test_doctor_explains_a_unix_socket_that_is_not_there(tmp_path: Path) -> None:
    fact = last(f"ws+unix://{tmp_path}/none.sock")
    assert "there is no such socket" in fact.advice


def test_doctor_explains_a_unix_socket_that_was_left(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/left.sock")
    fact = last(f"ws+unix://{tmp_path}/left.sock")
    assert fact.value == "Connection refused"
    assert "the file was left" in fact.advice


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENETUNREACH, "no route there"),
        (errno.EHOSTUNREACH, "look at routes and firewalls"),
        (errno.EACCES, "may not write to that socket"),
        (errno.EPERM, "a firewall of this machine"),
        (errno.EADDRNOTAVAIL, "its error says why"),
    ],
)
def test_doctor_explains_errors_of_the_network(number: int, advice: str) -> None:
    error = OSError(number, "what a test cannot bring about")
    assert advice in explain_failure(Failure(TCP, error, None, b"", None))


def test_doctor_explains_an_unknown_error_of_a_name() -> None:
    error = stdlib_socket.gaierror(socket.EAI_FAIL, "no")
    assert "nobody knows" in explain_failure(Failure(LOOK_UP, error, None, b"", None))


# The proxy


def through(monkeypatch: pytest.MonkeyPatch, proxy: Any) -> Fact:
    """Return what a probe tells through a *proxy* that does not lead on."""
    with serving(proxy) as server:
        monkeypatch.setenv("ws_proxy", f"http://127.0.0.1:{server.port}")
        fact = last("ws://192.0.2.1/")
    assert fact.name == "proxy"
    return fact


def test_doctor_explains_a_proxy_that_wants_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    fact = through(monkeypatch, Proxying(user=("a", "b")).http)
    assert fact.value == "the proxy answered 407, it wants credentials"
    assert "give user:password@ before the proxy's host" in fact.advice


def test_doctor_explains_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    fact = through(monkeypatch, saying(response("HTTP/1.1 403 Forbidden")))
    assert "the proxy does not lead there" in fact.advice


def test_doctor_explains_a_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not do its work" in through(monkeypatch, saying(b"SSH-2.0\r\n\r\n")).advice


def test_doctor_says_how_to_get_socks() -> None:
    error = ImportError("python_socks is not installed")
    failure = Failure("proxy", error, None, b"", None)
    assert explain_failure(failure) == "pip install geventws[socks]"


# TLS


def refused(context: ssl.SSLContext, ours: ssl.SSLContext | None = None) -> Fact:
    """Return what a probe tells of a server with this *context*, where we have *ours*."""
    with serving(silent, context=context) as server:
        return last(f"wss://127.0.0.1:{server.port}/", ssl=ours or trusting())


def showing(path: Path, *pems: trustme.Blob) -> ssl.SSLContext:
    """Return a server's context that shows what is in *pems*, by way of a file at *path*."""
    path.write_bytes(b"".join(pem.bytes() for pem in pems))
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_doctor_explains_a_certificate_that_has_expired() -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    fact = refused(certified(LOCAL, not_before=past, not_after=past.replace(month=2)))
    assert (fact.name, fact.value) == ("TLS handshake", "certificate has expired")
    assert "renew it" in fact.advice


def test_doctor_explains_a_certificate_that_is_not_valid_yet() -> None:
    future = datetime(2099, 1, 1, tzinfo=UTC)
    fact = refused(certified(LOCAL, not_before=future, not_after=future.replace(month=2)))
    assert "not valid yet" in fact.advice


def test_doctor_explains_a_certificate_of_an_unknown_authority() -> None:
    fact = refused(certified(LOCAL, by="another"))
    assert "does not send the intermediate certificate" in fact.advice


def test_doctor_explains_a_chain_that_ends_with_an_unknown_authority(tmp_path: Path) -> None:
    stranger = authority("another")
    leaf = stranger.issue_cert(LOCAL).private_key_and_cert_chain_pem
    fact = refused(showing(tmp_path / "chain.pem", leaf, stranger.cert_pem))
    assert "nobody trusts here" in fact.advice


def test_doctor_explains_a_self_signed_certificate(tmp_path: Path) -> None:
    own = authority("itself")
    fact = refused(showing(tmp_path / "own.pem", own.private_key_pem, own.cert_pem))
    assert "signed its certificate itself" in fact.advice


def test_doctor_explains_another_fault_of_a_certificate() -> None:
    error = ssl.SSLCertVerificationError("no")
    error.verify_code, error.verify_message = 23, "certificate revoked"
    failure = Failure(TLS, error, None, b"", None)
    assert explain_failure(failure) == "the certificate is no good: certificate revoked"


def test_doctor_explains_a_port_without_tls() -> None:
    with serving(lambda sock: sock.sendall(response("HTTP/1.1 400 Bad Request"))) as server:
        fact = last(f"wss://127.0.0.1:{server.port}/")
    assert "WRONG_VERSION_NUMBER" in fact.value
    assert fact.advice.startswith("the port speaks no TLS; ask for ws://")


def test_doctor_explains_a_name_that_the_server_does_not_know() -> None:
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost").configure_cert(context)
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    with serving(silent, context=context) as server:
        fact = last(f"wss://localhost:{server.port}/", ssl=trusting())
    assert "no certificate for that name" in fact.advice


def test_doctor_explains_versions_of_tls_that_differ() -> None:
    theirs = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.minimum_version = ssl.TLSVersion.TLSv1_3
    authority().issue_cert(LOCAL).configure_cert(theirs)
    ours = ssl.create_default_context()
    ours.maximum_version = ssl.TLSVersion.TLSv1_2
    assert "no version of TLS in common" in refused(theirs, ours).advice


def test_doctor_explains_ciphers_that_differ() -> None:
    theirs = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    theirs.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    authority().issue_cert(LOCAL).configure_cert(theirs)
    ours = ssl.create_default_context()
    ours.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "no cipher is common" in refused(theirs, ours).advice


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_doctor_explains_a_server_that_wants_a_certificate(version: ssl.TLSVersion) -> None:
    theirs = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.maximum_version = version
    theirs.verify_mode = ssl.CERT_REQUIRED
    authority().issue_cert(LOCAL).configure_cert(theirs)
    assert "certificate of ours" in refused(theirs).advice


def hang_up(sock: Any) -> None:
    """Read something and leave."""
    sock.recv(1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def leave(sock: Any) -> None:
    """Read all there is and leave with a FIN."""
    sock.recv(65536)


@pytest.mark.parametrize("talk", [hang_up, leave])
def test_doctor_explains_a_server_that_hangs_up_within_tls(talk: Serve) -> None:
    with serving(talk) as server:
        fact = last(f"wss://127.0.0.1:{server.port}/")
    assert "hung up within the TLS handshake" in fact.advice


def test_doctor_explains_other_errors_of_tls() -> None:
    failure = Failure(TLS, ssl.SSLError("no"), None, b"", None)
    assert explain_failure(failure) == "TLS could not be agreed on"


# The opening handshake


def accepting(*lines: str, **changed: str) -> Serve:
    """Return a server that accepts with *lines* more, and with parts of the answer *changed*."""

    def talk(sock: Any) -> None:
        answer = acceptance(read_head(sock), *lines)
        for old, new in changed.items():
            answer = answer.replace(old.encode(), new.encode())
        sock.sendall(answer)
        silent(sock)

    return talk


@pytest.mark.parametrize(
    ("talk", "advice"),
    [
        (accepting(Upgrade="X-Was"), "took the Upgrade header out of the answer"),
        (accepting(**{"Connection: Upgrade": "Connection: keep-alive"}), "changed the Connection"),
        (accepting(**{"Accept: ": "Accept: x"}), "answers another key than ours"),
        (accepting(**{"HTTP/1.1": "HTTP/1.0"}), "a proxy speaks HTTP/1.0"),
        (accepting("Age: 60", **{"Accept: ": "Accept: x"}), "a cache answered (Age: 60)"),
        (accepting("Sec-WebSocket-Protocol: chat"), "ask for it: --subprotocol chat"),
        (accepting("Sec-WebSocket-Protocol: a;reboot"), "ask for it: --subprotocol 'a;reboot'"),
        (accepting("Sec-WebSocket-Extensions: x-webkit-deflate-frame"), "try --no-compression"),
        (
            accepting("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99"),
            "try --no-compression",
        ),
    ],
    ids=[
        "upgrade",
        "connection",
        "key",
        "1.0",
        "cached",
        "subprotocol",
        "shell",
        "extension",
        "window",
    ],
)
def test_doctor_explains_a_wrong_acceptance(talk: Serve, advice: str) -> None:
    fact = answered(talk)
    assert fact.name == "opening handshake"
    assert advice in fact.advice


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x46", "ask for wss://"),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), "HTTP/2 only"),
        (b"HTTP/2 400\r\n\r\n", "HTTP/2 only"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "an SSH server"),
        (b"220 mail.example ESMTP\r\n\r\n", "a mail or FTP server"),
        (b"-ERR unknown command\r\n\r\n", "Redis, or a mail server"),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "a proxy that changed its answer"),
        (b"* OK ready\r\n\r\n", "speaks no HTTP"),
    ],
    ids=["TLS", "SETTINGS", "HTTP/2", "SSH", "SMTP", "Redis", "header", "other"],
)
def test_doctor_knows_other_protocols_by_their_first_bytes(data: bytes, advice: str) -> None:
    assert advice in answered(saying(data)).advice


def test_doctor_knows_http_2_over_tls() -> None:
    preface = b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)
    with serving(saying(preface), context=certified(LOCAL)) as server:
        fact = last(f"wss://127.0.0.1:{server.port}/", ssl=trusting())
    assert "HTTP/2 only" in fact.advice


@pytest.mark.parametrize("talk", [hang_up, leave], ids=["reset", "end"])
def test_doctor_explains_a_server_that_hangs_up(talk: Serve) -> None:
    assert "hung up without an answer" in answered(talk).advice


def test_doctor_explains_what_breaks_another_rule() -> None:
    fact = answered(accepting("Sec-WebSocket-Extensions: a b"))
    assert fact.advice == "the server's answer breaks a rule of HTTP or of RFC 6455"
