"""TLS sockets of gevent over the contexts that people have."""

from __future__ import annotations

import ssl
import subprocess
import sys
from typing import Any

import gevent
import gevent.ssl
import pytest
from gevent import socket

from geventws.tls import check_context, check_server_hostname, default_context, wrap
from tests.servers import authority, trusting

MAKERS = [ssl.SSLContext, gevent.ssl.SSLContext]


def test_default_context_verifies_certificate_and_name() -> None:
    context = default_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert default_context() is context


@pytest.mark.usefixtures("leaks_nothing")
@pytest.mark.parametrize("make", MAKERS, ids=["stdlib", "gevent"])
def test_wrap_lets_others_run_during_the_handshake(make: type[ssl.SSLContext]) -> None:
    context = make(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost").configure_cert(context)
    near, far = socket.socketpair()
    server = wrap(near, context)
    client = wrap(far, trusting(), server_hostname="localhost")
    shaking = gevent.spawn(server.do_handshake)
    client.do_handshake()
    shaking.get(timeout=5)
    client.sendall(b"hello")
    assert server.recv(100) == b"hello"
    client.close()
    server.close()


@pytest.mark.parametrize("make", MAKERS, ids=["stdlib", "gevent"])
def test_context_may_be_of_the_standard_library_or_of_gevent(make: type[ssl.SSLContext]) -> None:
    check_context(make(ssl.PROTOCOL_TLS_CLIENT))
    check_context(None)


@pytest.mark.parametrize("context", [True, "context", {}, ssl])
def test_other_things_are_no_context(context: Any) -> None:
    with pytest.raises(TypeError, match=f"^ssl: an .* or None, not {type(context).__name__}$"):
        check_context(context)


BEFORE_PATCHING = """
import ssl
context = ssl.create_default_context()
from gevent import monkey; monkey.patch_all()
from geventws.tls import check_context
check_context(context)
check_context(ssl.create_default_context())
"""


def test_context_may_be_older_than_the_patches() -> None:
    command = [sys.executable, "-W", "ignore", "-c", BEFORE_PATCHING]  # gevent warns of the order
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_server_hostname_is_a_host() -> None:
    check_server_hostname(None, False)
    for name in ("example.org", "b\xfccher.example", "::1", "a_b.example."):
        check_server_hostname(name, True)
    wrong: Any = b"example.org"
    with pytest.raises(TypeError, match=r"^server_hostname: a str or None, not bytes$"):
        check_server_hostname(wrong, True)
    for name in ("", ".example.org", "a\0b", "a" * 64, "\ud800"):
        with pytest.raises(ValueError, match=r"^server_hostname: not a host$"):
            check_server_hostname(name, True)
    with pytest.raises(ValueError, match=r"^server_hostname: only wss has TLS"):
        check_server_hostname("example.org", False)
