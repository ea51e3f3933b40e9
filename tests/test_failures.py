"""What failed, in words that do not vary with the peer."""

from __future__ import annotations

import os
import ssl
from errno import ECONNREFUSED, ECONNRESET
from socket import gaierror
from typing import Any

import pytest

from geventws.client import connect
from geventws.core.errors import ConnectionClosed, InvalidHandshake, ProtocolError, Rejected
from geventws.failures import failure_text
from tests.rawpeer import PATIENCE
from tests.servers import accept, certified, serving, silent, trusting


def caused(error: Exception, cause: Exception) -> Exception:
    """Return *error* as it is raised from *cause*."""
    error.__cause__ = cause
    return error


def lost(reason: str = "") -> ConnectionClosed:
    return ConnectionClosed(1006, reason, False)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionClosed(1011, "for a reason", True), "closed with 1011"),
        (caused(lost(), ProtocolError("a rule")), "protocol error: a rule"),
        (lost(), "connection lost: no close frame"),
        (lost("the connection is lost"), "connection lost: no close frame"),
        (lost("no pong in time"), "connection lost: no pong in time"),
        (caused(lost(), OSError(ECONNRESET, "x")), "connection lost: ECONNRESET"),
        (caused(lost(), TimeoutError("took no bytes")), "connection lost: took no bytes"),
        (
            caused(lost(), caused(ConnectionAbortedError("x"), OSError(ECONNRESET, "y"))),
            "connection lost: ECONNRESET",
        ),
        (Rejected(503, (), b"too many"), "refused with 503"),
        (InvalidHandshake("no key"), "invalid handshake: no key"),
        (gaierror(-2, "unknown"), "the name lookup failed"),
        (OSError(ECONNREFUSED, "127.0.0.1:80"), "cannot connect: ECONNREFUSED"),
        (OSError(99999, "unheard of"), "cannot connect: OSError"),
        (TimeoutError("the phase took too long"), "the phase took too long"),
    ],
)
def test_text_tells_what_failed(error: Exception, said: str) -> None:
    assert failure_text(error) == said


def test_text_tells_what_openssl_says() -> None:
    with (
        serving(silent, context=certified("other.example")) as server,
        pytest.raises(ssl.SSLError) as caught,
    ):
        connect(f"wss://localhost:{server.port}/", ssl=trusting())
    assert failure_text(caught.value) == "TLS failed: CERTIFICATE_VERIFY_FAILED"


def test_text_names_the_class_where_openssl_says_nothing() -> None:
    with pytest.raises(ssl.SSLError) as caught:
        ssl.create_default_context().load_verify_locations(cadata="not a certificate")
    assert failure_text(caught.value) == "TLS failed: SSLError"


def test_connection_that_tls_ends_is_lost_for_its_reason() -> None:
    def garble(sock: Any) -> None:
        accept(sock)
        os.write(sock.fileno(), b"\x17\x03\x03\x00\x20" + b"z" * 32)  # no record of this session
        silent(sock)

    with (
        serving(garble, context=certified("localhost")) as server,
        connect(f"wss://localhost:{server.port}/", ssl=trusting()) as ws,
        pytest.raises(ConnectionClosed) as caught,
    ):
        ws.receive(timeout=PATIENCE)
    assert failure_text(caught.value).startswith("connection lost: DECRYPTION_FAILED")
