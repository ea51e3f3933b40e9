"""The opening handshake, both sides, as bytes in and bytes out (RFC 6455 4).

server: head -> Request -> check_request, check_origin, negotiate -> Accepted.response
        InvalidHandshake -> refusal -> Response.to_bytes
client: Opening.request -> bytes; head -> parse_response, Opening.check -> Accepted
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha1
from http import HTTPStatus
from os import urandom
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import unquote

from geventws.core.deflate import Agreed, Deflate
from geventws.core.errors import InvalidHandshake
from geventws.core.headers import (
    HeaderItems,
    Headers,
    build_head,
    has_token,
    is_token,
    parse_cookies,
    parse_extensions,
    parse_fields,
    parse_protocol_list,
    parse_request_line,
    parse_status_line,
    parse_token_list,
    split_target,
    user_headers,
)

_UPGRADE: Final = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
_SWITCHING: Final = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
# RFC 3986 3.2.2 and 3.2.3 without userinfo, which RFC 9110 4.2.4 tells us to treat as an error
_HOST: Final = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]+)(?::([0-9]{0,5}))?"

_match_host = re.compile(_HOST).fullmatch
_match_origin = re.compile(rf"(https?)://{_HOST}").fullmatch
_match_target = re.compile(r"/[!\"$-~]*").fullmatch
_match_key = re.compile(r"[A-Za-z0-9+/]{22}==").fullmatch  # 16 bytes in base64
# what frames a response, and what makes a handshake: never a user's to give
_FRAMING: Final = re.compile("connection|content-length|transfer-encoding")
HANDSHAKE: Final = re.compile(rf"{_FRAMING.pattern}|upgrade|sec-websocket-.*")


class Request:
    """What a client asked for: the raw head, parsed on access.

    An accessor raises InvalidHandshake where the head breaks the rule it depends on; none does
    after check_request() let the request pass.
    """

    __slots__ = ("_headers", "_line", "head", "remote_address")

    def __init__(self, head: bytes, remote_address: object = None) -> None:
        self.head = head  # as HeadReader.next_head() returns it
        self.remote_address = remote_address  # in the transport's own form
        self._line: tuple[str, str, str] | None = None
        self._headers: Headers | None = None

    @property
    def line(self) -> tuple[str, str, str]:
        """The request line: method, target and version."""
        if self._line is None:
            self._line = parse_request_line(self.head.partition(b"\r\n")[0].decode("latin-1"))
        return self._line

    @property
    def method(self) -> str:
        """The method, as "GET"; its case matters."""
        return self.line[0]

    @property
    def target(self) -> str:
        """The request target as it came."""
        return self.line[1]

    @property
    def path(self) -> str:
        """The target's path, percent-decoded as UTF-8."""
        return unquote(split_target(self.target)[1])

    @property
    def query(self) -> str:
        """What follows the target's question mark, as it came."""
        return split_target(self.target)[2]

    @property
    def headers(self) -> Headers:
        """All headers."""
        if self._headers is None:
            self._headers = parse_fields(self.head.decode("latin-1"))
        return self._headers

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name; the first of one name counts: the closest path's (RFC 6265 5.4)."""
        return parse_cookies("; ".join(self.headers.get_all("Cookie")))

    @property
    def origin(self) -> str | None:
        """The Origin header: whose page made the browser ask (RFC 6454 7)."""
        return self.headers.get("Origin")

    @property
    def host(self) -> str:
        """The host, with its port if one was given; empty where the request names none."""
        # RFC 9112 3.2.2: the host of an absolute target replaces that of the header
        return split_target(self.target)[0] or self.headers.get("Host", "")

    def forget(self) -> None:
        """Drop what was parsed, to save memory; the next access parses the head again."""
        self._line = self._headers = None


_Origin: TypeAlias = "str | re.Pattern[str]"
Origins: TypeAlias = "Callable[[str | None, Request], bool] | Sequence[_Origin] | _Origin | None"
SelectSubprotocol: TypeAlias = Callable[[list[str]], str | None]


