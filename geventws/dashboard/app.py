"""Who may see the page, and the files and numbers that it is made of. It is read-only.

environ -> Dashboard()  |  Request -> Dashboard.answer() -> the token -> Response
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from secrets import token_hex, token_urlsafe
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote

from geventws.assets import page_file, page_headers
from geventws.clock import monotonic
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Request, Response, refusal
from geventws.dashboard.snapshot import snapshot
from geventws.environ import Environ, request_of, respond
from geventws.lag import HubLag
from geventws.manager import Manager

logger = logging.getLogger("geventws")

SHORTEST: Final = 16  # characters of a token
FRESH: Final = 0.9  # seconds that an answer is good for others who ask; each page asks once in one
COOKIE: Final = "geventws_dashboard"
HEADERS: Final = page_headers("no-store")
_file = partial(page_file, "geventws.dashboard", headers=HEADERS)
FILES: Final = {
    "/": _file("index.html", "text/html"),
    "/dashboard.css": _file("dashboard.css", "text/css"),
    "/dashboard.js": _file("dashboard.js", "text/javascript"),
}
NOT_FOUND: Final = Response(404, HEADERS, "not found\n")
NOT_ALLOWED: Final = Response(405, (("Allow", "GET, HEAD"), *HEADERS), "method not allowed\n")
NO_TOKEN: Final = Response(
    401,
    (("WWW-Authenticate", 'Bearer realm="geventws"'), *HEADERS),
    "open this page with its token: ?token=...\n",
)


def new_token() -> str:
    """Return a token that nobody can guess."""
    return token_urlsafe(24)


class Dashboard:
    """The page about one manager: a WSGI application, or part of a server of serve().

    It shows connections, rates, latency, close codes, refused handshakes, slow peers by address and
    how late the hub is. It changes nothing, and does nothing while nobody looks.

    Whoever asks needs the token: as "Authorization: Bearer ...", or once as ?token=..., for which a
    browser is given a cookie and an address without it. All else is answered 401.

    Args:
        token: the secret; new_token() makes one. Over plain HTTP whoever listens learns it.
        manager: whose connections it shows; the attribute may be set later.
        prefix: the path that answer() serves it under. As a WSGI application it goes by
            SCRIPT_NAME instead.
        secure: whether browsers are to send the cookie over TLS only; as a WSGI application it
            goes by wsgi.url_scheme as well.
        process_request: what answer() asks about all other requests.

    Attributes:
        manager, prefix, token: the arguments.

    Raises:
        ValueError: *token* has fewer than 16 characters, or *prefix* does not begin with "/", ends
            with it, or has anything in it but what RFC 3986 leaves as it is.
    """

    def __init__(
        self,
        token: str,
        manager: Manager | None = None,
        *,
        prefix: str = "/dashboard",
        secure: bool = False,
        process_request: Callable[[Request], Response | None] | None = None,
    ) -> None:
        if len(token) < SHORTEST:
            raise ValueError(f"token: fewer than {SHORTEST} characters")
        if not is_prefix(prefix):
            raise ValueError("prefix: of the form /name")
        self.manager = Manager() if manager is None else manager
        self.prefix = prefix
        self._secure = secure
        self._process_request = process_request
        self.token = token
        self._token = token.encode()
        # not the token itself: a browser keeps it on disk
        self._cookie = hmac(self._token, COOKIE.encode(), sha256).hexdigest()
        self._lag = HubLag()
        self._run = token_hex(8)  # another one after a restart, when all numbers begin anew
        self._latest: tuple[float, Manager | None, bytes] = (0.0, None, b"")

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        """Answer a request to where this is mounted (PEP 3333)."""
        secure = self._secure or environ.get("wsgi.url_scheme") == "https"
        base = quote(environ.get("SCRIPT_NAME", ""), encoding="latin-1")
        try:
            response = self._answer(request_of(environ), base, secure)
        except InvalidHandshake as error:
            response = refusal(error)
        body = respond(response, start_response)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else body

    def answer(self, request: Request) -> Response | None:
        """Answer a request under *prefix*; for all others ask process_request, or return None.

        Give it to serve() as process_request.
        """
        if request.path == self.prefix or request.path.startswith(f"{self.prefix}/"):
            return self._answer(request, self.prefix, self._secure)
        return None if self._process_request is None else self._process_request(request)

    def close(self) -> None:
        """Measure the hub no more; without this it goes on for a minute after the last look."""
        self._lag.stop()

    def _answer(self, request: Request, base: str, secure: bool) -> Response:
        if request.method not in ("GET", "HEAD"):
            return NOT_ALLOWED
        given = parse_qs(request.query, keep_blank_values=True).get("token")
        if given is not None:
            return self._exchange(given[-1], request, base, secure)
        if not self._is_known(request):
            return NO_TOKEN
        path = request.path.removeprefix(unquote(base))
        if path == "":  # what the page names is relative to a path that ends so
            return _redirect(base)
        if path == "/numbers":
            return self._numbers()
        return FILES.get(path, NOT_FOUND)

    def _numbers(self) -> Response:
        """Return the numbers; what one asks for soon after another one is the same to both.

        So all see the longest delay of the hub, and those who ask often cost no more than one.
        """
        made, manager, body = self._latest
        if manager is not self.manager or monotonic() - made >= FRESH:
            found = {"run": self._run, **snapshot(self.manager, self._lag)}
            body = json.dumps(found, separators=(",", ":")).encode()
            self._latest = found["time"], self.manager, body
        return Response(200, (("Content-Type", "application/json"), *HEADERS), body)

    def _exchange(self, given: str, request: Request, base: str, secure: bool) -> Response:
        """Give a browser that has the token a cookie for it, and an address without it."""
        if not self._is_token(given):
            logger.info("%s: a wrong token for the dashboard", request.remote_address)
            return NO_TOKEN
        # Lax, for Strict would leave it out where a link to here is followed
        attributes = f"Path={base or '/'}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
        return _redirect(base, ("Set-Cookie", f"{_name_for(request)}={self._cookie}; {attributes}"))

    def _is_known(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given.strip()):
            return True
        cookie = request.cookies.get(_name_for(request), "")
        return compare_digest(cookie.encode(), self._cookie.encode())

    def _is_token(self, given: str) -> bool:
        return compare_digest(given.encode(errors="replace"), self._token)


def _name_for(request: Request) -> str:
    """Return the cookie's name, with the port in it: a host's cookies go to all ports."""
    port = request.headers.get("Host", "").rpartition(":")[2]
    return f"{COOKIE}_{port}" if port.isascii() and port.isdigit() and len(port) < 6 else COOKIE


def is_prefix(prefix: str) -> bool:
    """Return whether *prefix* is "/" and a name, or several, that need no quoting."""
    names = prefix.split("/")
    return names[0] == "" and len(names) > 1 and all(_is_name(name) for name in names[1:])


def _is_name(name: str) -> bool:
    plain = name.replace("-", "").replace("_", "").replace(".", "").replace("~", "")
    return plain.isascii() and plain.isalnum()


def _redirect(base: str, *more: tuple[str, str]) -> Response:
    return Response(303, (("Location", f"{base}/"), *more, *HEADERS))
