"""What the failure of an opening means, step by step, in words: the cause and the cure."""

from __future__ import annotations

import errno
import re
import shlex
import socket
import ssl
from collections.abc import Callable
from typing import Final, NamedTuple

from geventws.cli.refusals import WSS, Answer, explain_refusal, is_cached, middle_boxes
from geventws.core.errors import InvalidURI, Rejected
from geventws.core.headers import Headers
from geventws.opening import CutShort
from geventws.uri import URI

# The steps of an opening, as they are named to people.
ADDRESS: Final = "address"
LOOK_UP: Final = "name lookup"
TCP: Final = "TCP"
PROXY: Final = "proxy"
TLS: Final = "TLS handshake"
HANDSHAKE: Final = "opening handshake"

_PLAIN: Final = "the port speaks no TLS; ask for ws:// or for the port that does"
_HTTP_2: Final = (
    "the port speaks HTTP/2 only, and WebSockets open in HTTP/1.1 here; have the server or proxy "
    "offer http/1.1 as well"
)


class Failure(NamedTuple):
    """Where an opening ended, and how."""

    step: str
    error: Exception
    where: URI | None  # None where the address is none
    received: bytes  # the beginning of what came after our request
    headers: Headers | None  # of the answer, if there was one


def explain_failure(failure: Failure) -> str:
    """Return why it failed, most probably, and what to do about it."""
    return _STEPS[failure.step](failure)


def _of_address(failure: Failure) -> str:
    text = str(failure.error)
    if text.startswith("proxy:"):
        return "mend that variable, or have no_proxy leave this host out"
    if not isinstance(failure.error, InvalidURI):
        return "mend that option of the command"
    if "scheme" in text:
        return "write ws:// for http:// and wss:// for https://, and one of them if there is none"
    if "fragment" in text:
        return "leave out what begins with #; percent-encoded, as %23, it is part of the path"
    return "an address has the form ws://host:port/path"


def _of_look_up(failure: Failure) -> str:
    number = getattr(failure.error, "errno", None)
    if number == socket.EAI_AGAIN:
        return "no name server answered; look at the network, and in a container at its DNS"
    if isinstance(failure.error, TimeoutError):
        return "no name server answers in time; look at the network"
    return "nobody knows that name; look for a typing error, a missing search domain, or a VPN"


_TCP_ERRORS: Final = {
    errno.ECONNREFUSED: "nothing listens there; look whether the server runs, at which port, and "
    "whether it listens at 127.0.0.1 only, which in a container is that container",
    errno.ENETUNREACH: "this machine has no route there; IPv6 without a route is often why",
    errno.EHOSTUNREACH: "the network does not reach that host; look at routes and firewalls",
    errno.ENOENT: "there is no such socket; look whether the server runs, and at the path",
    errno.EACCES: "we may not write to that socket; look at its owner and mode",
    errno.EPERM: "a firewall of this machine does not let us",
}


def _of_tcp(failure: Failure) -> str:
    if isinstance(failure.error, TimeoutError):
        return "packets vanish on the way; look at firewalls, security groups and the port"
    number = getattr(failure.error, "errno", None)
    if number == errno.ECONNREFUSED and failure.where is not None and failure.where.path:
        return "nobody listens there any more, and the file was left; look whether the server runs"
    return _TCP_ERRORS.get(number or 0, "this machine did not even try; its error says why")


def _of_proxy(failure: Failure) -> str:
    if isinstance(failure.error, Rejected):
        if failure.error.status == 407:
            return "give user:password@ before the proxy's host, in the variable that names it"
        return "the proxy does not lead there; ask who runs it, or have no_proxy leave the host out"
    if isinstance(failure.error, ImportError):
        return "pip install geventws[socks]"
    return "the proxy does not do its work; look at its address and scheme, or use no_proxy"


# TLS

MISNAMED: Final = (62, 64)  # of these, a name and an address
_VERIFIED: Final = {  # the codes of OpenSSL, x509_vfy.h
    9: "the certificate is not valid yet, unless the clock of this machine is wrong",
    10: "the certificate has expired, unless the clock of this machine is wrong; renew it",
    18: "the server signed its certificate itself; trust it with SSL_CERT_FILE, or see --insecure",
    19: "the authority is one that nobody trusts here; set SSL_CERT_FILE to its certificate",
    20: "the authority is unknown here: the server does not send the intermediate certificate "
    "(have it send the full chain), or it is a private one (set SSL_CERT_FILE), or the store of "
    "this machine is empty",
    **dict.fromkeys(MISNAMED, "the certificate is for other names"),
}
_OURS: Final = (
    "the server wants a certificate of ours; connect() takes a context that has one, as ssl"
)
_HUNG_UP: Final = (
    "the server hung up within the TLS handshake: it speaks none, so that ws:// is right, or has "
    "no such name, or a firewall looks at names"
)
_TLS_ERRORS: Final = [
    (re.compile(pattern), advice)
    for pattern, advice in (
        ("WRONG_VERSION_NUMBER|RECORD_LAYER|PACKET_LENGTH", _PLAIN),  # as OpenSSL's version has it
        ("UNRECOGNIZED_NAME", "the server has no certificate for that name; look at its TLS hosts"),
        ("PROTOCOL", "we have no version of TLS in common; the server must know 1.2 or 1.3"),
        (
            "HANDSHAKE_FAILURE",
            "no cipher is common to us, or the server wants a certificate of ours",
        ),
        ("CERTIFICATE_REQUIRED|BAD_CERTIFICATE", _OURS),
        ("EOF", _HUNG_UP),
    )
]