class Response:
    """An answer other than 101, after which the connection is closed."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: HeaderItems = (), body: bytes | str = b"") -> None:
        """Take what to answer; a *body* of str is sent as UTF-8.

        Raises:
            ValueError: *status* is not from 200 to 599, or allows no *body*; a header is one that
                the response writes itself.
        """
        if not 200 <= status <= 599:
            raise ValueError("status is not from 200 to 599 (RFC 9110 15)")
        if body and status in (204, 304):
            raise ValueError("a response of this status has no body (RFC 9110 6.4.1)")
        self.status = status
        self.headers = user_headers(headers, _FRAMING)
        self.body = body.encode() if isinstance(body, str) else body

    def to_bytes(self) -> bytes:
        """Return the response as it is sent.

        Raises:
            ValueError: a header cannot be sent, see build_head().
        """
        items = self.headers.items()
        # RFC 9110 7.8: whoever sends Upgrade names it in Connection too
        items.append(("Connection", "close, Upgrade" if "Upgrade" in self.headers else "close"))
        if self.status not in (204, 304):
            if "Content-Type" not in self.headers:
                items.append(("Content-Type", "text/plain; charset=utf-8"))
            items.append(("Content-Length", str(len(self.body))))
        first_line = f"HTTP/1.1 {self.status} {_REASONS.get(self.status, '')}"
        return build_head(first_line, items) + self.body


class Accepted(NamedTuple):
    """What an opening handshake agreed on."""

    subprotocol: str | None
    deflate: Agreed | None
    response: bytes  # the head to send; empty on the client


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455 4.2.2)."""
    text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return b64encode(sha1(text.encode(), usedforsecurity=False).digest()).decode()


def check_request(request: Request) -> str:
    """Check that *request* opens a WebSocket, and return its Sec-WebSocket-Key (RFC 6455 4.2.1).

    Raises:
        InvalidHandshake: it does not; 405 for another method, 505 for another HTTP, 426 where it
            asks for no upgrade or for another version of WebSocket, 400 for all else.
    """
    method, _, version = request.line
    if method != "GET":
        raise InvalidHandshake("method is not GET (RFC 6455 4.2.1)", 405, [("Allow", "GET")])
    if version != "HTTP/1.1":
        status = 400 if version == "HTTP/1.0" else 505
        raise InvalidHandshake("HTTP version is not 1.1 (RFC 6455 4.2.1)", status)
    headers = request.headers
    # what is a body to a proxy in front would be frames to us, or the reverse
    if "Content-Length" in headers or "Transfer-Encoding" in headers:
        raise InvalidHandshake("request has a body (RFC 9112 6.3)")
    # several of one name are joined by ", ", which no host or key can have
    if not _match_host(headers.get("Host", "")) or not _match_host(request.host):
        raise InvalidHandshake("no valid Host, or more than one (RFC 9112 3.2)")
    _check_upgrade(headers)
    key = headers.get("Sec-WebSocket-Key", "")
    if not _match_key(key):
        raise InvalidHandshake("Sec-WebSocket-Key is not 16 bytes in base64 (RFC 6455 4.2.1)")
    return key


def _check_upgrade(headers: Headers) -> None:
    protocols = map(str.lower, parse_protocol_list(headers.get("Upgrade", "")))
    if not has_token(headers.get("Connection", ""), "upgrade") or "websocket" not in protocols:
        raise InvalidHandshake("no upgrade to websocket (RFC 6455 4.2.1)", 426, _UPGRADE[:1])
    if headers.get("Sec-WebSocket-Version") != "13":
        supported = [*_UPGRADE[:1], ("Sec-WebSocket-Version", "13")]
        raise InvalidHandshake("Sec-WebSocket-Version is not 13 (RFC 6455 4.4)", 426, supported)


