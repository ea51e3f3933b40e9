"""What a client asks for on its way: at the first address, and at those it is sent on to.

Asking.opening -> request    response -> Asking.note -> Accepted | Rejected -> Asking.follow
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urldefrag, urljoin

from geventws.cookies import Jar, check_jar, cookies_for, http_url, keep_cookies
from geventws.core.errors import InvalidHandshake, InvalidURI, Rejected
from geventws.core.handshake import HANDSHAKE, Opening, user_subprotocols
from geventws.core.headers import HeaderItems, Headers, user_headers
from geventws.credentials import Auth, authorization, split_credentials
from geventws.options import Options
from geventws.uri import URI, parse_uri

REDIRECTS: Final = 5
_REDIRECTS: Final = {301, 302, 303, 307, 308}  # RFC 9110 15.4
_ASCII: Final = "".join(map(chr, range(128)))
_SCHEMES: Final = {"http": "ws", "https": "wss"}


class Asking:
    """What one connect() asks for.

    Attributes:
        where: where the server is, or to where the last one sent us on.
        is_home: whether no redirect has led to another origin yet.
    """

    def __init__(
        self,
        url: str,
        options: Options,
        subprotocols: Sequence[str] = (),
        headers: HeaderItems = (),
        origin: str | None = None,
        redirects: int = REDIRECTS,
        auth: Auth = None,
        cookies: Jar | None = None,
    ) -> None:
        """Take the arguments of connect().

        Raises:
            InvalidURI: *url* is no address of a WebSocket server.
            TypeError, ValueError: another argument is wrong.
        """
        plain, own = split_credentials(url)
        self.where = parse_uri(plain)
        if auth is not None and own is not None:
            raise ValueError("auth: the url has credentials too")
        check_redirects(redirects)
        check_jar(cookies)
        self.is_home = True
        self._options = options
        self._subprotocols = user_subprotocols(subprotocols)
        self._headers = user_headers(headers, HANDSHAKE)
        self._origin = origin
        self._left = self._allowed = redirects
        self._auth = own if auth is None else auth
        self._cookies = cookies

    @property
    def asks_for_credentials(self) -> bool:
        """Whether opening() calls code of the caller, which may take its time."""
        return callable(self._auth) or self._cookies is not None

    def opening(self) -> Opening:
        """Return the opening handshake with the server at *where*, with a key of its own.

        Raises:
            TypeError, ValueError: an argument cannot be sent; a header is the handshake's own.
            Exception: whatever a callable given as auth raises.
        """
        items = self._headers.items()
        if self._auth is not None:
            self._refuse_header("Authorization", "auth")
            items.append(("Authorization", authorization(self._auth)))
        if self._cookies is not None:
            self._refuse_header("Cookie", "cookies")
            cookie = cookies_for(self.where, self._cookies)
            items += [] if cookie is None else [("Cookie", cookie)]
        return Opening(
            self.where.authority,
            self.where.target,
            subprotocols=self._subprotocols,
            compression=self._options.compression,
            origin=self._origin,
            headers=items,
        )

    def _refuse_header(self, name: str, argument: str) -> None:
        if name in self._headers:
            raise ValueError(f"{argument}: the headers have {name} too")

    def note(self, headers: Headers) -> None:
        """Take note of the *headers* of an answer from *where*: the cookies that it sets."""
        if self._cookies is not None:
            keep_cookies(self.where, headers, self._cookies)

    def follow(self, rejected: Rejected) -> None:
        """Go on to where the server sent us with *rejected*; to another origin without secrets.

        Raises:
            Rejected: it sent us nowhere, or we do not follow.
            InvalidHandshake: it sent us on too often, to a weaker scheme, or to no WebSocket.
        """
        location = rejected.headers.get("Location")
        if rejected.status not in _REDIRECTS or location is None or not self._allowed:
            raise rejected
        if not self._left:
            raise InvalidHandshake(f"more redirects than {self._allowed}") from rejected
        self._left -= 1
        try:
            there = _there(self.where, location)
        except ValueError:
            raise InvalidHandshake("a redirect to no address of a WebSocket server") from rejected
        if self.where.secure and not there.secure:
            raise InvalidHandshake("a redirect to a weaker scheme") from rejected
        same = (self.where.secure, self.where.authority) == (there.secure, there.authority)
        if same:  # by the same way: a unix socket, or the zone of an address
            self.where = self.where._replace(target=there.target)
            return
        if self.where.path is not None:
            raise InvalidHandshake("a redirect from a unix socket elsewhere") from rejected
        self.where = there
        # and not again where it leads back, for who knows what came of it
        self.is_home = False
        self._auth = None
        self._headers = Headers()


def check_redirects(redirects: object) -> None:
    """Raise TypeError or ValueError where *redirects*, an argument of that name, are no number."""
    if isinstance(redirects, bool) or not isinstance(redirects, int):
        raise TypeError("redirects: an int")
    if redirects < 0:
        raise ValueError("redirects: must be 0 or greater")


def _there(here: URI, location: str) -> URI:
    """Return where *location* is, seen from *here*: a reference to http or ws (RFC 9110 10.2.2)."""
    location = quote(location, safe=_ASCII, encoding="latin-1")  # bytes of UTF-8, for the most part
    target, _ = urldefrag(urljoin(http_url(here), _http(location)))
    scheme, colon, rest = target.partition(":")
    url, _ = split_credentials(f"{_SCHEMES.get(scheme.lower(), scheme)}{colon}{rest}")
    there = parse_uri(url)
    if there.path is not None:
        raise InvalidURI("url: a unix socket")
    return there


def _http(location: str) -> str:
    """Return *location* with the scheme of HTTP, which urljoin() knows to resolve."""
    scheme, colon, rest = location.partition(":")
    http = {"ws": "http", "wss": "https"}.get(scheme.lower())
    return location if http is None else f"{http}{colon}{rest}"