def _of_tls(failure: Failure) -> str:
    error = failure.error
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFIED.get(
            error.verify_code, f"the certificate is no good: {error.verify_message}"
        )
    if isinstance(error, TimeoutError):
        return (
            "nothing answers our TLS: the port speaks none, so that ws:// is right, or the server "
            "is stuck"
        )
    if isinstance(error, ssl.SSLError):
        return _of_tls_error(error)
    return _HUNG_UP


def _of_tls_error(error: ssl.SSLError) -> str:
    found = (advice for pattern, advice in _TLS_ERRORS if pattern.search(str(error)))
    return next(found, "TLS could not be agreed on")


# HTTP

_ANSWERS: Final = [
    (
        "Upgrade is not websocket",
        "a proxy took the Upgrade header out of the answer; have it pass Upgrade and Connection on",
    ),
    (
        "Connection has no Upgrade",
        "a proxy changed the Connection header of the answer; have it pass that on",
    ),
    (
        "does not fit the key",
        "that answers another key than ours: a cache gave an old answer, or the server is none of "
        "RFC 6455",
    ),
    ("not a 101 of HTTP/1.1", "a proxy speaks HTTP/1.0; nginx needs proxy_http_version 1.1"),
]
_FIRST_BYTES: Final = [
    (re.compile(pattern, re.DOTALL), advice)
    for pattern, advice in (
        (rb"[\x15\x16]\x03[\x00-\x04]", WSS),
        (rb"\x00..\x04[\x00\x01]\x00\x00\x00\x00", _HTTP_2),  # a SETTINGS frame, RFC 9113 3.4
        (rb"HTTP/2", _HTTP_2),
        (rb"SSH-", "an SSH server listens there; look at the port"),
        (rb"220[ -]", "a mail or FTP server listens there; look at the port"),
        (rb"-ERR|\+OK|-NOAUTH", "Redis, or a mail server, listens there; look at the port"),
        (
            rb"HTTP/",
            "an HTTP server that breaks a rule answered, or a proxy that changed its answer",
        ),
        (rb".", "what listens there speaks no HTTP; look at the port"),
    )
]


def _of_handshake(failure: Failure) -> str:
    error = failure.error
    if isinstance(error, Rejected) and failure.where is not None:
        return explain_refusal(Answer(failure.where, error.status, error.headers, error.body))
    if isinstance(error, TimeoutError):
        return _silent(failure.received)
    if isinstance(error, ssl.SSLError):  # TLS 1.3 tells of some things only then
        return _of_tls_error(error)
    if isinstance(error, (CutShort, OSError)) and not failure.received:
        return (
            "the server hung up without an answer: it crashed, has no WebSocket at that path, "
            "wants TLS, or a firewall or a limit cuts what it does not like"
        )
    return _of_answer(failure)


def _silent(received: bytes) -> str:
    if received:
        return "the answer began and did not end, which a middle box that buffers may hold back"
    return (
        "the request was taken and nothing came: every worker of the server is busy, as with "
        "gunicorn's sync ones, it waits for another protocol, or a proxy holds the answer back"
    )


def _of_answer(failure: Failure) -> str:
    text = str(failure.error)
    if failure.headers is None:
        return next(
            (advice for pattern, advice in _FIRST_BYTES if pattern.match(failure.received)),
            "the answer is no HTTP",
        )
    if is_cached(failure.headers):
        return f"a cache answered ({middle_boxes(failure.headers)}); have it pass this path on"
    if "subprotocol" in text:
        chosen = shlex.quote(failure.headers.get("Sec-WebSocket-Protocol", ""))
        return f"the server chose {chosen} of its own; ask for it: --subprotocol {chosen}"
    if "extensions" in text or "7692" in text:
        chosen = failure.headers.get("Sec-WebSocket-Extensions", "")
        return f"the server chose {chosen!r}, which we did not offer so; try --no-compression"
    found = (advice for part, advice in _ANSWERS if part in text)
    return next(found, "the server's answer breaks a rule of HTTP or of RFC 6455")


_STEPS: Final[dict[str, Callable[[Failure], str]]] = {
    ADDRESS: _of_address,
    LOOK_UP: _of_look_up,
    TCP: _of_tcp,
    PROXY: _of_proxy,
    TLS: _of_tls,
    HANDSHAKE: _of_handshake,
}