def check_origin(request: Request, origins: Origins, secure: bool | None) -> None:
    """Check that the page behind *request* may open a WebSocket here (RFC 6455 10.2).

    No browser leaves Origin out, so a request without it is allowed; only a callable may refuse it.

    Args:
        origins: None for the same host and port; exact origins as browsers write them, without a
            default port; patterns for the whole of one; "*" for any; or a callable for the Origin.
        secure: whether the client sees TLS, so that the same origin has the same scheme; None
            where nobody can be trusted to say.

    Raises:
        InvalidHandshake: 403, it may not.
    """
    origin = request.origin
    if callable(origins):
        allowed = origins(origin, request)
    elif origin is None or origins is None:
        allowed = origin is None or _is_same_origin(origin, request.host, secure)
    else:
        listed = [origins] if isinstance(origins, (str, re.Pattern)) else origins
        patterns = [entry for entry in listed if isinstance(entry, re.Pattern)]
        allowed = origin in listed or "*" in listed or any(p.fullmatch(origin) for p in patterns)
    if not allowed:
        raise InvalidHandshake("origin is not allowed (RFC 6455 10.2)", 403)


def _is_same_origin(origin: str, host: str, secure: bool | None) -> bool:
    theirs, ours = _match_origin(origin), _match_host(host)
    if theirs is None or ours is None or secure not in (None, theirs[1] == "https"):
        return False
    default = "443" if theirs[1] == "https" else "80"
    same_port = (theirs[3] or default) == (ours[2] or default)
    return same_port and theirs[2].lower() == ours[1].lower()


def negotiate(
    request: Request,
    *,
    subprotocols: Sequence[str] = (),
    select_subprotocol: SelectSubprotocol | None = None,
    compression: Deflate | None,
    headers: HeaderItems = (),
) -> Accepted:
    """Accept a *request* that check_request() let pass, and write the 101 (RFC 6455 4.2.2).

    What was parsed of *request* is dropped: an open connection keeps its raw head only.

    Args:
        subprotocols: ours, the most wanted first; the first one offered is chosen.
        select_subprotocol: chooses instead, given what was offered, which may be nothing.
        headers: more headers for the 101.

    Raises:
        InvalidHandshake: the offered subprotocols or extensions are malformed.
        ValueError: the selected subprotocol was not offered, or one of *headers* cannot be sent.
    """
    asked = request.headers
    items = [("Sec-WebSocket-Accept", accept_key(asked["Sec-WebSocket-Key"]))]
    offered = parse_token_list(asked.get("Sec-WebSocket-Protocol", ""))
    subprotocol = _pick(offered, subprotocols, select_subprotocol)
    if subprotocol is not None:
        items.append(("Sec-WebSocket-Protocol", subprotocol))
    # RFC 6455 9.1: a list that breaks the grammar fails the handshake, wanted or not
    offers = parse_extensions(asked.get("Sec-WebSocket-Extensions", ""))
    choice = compression.accept(offers) if compression is not None else None
    if choice is not None:
        items.append(("Sec-WebSocket-Extensions", choice[0]))
    items += user_headers(headers, HANDSHAKE).items()
    request.forget()
    response = _SWITCHING + build_head("Connection: Upgrade", items)
    return Accepted(subprotocol, choice and choice[1], response)


def _pick(offered: list[str], ours: Sequence[str], select: SelectSubprotocol | None) -> str | None:
    if len(set(offered)) < len(offered):
        raise InvalidHandshake("subprotocol offered twice (RFC 6455 4.1)")
    if select is None:
        return next((name for name in ours if name in offered), None)
    chosen = select(offered)
    if chosen is not None and chosen not in offered:
        raise ValueError("the selected subprotocol was not offered (RFC 6455 4.2.2)")
    return chosen


def refusal(error: InvalidHandshake) -> Response:
    """Return the response that tells a client why its handshake failed, in one line of text."""
    return Response(error.status, error.headers, f"{error}\n")


def parse_response(head: bytes) -> tuple[int, str, Headers]:
    """Split the head of a response into status, reason and headers.

    Raises:
        InvalidHandshake: it is malformed.
    """
    text = head.decode("latin-1")
    _, status, reason = parse_status_line(text.partition("\r\n")[0])
    return status, reason, parse_fields(text)


