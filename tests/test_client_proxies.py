"""connect() through proxies on real sockets: which one, what it is told, what it may answer."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

import geventws
from geventws.proxy import ProxyRejected
from geventws.tls import default_context
from tests.proxying import OPENED, proxying
from tests.servers import (
    authority,
    certified,
    echo,
    header,
    name_server,
    read_head,
    refusing_port,
    saying,
    serving,
    silent,
    trusting,
)

pytestmark = pytest.mark.usefixtures("leaks_nothing")
SECRET = "s3cret"
VARIABLES = [f"{name}_proxy" for name in ("ws", "wss", "http", "https", "socks", "all", "no")]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def talk(url: str, **arguments: Any) -> None:
    """Have a message sent back."""
    with geventws.connect(url, **arguments) as ws:
        ws.send("x" * 100_000)
        assert ws.receive(timeout=10) == "x" * 100_000
    assert ws.close_code == 1000


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize(
    ("speaks", "scheme", "asked"),
    [
        ("http", "http", "localhost"),
        ("socks5", "socks5h", "localhost"),
        ("socks5", "socks5", "127.0.0.1"),
        ("socks4", "socks4a", "localhost"),
        ("socks4", "socks4", "127.0.0.1"),
    ],
)
def test_client_talks_through_a_proxy(speaks: str, scheme: str, asked: str, secure: bool) -> None:
    context, trust = (certified("localhost"), trusting()) if secure else (None, None)
    with (
        serving(echo, context=context) as server,
        proxying(speaks, ("ann", SECRET)) as proxy,
        name_server(lambda _: ["127.0.0.1"]),
    ):
        url = f"{'wss' if secure else 'ws'}://localhost:{server.port}/"
        talk(url, ssl=trust, proxy=f"{scheme}://ann:{SECRET}@127.0.0.1:{proxy.port}")
        assert proxy.asked == [(asked, server.port)]


def test_client_leaves_names_to_the_proxy() -> None:
    with serving(echo) as server, proxying(aliases={"inner.example": "127.0.0.1"}) as proxy:
        url = f"ws://inner.example:{server.port}/"
        talk(url, proxy=f"127.0.0.1:{proxy.port}")


@pytest.mark.parametrize(("speaks", "scheme"), [("http", "http"), ("socks5", "socks5")])
def test_client_names_ipv6_to_the_proxy(speaks: str, scheme: str) -> None:
    with serving(echo, ("::1", 0)) as server, proxying(speaks) as proxy:
        talk(f"ws://[::1]:{server.port}/", proxy=f"{scheme}://127.0.0.1:{proxy.port}")
        assert proxy.asked == [("::1", server.port)]


def test_client_has_no_ipv6_for_socks4() -> None:
    with proxying("socks4") as proxy, pytest.raises(OSError, match=r"socks4 has no IPv6"):
        geventws.connect("ws://[::1]:9/", proxy=f"socks4://127.0.0.1:{proxy.port}")


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_client_talks_over_tls_to_the_proxy(environment: pytest.MonkeyPatch, scheme: str) -> None:
    context = certified("localhost", "127.0.0.1")
    with (
        authority().cert_pem.tempfile() as trusted,
        serving(echo, context=context if scheme == "wss" else None) as server,
        proxying(context=context) as proxy,
    ):
        environment.setenv("SSL_CERT_FILE", trusted)
        default_context.cache_clear()
        try:
            talk(f"{scheme}://127.0.0.1:{server.port}/", proxy=f"https://localhost:{proxy.port}")
        finally:
            default_context.cache_clear()


def test_client_connects_to_the_proxy_from_the_source_address() -> None:
    with serving(echo) as server, proxying() as proxy:
        source = ("127.0.0.7", 0)
        url = f"ws://127.0.0.1:{server.port}/"
        talk(url, proxy=f"http://127.0.0.1:{proxy.port}", source_address=source)
        assert proxy.server.clients[0][0] == "127.0.0.7"


# What the environment says


@pytest.mark.parametrize("name", ["ws_proxy", "HTTP_PROXY", "all_proxy"])
def test_client_takes_the_proxy_of_the_environment(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    with serving(echo) as server, proxying() as proxy:
        url = f"ws://127.0.0.1:{server.port}/"
        environment.setenv(name, f"http://127.0.0.1:{proxy.port}")
        talk(url)
        assert len(proxy.asked) == 1
        talk(url, proxy=None)
        environment.setenv("no_proxy", "other.example,127.0.0.1")
        talk(url)
        assert len(proxy.asked) == 1


def test_client_needs_no_proxy_for_a_unix_socket(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("all_proxy", f"http://127.0.0.1:{refusing_port()}")
    with pytest.raises(FileNotFoundError):
        geventws.connect(f"ws+unix://{tmp_path}/none")


# What goes wrong


@pytest.mark.parametrize("user", ["", "ann@", "ann:wrong@"])
def test_client_tells_that_an_http_proxy_wants_credentials(user: str) -> None:
    with proxying(user=("ann", SECRET)) as proxy, pytest.raises(ProxyRejected) as caught:
        geventws.connect("ws://127.0.0.1:9/", proxy=f"http://{user}127.0.0.1:{proxy.port}")
    assert caught.value.status == 407
    assert str(caught.value) == "the proxy answered 407, it wants credentials"


@pytest.mark.parametrize("user", ["", "ann:wrong@"])
@pytest.mark.parametrize("speaks", ["socks5", "socks4"])
def test_client_tells_that_a_socks_proxy_wants_others(speaks: str, user: str) -> None:
    user = user.replace("ann", "bob") if speaks == "socks4" else user
    with proxying(speaks, user=("ann", SECRET)) as proxy, pytest.raises(PermissionError) as caught:
        geventws.connect("ws://127.0.0.1:9/", proxy=f"{speaks}://{user}127.0.0.1:{proxy.port}")
    assert str(caught.value).startswith("the proxy: ")


def test_client_follows_no_redirect_of_a_proxy() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/\r\n\r\n"
    with serving(saying(answer)) as proxy, pytest.raises(ProxyRejected) as caught:
        geventws.connect("ws://127.0.0.1:9/", proxy=f"http://127.0.0.1:{proxy.port}")
    assert str(caught.value) == "the proxy answered 302"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "the stream ends before"),
        (b"SSH-2.0\r\n\r\n", "malformed status line"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9000, "over 8192 bytes"),
        (OPENED + b"HTTP", "more than a head"),
        (b"HTTP/1.1 100 \r\n\r\n" * 5000, "more than 10 answers of 1xx"),
    ],
)
def test_client_refuses_an_answer_that_is_none(answer: bytes, why: str) -> None:
    with (
        serving(saying(answer)) as proxy,
        pytest.raises(geventws.InvalidHandshake, match=rf"^the proxy's answer: .*{why}"),
    ):
        geventws.connect("ws://127.0.0.1:9/", proxy=f"http://127.0.0.1:{proxy.port}")


def test_client_raises_where_a_socks_proxy_leaves() -> None:
    with serving(lambda sock: None) as proxy, pytest.raises(ConnectionError):
        geventws.connect("ws://127.0.0.1:9/", proxy=f"socks5://127.0.0.1:{proxy.port}")


def test_client_raises_where_no_proxy_listens() -> None:
    with pytest.raises(ConnectionRefusedError):
        geventws.connect("ws://127.0.0.1:9/", proxy=f"http://127.0.0.1:{refusing_port()}")


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_client_gives_a_silent_proxy_up_in_time(scheme: str) -> None:
    with serving(silent) as proxy:
        url = f"{scheme}://127.0.0.1:{proxy.port}"
        with pytest.raises(TimeoutError, match=r"^the proxy took longer than open_timeout$"):
            geventws.connect("ws://127.0.0.1:9/", proxy=url, open_timeout=0.2)
        limit = gevent.Timeout(0.2)
        with pytest.raises(gevent.Timeout) as caught, limit:
            geventws.connect("ws://127.0.0.1:9/", proxy=url)
        assert caught.value is limit


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_client_lets_others_run_while_a_proxy_thinks(scheme: str) -> None:
    asked, answer = Event(), Event()

    def think(sock: Any) -> None:
        sock.recv(1)
        asked.set()
        answer.wait()

    with serving(think) as proxy:
        url = f"{scheme}://127.0.0.1:{proxy.port}"
        connecting = gevent.spawn(geventws.connect, "ws://127.0.0.1:9/", proxy=url)
        try:
            assert asked.wait(10)  # which could not be, were this thread blocked
        finally:
            answer.set()
            connecting.kill()


# Credentials


def test_client_keeps_the_proxys_and_the_servers_credentials_apart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heads: list[bytes] = []

    def refuse(sock: Any) -> None:
        heads.append(read_head(sock))
        sock.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

    with (
        serving(refuse) as server,
        proxying(user=("ann", SECRET)) as proxy,
        caplog.at_level(logging.DEBUG),
        pytest.raises(geventws.Rejected),
    ):
        geventws.connect(
            f"ws://eve:other@127.0.0.1:{server.port}/",
            proxy=f"http://ann:{SECRET}@127.0.0.1:{proxy.port}",
        )
    assert b"\r\nAuthorization" not in proxy.heads[0]
    assert b"Proxy-Authorization" not in heads[0]
    assert header(heads[0], "Authorization") == "Basic ZXZlOm90aGVy"
    assert "CONNECT" in caplog.text
    for each in (SECRET, "other", "YW5uOnMzY3JldA==", "ZXZlOm90aGVy"):
        assert each not in caplog.text


# Wrong arguments


@pytest.mark.parametrize(
    "proxy",
    [
        *("ftp://a", "http://", "http://a:0", "http://a:b", "http://a:99999", "http://a/b"),
        *("http://a?b", "http://u%3Av:w@a", "socks5://\xe9:w@a", f"socks5://{'u' * 256}:w@a"),
        *("socks4a://u%00evil.example%00@a", "http://%ff:w@a", "http://a b", f"http://{'a' * 64}"),
    ],
)
def test_client_refuses_what_is_no_proxy(proxy: str) -> None:
    with pytest.raises(ValueError, match=r"^proxy: ") as caught:
        geventws.connect("ws://127.0.0.1:9/", proxy=proxy)
    assert proxy not in str(caught.value)


@pytest.mark.parametrize("proxy", [False, 5, b"http://a", ["http://a"]])
def test_client_refuses_a_proxy_of_another_type(proxy: Any) -> None:
    with pytest.raises(TypeError, match=r"^proxy: a str, True or None"):
        geventws.connect("ws://127.0.0.1:9/", proxy=proxy)


def test_client_refuses_a_proxy_that_cannot_lead_there() -> None:
    with pytest.raises(ValueError, match=r"^proxy: a unix socket is reached without"):
        geventws.connect("ws+unix:///a", proxy="http://a")
