"""connect() with credentials, cookies and redirects: what is asked for, and of whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from gevent import socket

import geventws
from geventws.asking import REDIRECTS, Asking
from geventws.core.errors import InvalidHandshake, InvalidURI, Rejected
from geventws.core.headers import Headers
from geventws.options import Options
from tests.servers import (
    accept,
    certified,
    echo,
    header,
    read_head,
    response,
    serving,
    trusting,
)

pytestmark = pytest.mark.usefixtures("leaks_nothing")


class Sending:
    """A server that answers with what each path is given, and accepts where that is nothing.

    Attributes:
        heads: what it was asked for, in order.
    """

    def __init__(self, **answers: tuple[str, ...]) -> None:
        self.answers = answers
        self.heads: list[bytes] = []
        self.port = 0

    def __call__(self, sock: Any) -> None:
        head = read_head(sock)
        self.heads.append(head)
        path = head.split(b" ")[1].decode().strip("/").partition("?")[0]
        status, *lines = self.answers.get(path, ("403 Forbidden",))
        sock.sendall(response(f"HTTP/1.1 {status}", "Content-Length: 0", *lines))

    def values(self, name: str) -> list[str]:
        """Return the values of one header in all that was asked for; "" where it was not there."""
        has = f"\r\n{name}:".encode()
        return [header(head, name) if has in head else "" for head in self.heads]


@contextmanager
def sending(*, host: str = "127.0.0.1", context: Any = None, **answers: Any) -> Iterator[Sending]:
    sender = Sending(**answers)
    with serving(sender, (host, 0), context) as server:
        sender.port = server.port
        yield sender


def to(location: str, status: str = "302 Found") -> tuple[str, str]:
    return status, f"Location: {location}"


def refused(url: str, **arguments: Any) -> geventws.HandshakeError:
    """Return what connect() raises."""
    with pytest.raises(geventws.HandshakeError) as caught:
        geventws.connect(url, proxy=None, **arguments)
    return caught.value


def status_of(error: Exception) -> int:
    assert isinstance(error, Rejected)
    return error.status


# Credentials


def test_client_sends_credentials_as_basic_authentication() -> None:
    with sending() as server:
        url = f"127.0.0.1:{server.port}/"
        refused(f"ws://{url}", auth=("Aladdin", "open sesame"))
        refused(f"ws://Aladdin:open%20sesame@{url}")
        refused(f"ws://b%C3%BCb@{url}")
        refused(f"ws://{url}")
    assert server.values("Authorization") == [
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Basic YsO8Yjo=",
        "",
    ]
    assert server.values("Host") == [f"127.0.0.1:{server.port}"] * 4


def test_client_asks_its_callable_for_each_request() -> None:
    tokens = count(1)
    with sending(first=to("/second")) as server:
        refused(f"ws://127.0.0.1:{server.port}/first", auth=lambda: f"Bearer {next(tokens)}")
    assert server.values("Authorization") == ["Bearer 1", "Bearer 2"]


def test_client_raises_what_its_callable_raises() -> None:
    def fail() -> str:
        raise LookupError("no token")

    with pytest.raises(LookupError, match="no token"):
        geventws.connect("ws://127.0.0.1:9/", auth=fail)


def test_client_gives_its_callable_no_longer_than_the_opening() -> None:
    near, far = socket.socketpair()
    with near, far, pytest.raises(TimeoutError, match=r"^what was given as auth or"):
        geventws.connect("ws://127.0.0.1:9/", auth=lambda: str(near.recv(1)), open_timeout=0.1)


def test_client_gives_its_jar_no_longer_than_the_opening() -> None:
    near, far = socket.socketpair()

    class Slow(CookieJar):
        def add_cookie_header(self, request: Any) -> None:
            near.recv(1)

    with near, far, pytest.raises(TimeoutError, match=r"^what was given as auth or cookies took"):
        geventws.connect("ws://127.0.0.1:9/", cookies=Slow(), open_timeout=0.1)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"auth": "ann:secret"}, "^auth: a pair"),
        ({"auth": ("ann",)}, "^auth: a pair"),
        ({"auth": ()}, "^auth: a pair"),
        ({"auth": ("ann", 5)}, "^auth: a pair"),
        ({"auth": lambda: None}, "^auth: a callable that returns a str, not NoneType"),
        ({"cookies": {"a": "b"}}, "^cookies: an http.cookiejar.CookieJar, not dict"),
        ({"redirects": True}, "^redirects: an int"),
        ({"redirects": None}, "^redirects: an int"),
    ],
)
def test_client_names_the_argument_of_a_wrong_type(arguments: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        geventws.connect("ws://127.0.0.1:9/", **arguments)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"auth": ("a:b", "c")}, "^auth: a user with a colon"),
        ({"auth": ("a", "\ud800")}, "^auth: a lone surrogate"),
        ({"auth": lambda: "a\r\nX: b"}, "^header Authorization has a character"),
        ({"auth": ("a", "b"), "headers": {"authorization": "c"}}, "^auth: the headers have"),
        ({"cookies": CookieJar(), "headers": {"cookie": "a=b"}}, "^cookies: the headers have"),
        ({"redirects": -1}, "^redirects: must be"),
    ],
)
def test_client_names_the_argument_of_a_wrong_value(arguments: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        geventws.connect("ws://127.0.0.1:9/", **arguments)
    assert "X: b" not in str(caught.value)


def test_client_takes_credentials_once() -> None:
    with pytest.raises(ValueError, match=r"^auth: the url has credentials too$"):
        geventws.connect("ws://ann:secret@127.0.0.1:9/", auth=("ann", "secret"))


# Cookies


def test_client_gives_and_takes_cookies() -> None:
    jar = CookieJar()
    answers: dict[str, Any] = {
        "login": ("302 Found", "Location: /room", "Set-Cookie: a=1", "Set-Cookie: b=2; Path=/x"),
        "room": ("403 Forbidden", "Set-Cookie: c=3"),
    }
    with sending(**answers) as server:
        url = f"ws://127.0.0.1:{server.port}"
        for path in ("/login", "/x/y"):
            refused(url + path, cookies=jar)
        assert server.values("Cookie") == ["", "a=1", "b=2; a=1; c=3"]
        refused(url)
        assert server.values("Cookie")[-1] == ""


def test_client_keeps_the_cookie_of_an_acceptance() -> None:
    def serve(sock: Any) -> None:
        accept(sock, "Set-Cookie: seat=12").answer_close()

    jar = CookieJar()
    with serving(serve) as server:
        geventws.connect(f"ws://127.0.0.1:{server.port}/", cookies=jar).close()
    assert [(cookie.name, cookie.value) for cookie in jar] == [("seat", "12")]


def test_client_keeps_secure_cookies_for_tls() -> None:
    jar = CookieJar()
    answers: dict[str, Any] = {"set": ("403 Forbidden", "Set-Cookie: a=1; Secure")}
    with (
        sending(context=certified("127.0.0.1"), **answers) as secure,
        sending() as plain,
    ):
        for path in ("set", "get"):
            refused(f"wss://127.0.0.1:{secure.port}/{path}", cookies=jar, ssl=trusting())
        refused(f"ws://127.0.0.1:{plain.port}/get", cookies=jar)
    assert (secure.values("Cookie"), plain.values("Cookie")) == (["", "a=1"], [""])


def test_client_shares_its_cookies_with_requests() -> None:
    """A session of requests logs in, and its jar opens the WebSocket; and back."""
    answers: dict[str, Any] = {"set": ("403 Forbidden", "Set-Cookie: back=2")}
    with sending(**answers) as server, requests.Session() as session:
        session.cookies.set("session", "1", domain="127.0.0.1", path="/")
        refused(f"ws://127.0.0.1:{server.port}/set", cookies=session.cookies)
    assert server.values("Cookie") == ["session=1"]
    assert session.cookies["back"] == "2"


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("form", ["/there", "there", "//{}/there", "http://{}/there#part"])
def test_client_follows_a_redirect(status: int, form: str) -> None:
    def serve(sock: Any) -> None:
        here = "{}:{}".format(*sock.getsockname())
        head = read_head(sock)
        if head.startswith(b"GET /there "):
            accept_read(sock, head)
        else:
            sock.sendall(response(f"HTTP/1.1 {status} ", f"Location: {form.format(here)}"))

    with serving(serve) as server:
        geventws.connect(f"ws://127.0.0.1:{server.port}/here").drop()
        assert len(server.clients) == 2


def accept_read(sock: Any, head: bytes) -> None:
    """Accept a request that was read."""
    near, far = socket.socketpair()
    with near, far:
        far.sendall(head)
        accept(near)
        sock.sendall(far.recv(65536))


def test_client_follows_to_another_host() -> None:
    with (
        serving(echo, ("127.0.0.2", 0)) as server,
        sending(here=to(f"ws://127.0.0.2:{server.port}/")) as first,
        geventws.connect(f"ws://127.0.0.1:{first.port}/here") as ws,
    ):
        assert ws.peer_address == ("127.0.0.2", server.port)


def test_client_follows_from_tls_to_tls() -> None:
    context = certified("127.0.0.1")
    with (
        serving(echo, context=context) as server,
        sending(here=to(f"https://127.0.0.1:{server.port}/"), context=context) as first,
        geventws.connect(f"wss://127.0.0.1:{first.port}/here", ssl=trusting()) as ws,
    ):
        assert ws.peer_address == ("127.0.0.1", server.port)


def test_client_takes_no_secrets_to_another_origin() -> None:
    jar = CookieJar()
    with sending(host="127.0.0.2") as other, sending() as server:
        server.answers["here"] = (*to("/on"), "Set-Cookie: a=1")
        server.answers["on"] = to(f"http://eve:evil@127.0.0.2:{other.port}/x")
        other.answers["x"] = to(f"ws://127.0.0.1:{server.port}/back")
        refused(
            f"ws://127.0.0.1:{server.port}/here",
            auth=("ann", "secret"),
            headers={"X-Api-Key": "secret", "Host": "example.org"},
            cookies=jar,
            subprotocols=["chat"],
            origin="https://example.org",
        )
    assert server.values("X-Api-Key") == ["secret", "secret", ""]
    assert server.values("Authorization") == ["Basic YW5uOnNlY3JldA=="] * 2 + [""]
    assert other.values("Cookie") == other.values("Authorization") == other.values("X-Api-Key")
    assert other.values("Host") == [f"127.0.0.2:{other.port}"]
    assert other.values("Sec-WebSocket-Protocol") == ["chat"]
    assert other.values("Origin") == ["https://example.org"]
    assert b"secret" not in other.heads[0]
    assert b"evil" not in other.heads[0]


def test_client_follows_so_many_redirects_and_no_more() -> None:
    with sending(here=to("/here")) as server:
        url = f"ws://127.0.0.1:{server.port}/here"
        error = refused(url)
        assert str(error) == f"more redirects than {REDIRECTS}"
        assert isinstance(error.__cause__, Rejected)
        assert len(server.heads) == REDIRECTS + 1
        refused(url, redirects=1)
        assert len(server.heads) == REDIRECTS + 3


def test_client_that_follows_none_raises_the_redirect() -> None:
    with sending(here=to("/there")) as server:
        error = refused(f"ws://127.0.0.1:{server.port}/here", redirects=0)
    assert (status_of(error), len(server.heads)) == (302, 1)


def test_client_never_follows_to_a_weaker_scheme() -> None:
    with (
        serving(echo) as plain,
        sending(context=certified("127.0.0.1")) as server,
    ):
        for scheme in ("ws", "http"):
            server.answers["here"] = to(f"{scheme}://127.0.0.1:{plain.port}/")
            error = refused(f"wss://127.0.0.1:{server.port}/here", ssl=trusting())
            assert isinstance(error, InvalidHandshake)
            assert str(error) == "a redirect to a weaker scheme"
        assert plain.clients == []


@pytest.mark.parametrize(
    "location",
    ["ftp://127.0.0.1/", "mailto:a", "http://[::1/", "http://a b/", "ws+unix:///a", "http://a:0/"],
)
def test_client_follows_to_nothing_but_a_websocket(location: str) -> None:
    with sending(here=to(location)) as server:
        error = refused(f"ws://127.0.0.1:{server.port}/here")
    assert str(error) == "a redirect to no address of a WebSocket server"


@pytest.mark.parametrize("status", [200, 300, 304, 401])
def test_client_follows_a_location_in_a_redirect_alone(status: int) -> None:
    with sending(here=to("/there", f"{status} ")) as server:
        assert status_of(refused(f"ws://127.0.0.1:{server.port}/here")) == status


def test_client_that_is_sent_nowhere_raises_the_redirect() -> None:
    with sending(here=("302 Found",)) as server:
        assert status_of(refused(f"ws://127.0.0.1:{server.port}/here")) == 302


def test_client_stays_on_its_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    sender = Sending(here=to("http://localhost/there"), out=to("http://127.0.0.1:9/"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with serving(sender, listener):
            assert status_of(refused(f"ws+unix://{path}:/here")) == 403
            error = refused(f"ws+unix://{path}:/out")
    assert [head.split(b" ")[1] for head in sender.heads] == [b"/here", b"/there", b"/out"]
    assert str(error) == "a redirect from a unix socket elsewhere"


def test_asking_goes_on_within_the_zone_of_an_address() -> None:
    asking = Asking("ws://[fe80::1%25eth0]:9/a", Options())
    asking.follow(Rejected(302, Headers([("Location", "http://[fe80::1]:9/b")]), b""))
    assert (asking.where.host, asking.where.target) == ("fe80::1%eth0", "/b")
    assert asking.is_home


def test_asking_takes_what_is_not_ascii_as_the_bytes_that_came() -> None:
    asking = Asking("ws://example.org/", Options())
    location = "/caf\xe9/%41?\xfc".encode().decode("latin-1")  # as heads are read
    asking.follow(Rejected(302, Headers([("Location", location)]), b""))
    assert asking.where.target == "/caf%C3%A9/%41?%C3%BC"


def test_asking_goes_on_from_where_it_was_sent() -> None:
    asking = Asking("ws://Example.org/a/b?c", Options())
    asking.follow(Rejected(302, Headers([("Location", "../d?e")]), b""))
    assert (asking.where.host, asking.where.target) == ("example.org", "/d?e")
    with pytest.raises(InvalidURI):
        Asking("http://example.org/", Options())
