"""What the answers of HTTP to an opening handshake mean, in words: the cause and the cure."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final, NamedTuple

from geventws.cli.findings import without_secrets
from geventws.core.headers import Headers
from geventws.uri import URI

MAX_SAID: Final = 200  # characters of a body
_NGINX: Final = (
    "nginx needs proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade and Connection "
    '"upgrade"'
)
UPGRADE: Final = (
    "our Upgrade and Connection headers did not reach the server, since a proxy in between drops "
    f"them; {_NGINX}"
)
WSS: Final = "the port speaks TLS; ask for wss:// instead of ws://"
_SOCKET_IO: Final = (
    "that is a Socket.IO server, which has a protocol of its own; use a client of Socket.IO, or "
    "ask for /socket.io/?EIO=4&transport=websocket to see its frames"
)
_ORIGIN: Final = (
    "the server does not let us in; that is most often the origin, see --origin and the server's "
    "list of origins, where a proxy must pass the Host header on, or else a session or token that "
    "is missing"
)
# what well-known servers say, whatever the status
_BODIES: Final = [
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        # nginx; Go; Apache
        (rb"plain HTTP request was sent to HTTPS|HTTP request to an HTTPS|HTTP to an SSL", WSS),
        # engine.io for Node and for Python
        (rb"transport unknown|unsupported protocol version|Socket\.IO or Engine\.IO", _SOCKET_IO),
        (rb"not an accepted origin", _ORIGIN),  # Engine.IO, with 400
        # aiohttp, picows and Tornado; aiohttp; picows; Tornado
        (rb"can .upgrade. only to|no connection upgrade hdr", UPGRADE),
        (rb"connection header value is not|.connection. must be .upgrade.", UPGRADE),
        # websockets and ws for Node; ours; picows and websockets
        (rb"(?:missing|invalid) (?:upgrade|connection) header|no upgrade to websocket", UPGRADE),
        (rb"HTTP version is not 1\.1|unsupported HTTP version", UPGRADE),  # nginx's default
    )
]
_STATUSES: Final = {
    404: "nothing is at that path; look for a missing prefix or slash at the end, and for a proxy "
    f"that has no rule for it. Or else {UPGRADE}",  # uvicorn and Express answer so without it
    405: "at that path is a view of HTTP that takes no GET; look at the path",
    408: "the server waited in vain for the rest of the request, of which a middle box kept some",
    410: "nothing is at that path any more",
    421: "the server does not serve that host name at this address; look at the Host header",
    431: "the headers are too large for it, most often the cookies",
    500: "the application failed; its log says why",
    501: "the server, or a proxy in between, knows no WebSockets",
    502: "a proxy answered, and what is behind it is not there or speaks something else; look "
    "whether that runs, at the address and with the scheme (http or https) that the proxy has",
    504: "a proxy answered, and what is behind it did not in its time; that hangs, or has no free "
    "worker",
    505: f"the request came to it in another version of HTTP, as from a proxy; {_NGINX}",
}
_BOXES: Final = (
    "Via",
    "Age",
    "X-Cache",
    "CF-Ray",
    "X-Varnish",
    "X-Amz-Cf-Id",
    "X-Served-By",
    "CF-Cache-Status",
    "Content-Encoding",
)
_is_hit = re.compile(r"\bhit\b", re.IGNORECASE).search


class Answer(NamedTuple):
    """What came in place of a 101, and what had been asked for."""

    where: URI
    status: int
    headers: Headers
    body: bytes

    def __str__(self) -> str:
        named, said = phrase(self.status), _said(self)
        what = f": {said}" if said and said not in named else ""
        return f"{named}{what}{by_server(self.headers)}"

    @property
    def is_page(self) -> bool:
        """Whether it is a page to look at."""
        kind = self.headers.get("Content-Type", "").lower()
        return kind.startswith("text/html") or self.body.lstrip()[:9].lower().startswith(
            b"<!doctype"
        )


def phrase(status: int) -> str:
    """Return *status* with its name: "404 Not Found"."""
    known = status in {each.value for each in HTTPStatus}
    return f"{status} {HTTPStatus(status).phrase}" if known else str(status)


def by_server(headers: Headers) -> str:
    """Return whose *headers* these are, as they say themselves."""
    name = headers.get("Server")
    return f", by {name}" if name else ""


def middle_boxes(headers: Headers) -> str:
    """Return what in the *headers* of an answer was not written by the server itself."""
    return "; ".join(f"{name}: {headers[name]}" for name in _BOXES if name in headers)


def is_cached(headers: Headers) -> bool:
    """Return whether an answer with these *headers* was given to somebody before."""
    said = headers.get("X-Cache", "") + headers.get("CF-Cache-Status", "")
    return bool(_is_hit(said)) or headers.get("Age", "0") != "0"


def explain_refusal(answer: Answer) -> str:
    """Return why the *answer* is what it is, most probably, and what to do about it."""
    if is_cached(answer.headers):
        return f"a cache answered ({middle_boxes(answer.headers)}); have it pass this path on"
    told = next((advice for pattern, advice in _BODIES if pattern.search(answer.body)), None)
    return told or _by_status(answer)


def _by_status(answer: Answer) -> str:
    status = answer.status
    if special := _SPECIAL.get(status):
        return special(answer)
    if status in _STATUSES:
        return _STATUSES[status]
    if status < 300:
        return _no_upgrade(answer)
    if status < 400:
        return _redirected(answer)
    if 520 <= status <= 530:  # developers.cloudflare.com: 5xx errors
        return "Cloudflare answered, which cannot reach the server behind it, or not over TLS"
    return "the server says no; its log, or the body of its answer, says why"


def _no_upgrade(answer: Answer) -> str:
    if answer.is_page:
        return (
            "a page came, as of a single-page application, which answers every path that it does "
            f"not know; look at it. Or else {UPGRADE}"
        )
    return f"an ordinary answer came, as of a path without WebSocket; look at it. Or else {UPGRADE}"


def _redirected(answer: Answer) -> str:
    location = answer.headers.get("Location")
    if location is None:
        return "a redirect to nowhere"
    scheme = location.partition("://")[0].lower()
    where = f"the server sends us on to {without_secrets(location)}"
    if answer.where.secure and scheme in ("http", "ws"):
        return f"{where}, which has no TLS; connect() refuses that, so mend the server's redirect"
    if not answer.where.secure and scheme in ("https", "wss"):
        return f"{where}, which has TLS; ask for wss:// instead, since browsers follow no redirect"
    if re.search(r"log-?in|sign-?in|auth", location, re.IGNORECASE):
        return f"{where}, where people log in; send what it knows us by, as --header 'Cookie: ...'"
    return f"{where}; ask for that, since connect() follows redirects but browsers do not"


def _unauthorized(answer: Answer) -> str:
    asked = answer.headers.get("WWW-Authenticate", "")
    kind = f" of the kind {asked.split()[0]}" if asked.split() else ""
    return (
        f"the server wants credentials{kind}: user:password@ before the host for Basic, "
        "--header 'Authorization: Bearer ...', or --header 'Cookie: ...'; browsers can send only "
        "the cookie"
    )


def _forbidden(_: Answer) -> str:
    return _ORIGIN


def _bad_request(_: Answer) -> str:
    return (
        "the server does not take the request; look at the path, since ws for Node says so of one "
        f"that it does not know. Or else {UPGRADE}"
    )


def _upgrade_required(answer: Answer) -> str:
    versions = answer.headers.get("Sec-WebSocket-Version", "13")
    if "13" not in versions:
        return f"the server speaks other versions of the protocol: {versions}"
    wanted = answer.headers.get("Upgrade", "websocket")
    if "websocket" not in wanted.lower():
        return f"the server wants another protocol than WebSocket first: {wanted}"
    return UPGRADE


def _busy(answer: Answer) -> str:
    later = answer.headers.get("Retry-After")
    when = f"; come back after {later} seconds" if later and later.isdigit() else ""
    if answer.status == 429:
        return f"too many connections or requests from here{when}"
    return f"the server is full or being restarted, or a proxy has none to ask{when}"


_SPECIAL: Final = {
    400: _bad_request,
    401: _unauthorized,
    403: _forbidden,
    426: _upgrade_required,
    429: _busy,
    503: _busy,
}


def _said(answer: Answer) -> str:
    """Return the first line of the body, where that is meant for people."""
    text = answer.body.decode(errors="replace").strip()
    if not text or text.startswith("<") or answer.is_page or "Content-Encoding" in answer.headers:
        return ""
    return text.splitlines()[0][:MAX_SAID]