class Opening:
    """A client's opening handshake: one request, and the response it allows (RFC 6455 4.1)."""

    __slots__ = ("_compression", "_head", "_subprotocols", "key")

    def __init__(
        self,
        host: str,
        target: str,
        *,
        subprotocols: Sequence[str] = (),
        compression: Deflate | None,
        origin: str | None = None,
        headers: HeaderItems = (),
    ) -> None:
        """Take what to ask for; a Host among *headers* is sent instead of *host*.

        Raises:
            TypeError, ValueError: an argument cannot be sent; a header is the handshake's own.
        """
        given = user_headers(headers, HANDSHAKE)
        host = given.get("Host", host)
        if not _match_host(host):
            raise ValueError("host is not a host with or without port (RFC 3986 3.2.2)")
        if not _match_target(target):
            raise ValueError("target is not a path in visible ASCII, no fragment (RFC 6455 3)")
        if origin is not None and "Origin" in given:
            raise ValueError("origin is given twice")
        self.key = b64encode(urandom(16)).decode()
        self._subprotocols = user_subprotocols(subprotocols)
        self._compression = compression
        items = [("Host", host), *_UPGRADE]
        items += [("Sec-WebSocket-Key", self.key), ("Sec-WebSocket-Version", "13")]
        if origin is not None:
            items.append(("Origin", origin))
        if self._subprotocols:
            items.append(("Sec-WebSocket-Protocol", ", ".join(self._subprotocols)))
        if compression is not None:
            items.append(("Sec-WebSocket-Extensions", compression.offer()))
        items += [(name, value) for name, value in given.items() if name.lower() != "host"]
        self._head = build_head(f"GET {target} HTTP/1.1", items)

    def request(self) -> bytes:
        """Return the head to send."""
        return self._head

    def check(self, head: bytes) -> Accepted:
        """Check the *head* of the response, and return what is agreed (RFC 6455 4.1).

        Raises:
            InvalidHandshake: it is not the 101 that accepts this request.
        """
        status, _, headers = parse_response(head)
        if status != 101 or not head.startswith(b"HTTP/1.1"):
            raise InvalidHandshake("response is not a 101 of HTTP/1.1 (RFC 6455 4.1)")
        if headers.get("Upgrade", "").lower() != "websocket":
            raise InvalidHandshake("Upgrade is not websocket (RFC 6455 4.1)")
        if not has_token(headers.get("Connection", ""), "upgrade"):
            raise InvalidHandshake("Connection has no Upgrade (RFC 6455 4.1)")
        if headers.get("Sec-WebSocket-Accept") != accept_key(self.key):
            raise InvalidHandshake("Sec-WebSocket-Accept does not fit the key (RFC 6455 4.1)")
        subprotocol = headers.get("Sec-WebSocket-Protocol")
        if subprotocol is not None and subprotocol not in self._subprotocols:
            raise InvalidHandshake("subprotocol was not offered (RFC 6455 4.1)")
        return Accepted(subprotocol, self._confirm(headers), b"")

    def _confirm(self, headers: Headers) -> Agreed | None:
        extensions = parse_extensions(headers.get("Sec-WebSocket-Extensions", ""))
        if not extensions:
            return None
        (name, parameters), *more = extensions
        # RFC 6455 9.1: two extensions could also want the same reserved bit
        if self._compression is None or name != "permessage-deflate" or more:
            raise InvalidHandshake("extensions other than the one offered (RFC 6455 4.1)")
        return self._compression.confirm(parameters)


def user_subprotocols(subprotocols: Sequence[str]) -> tuple[str, ...]:
    """Return the *subprotocols* of a user, who is told by TypeError or ValueError what is wrong."""
    names = tuple(subprotocols) if isinstance(subprotocols, Iterable) else (None,)
    if isinstance(subprotocols, str) or not all(isinstance(name, str) for name in names):
        raise TypeError("subprotocols: a sequence of str, not one str")
    if not all(map(is_token, names)) or len(set(names)) < len(names):
        raise ValueError("subprotocols are not different tokens (RFC 6455 4.1)")
    return names
