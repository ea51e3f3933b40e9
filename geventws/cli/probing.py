"""A probe: an opening that is watched, explained where it fails, and tried out where it does not.

url -> Walk -> WebSocket -> ping    Facts; where a step failed, the last of them says why
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

import gevent.ssl

from geventws.care import caretaker
from geventws.cli.diagnosis import HANDSHAKE, LOOK_UP, MISNAMED, TCP, TLS, Failure, explain_failure
from geventws.cli.findings import Fact
from geventws.cli.refusals import WSS, Answer, middle_boxes
from geventws.cli.terminal import printable
from geventws.cli.walking import FAILURES, Walk, options_for
from geventws.core.codes import Side
from geventws.core.errors import ConnectionClosed, ProtocolError, Rejected
from geventws.core.handshake import Accepted
from geventws.core.headers import Headers
from geventws.transport import Transport, bare
from geventws.uri import URI
from geventws.websocket import WebSocket, establish

RENEWAL: Final = 14 * 86400.0  # seconds before its end at which a certificate should be renewed
IDLE: Final = "not probed; keep ping_interval (20 s) below the idle timeout of every proxy"


def probe(url: str, asked: dict[str, Any], patience: float) -> list[Fact]:
    """Open a WebSocket at *url*, ping, and close it; return what each step found out.

    A step that fails is the last one, and says why; only the caller waits.

    Args:
        asked: subprotocols, headers, origin, ssl and compression, as connect() takes them.
        patience: how many seconds each step may take.
    """
    walk = Walk(url, asked, patience)
    try:
        walk.reach()
        accepted, rest = walk.ask()
    except FAILURES as error:
        walk.close()
        return [*walk.facts, *_boxes(walk), _failed(walk, error)]
    transport = Transport(bare(walk.socket), at_once=True)
    options = options_for(asked)
    connection = establish(WebSocket, transport, options, Side.CLIENT, accepted, rest)
    caretaker().watch(connection, transport)
    try:
        return [
            *walk.facts,
            *_agreements(walk, accepted, asked),
            *_conversation(connection, patience),
        ]
    finally:
        connection.close()


# What was agreed on


def _agreements(walk: Walk, accepted: Accepted, asked: dict[str, Any]) -> list[Fact]:
    headers = walk.headers or Headers()
    return [
        *_renewal(walk.socket),
        *_boxes(walk),
        _subprotocol(accepted.subprotocol, asked["subprotocols"]),
        _compression(headers.get("Sec-WebSocket-Extensions"), asked["compression"] is not None),
    ]


def _boxes(walk: Walk) -> list[Fact]:
    """Return what stands between us and the server, as far as it says so."""
    headers = walk.headers or Headers()
    boxes = middle_boxes(headers)
    if "Content-Encoding" not in headers:
        return [Fact("middle boxes", printable(boxes))] if boxes else []
    advice = "one compresses, though we asked for none; have it leave this path alone"
    return [Fact("middle boxes", printable(boxes), advice)]


def _renewal(secured: Any) -> list[Fact]:
    certificate: Any = secured.getpeercert() if isinstance(secured, gevent.ssl.SSLSocket) else None
    if not certificate:
        return []
    left = ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()
    if left > RENEWAL:
        return []
    return [Fact("certificate", f"{left / 86400:.0f} days left", "renew it before it expires")]


def _subprotocol(chosen: str | None, offered: list[str]) -> Fact:
    if chosen is not None or not offered:
        return Fact("subprotocol", chosen or "none")
    names = ", ".join(offered)
    advice = f"the server chose none of {names}, with which browsers fail; offer one that it knows"
    return Fact("subprotocol", "none", advice, wrong=True)


def _compression(agreed: str | None, offered: bool) -> Fact:
    if agreed is not None or not offered:
        return Fact("compression", printable(agreed or "none"))
    advice = (
        "permessage-deflate was offered and not accepted, by the server or a proxy that drops "
        "Sec-WebSocket-Extensions"
    )
    return Fact("compression", "none", advice)


def _conversation(connection: WebSocket, patience: float) -> list[Fact]:
    """Return how a ping goes, and what was not tried."""
    try:
        seconds = connection.ping(patience)
    except TimeoutError:
        advice = (
            "the ping had no pong: the server's handler does not read, its library does not answer "
            "pings, or a proxy passes no frames on"
        )
        return [Fact("ping", "no pong", advice, wrong=True)]
    except ConnectionClosed as closed:
        return [Fact("ping", printable(str(closed)), _ended(closed), wrong=True)]
    return [Fact("ping", "answered", seconds=seconds), Fact("idle timeout", IDLE)]


def _ended(closed: ConnectionClosed) -> str:
    if isinstance(closed.__cause__, ProtocolError):
        return "what came breaks that rule: the server is at fault, or a proxy changes frames"
    if closed.code == 1008 or 3000 <= closed.code < 5000:
        return "the application let us in and then did not want us: credentials, most often"
    if closed.code == 1011:
        return "the application failed at once; its log says why"
    if closed.code == 1006:
        return "the server hung up without a close frame: it crashed, or a proxy cut the connection"
    return "the application closed at once, which may be all it does without a message"


# What fails


def _failed(walk: Walk, error: Exception) -> Fact:
    failure = Failure(walk.step, error, walk.where, bytes(walk.received[:64]), walk.headers)
    advice = _second_look(walk, error) or explain_failure(failure)
    if walk.proxy is not None and walk.step in (LOOK_UP, TCP):
        advice = f"that is the proxy {walk.proxy.host}:{walk.proxy.port}: {advice}"
    return Fact(walk.step, printable(_said(walk.where, error)), printable(advice), wrong=True)


def _said(where: URI | None, error: Exception) -> str:
    if type(error) is Rejected and where is not None:
        return str(Answer(where, error.status, error.headers, error.body))
    told = isinstance(error, ssl.SSLCertVerificationError) and error.verify_message
    return str(told or getattr(error, "strerror", None) or error or type(error).__name__)


def _second_look(walk: Walk, error: Exception) -> str:
    """Return what another try tells about *error*; nothing where none would."""
    where = walk.where
    if where is None or walk.step not in (TLS, HANDSHAKE):
        return ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _other_names(walk, where) if error.verify_code in MISNAMED else ""
    if isinstance(error, Rejected):
        is_told = error.status == 403 or b"origin" in error.body.lower()
        return _other_origins(walk, where) if is_told else ""
    return "" if where.secure or walk.received else _tls_instead(walk)


def _other_names(walk: Walk, where: URI) -> str:
    """Return which names the certificate has, which TLS only tells of one that is trusted."""
    context = ssl.create_default_context()
    context.check_hostname = False
    with closing(walk.again(ssl=context)) as further:
        if not _succeeds(further.reach) or not isinstance(further.socket, gevent.ssl.SSLSocket):
            return ""
        certificate: Any = further.socket.getpeercert()
    names = ", ".join(value for _, value in certificate.get("subjectAltName", ()))
    return f"the certificate is for {names or 'no name'}, and not for {where.certified}"


def _tls_instead(walk: Walk) -> str:
    """Return that the port speaks TLS, if it does."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with closing(walk.again(f"wss{walk.url[2:]}", ssl=context)) as further:
        return WSS if _succeeds(further.reach) else ""


def _other_origins(walk: Walk, where: URI) -> str:
    """Return which other origin the server lets in, if it does one that we can think of."""
    own = f"{'https' if where.secure else 'http'}://{where.authority}"
    asked = walk.asked["origin"]
    if asked is not None and _opens(walk.again(origin=None)):
        return f"it is the origin {asked} that the server refuses; add that to its list of origins"
    if asked != own and _opens(walk.again(origin=own)):
        return f"the server lets in pages of its own origin only: --origin {own}"
    return ""


def _opens(walk: Walk) -> bool:
    with closing(walk) as further:
        return _succeeds(further.reach) and _succeeds(further.ask)


def _succeeds(step: Callable[[], object]) -> bool:
    try:
        step()
    except FAILURES:
        return False
    return True
