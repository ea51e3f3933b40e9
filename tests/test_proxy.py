"""Which proxy leads where, and what is said to one that speaks HTTP; no network is needed."""

from __future__ import annotations

import pytest

from geventws.core.errors import InvalidHandshake
from geventws.opening import CutShort
from geventws.proxy import (
    Proxy,
    ProxyRejected,
    parse_proxy,
    proxy_for,
    read_tunnel,
    tunnel_request,
)
from geventws.uri import parse_uri

PLAIN, SECURE = parse_uri("ws://example.org/"), parse_uri("wss://example.org/")
NAMES = ("ws", "wss", "http", "https", "socks", "all", "no")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://example.org", ("http", "example.org", 80, None, "")),
        ("example.org:3128", ("http", "example.org", 3128, None, "")),
        ("https://Example.org/", ("https", "example.org", 443, None, "")),
        ("socks5h://[::1]", ("socks5h", "::1", 1080, None, "")),
        ("socks5://u:p%40w@a:9", ("socks5", "a", 9, "u", "p@w")),
        ("SOCKS4A://u@a", ("socks4a", "a", 1080, "u", "")),
        ("http://\xe9:w@a", ("http", "a", 80, "\xe9", "w")),
    ],
)
def test_proxy_is_what_its_address_says(url: str, proxy: tuple[str, str, int, str, str]) -> None:
    assert parse_proxy(url) == Proxy(*proxy)


def test_proxy_shows_no_password() -> None:
    assert repr(parse_proxy("http://ann:secret@a")) == "<Proxy http://a:80>"


@pytest.mark.parametrize("scheme", ["http", "https", "socks4a", "socks5h"])
def test_proxy_looks_names_up_itself_where_it_can(scheme: str) -> None:
    assert parse_proxy(f"{scheme}://a").looks_up
    assert not parse_proxy("socks4://a").looks_up
    assert not parse_proxy("socks5://a").looks_up


# The environment


def host_for(secure: bool, **variables: str) -> str | None:
    """Return the host of the proxy that *variables* lead through."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        found = proxy_for(SECURE if secure else PLAIN, True)
        return None if found is None else found.host


@pytest.mark.parametrize(
    ("secure", "names"),
    [
        (True, ["wss", "https", "socks", "all"]),
        (False, ["ws", "http", "socks", "all"]),
    ],
)
def test_environment_is_searched_from_the_narrow_to_the_wide(
    secure: bool, names: list[str]
) -> None:
    while names:
        variables = {f"{name}_proxy": f"http://{name}.example" for name in names}
        assert host_for(secure, **variables) == f"{names.pop(0)}.example"
    assert host_for(secure, ws_proxy="") is None
    assert host_for(secure) is None


def test_environment_of_one_scheme_is_not_for_the_other() -> None:
    assert host_for(True, ws_proxy="http://a", http_proxy="http://a") is None
    assert host_for(False, wss_proxy="http://a", https_proxy="http://a") is None


@pytest.mark.parametrize(
    ("exceptions", "host"),
    [
        ("example.org", None),
        (".org", None),
        ("*.org", None),
        ("EXAMPLE.org.", None),
        ("a b", "a"),
        ("a example.org", None),
        (".example.org:443", None),
        ("ample.org", "a"),
        ("., [], :443, example.org:99999", "a"),
        ("*", None),
        ("example.org:443", None),
        ("example.org:80", "a"),
        ("example.com", "a"),
        ("", "a"),
    ],
)
def test_environment_names_exceptions(exceptions: str, host: str | None) -> None:
    assert host_for(True, wss_proxy="http://a", no_proxy=exceptions) == host


@pytest.mark.parametrize(
    ("url", "exceptions"),
    [
        ("ws://10.1.2.3/", "10.0.0.0/8"),
        ("ws://10.1.2.3:9/", "10.0.0.0/8:9"),
        ("ws://10.1.2.3/", "10.1.2.3"),
        ("ws://[fd00::1]/", "fd00::/8"),
        ("ws://[fe80::1%25eth0]/", "[fe80::]/10, fe80::1"),
        ("ws://[0:0::1]/", "::1"),
    ],
)
def test_environment_names_networks(
    environment: pytest.MonkeyPatch, url: str, exceptions: str
) -> None:
    environment.setenv("all_proxy", "http://a")
    environment.setenv("no_proxy", exceptions)
    assert proxy_for(parse_uri(url), True) is None
    assert proxy_for(parse_uri("ws://192.0.2.1:9/"), True)
    assert proxy_for(parse_uri("ws://[2001:db8::1]/"), True)


def test_environment_takes_no_header_for_a_proxy(environment: pytest.MonkeyPatch) -> None:
    """In CGI the request's Proxy header is HTTP_PROXY."""
    environment.setenv("REQUEST_METHOD", "GET")
    assert host_for(False, HTTP_PROXY="http://a") is None
    assert host_for(False, http_proxy="http://a") == "a"
    assert host_for(True, HTTPS_PROXY="http://a") == "a"


def test_environment_prefers_small_letters() -> None:
    assert host_for(True, ALL_PROXY="http://a", all_proxy="http://b") == "b"
    assert host_for(True, ALL_PROXY="http://a", all_proxy="") is None


@pytest.mark.parametrize("exceptions", ["::1", "[::1]", "[::1]:9", "a, ::1"])
def test_environment_names_ipv6_exceptions(
    environment: pytest.MonkeyPatch, exceptions: str
) -> None:
    environment.setenv("all_proxy", "http://a")
    where = parse_uri("ws://[::1]:9/")
    assert proxy_for(where, True)
    environment.setenv("no_proxy", exceptions)
    assert proxy_for(where, True) is None


def test_environment_may_leave_out_that_socks_is_socks(
    environment: pytest.MonkeyPatch,
) -> None:
    for value in ("a:9", "http://a:9", "socks5://a:9"):
        environment.setenv("socks_proxy", value)
        assert proxy_for(PLAIN, True) == Proxy("socks5h", "a", 9, None, "")


def test_environment_that_names_no_proxy_is_refused_unsaid(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("all_proxy", "ftp://ann:secret@a")
    with pytest.raises(ValueError, match=r"^proxy: a scheme other than http") as caught:
        proxy_for(PLAIN, True)
    assert str(caught.value).endswith(", as all_proxy of the environment")
    assert "secret" not in str(caught.value)


def test_no_proxy_is_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("all_proxy", "http://a")
    assert proxy_for(PLAIN, None) is None
    assert proxy_for(parse_uri("ws+unix:///a"), True) is None


# HTTP


@pytest.mark.parametrize(
    ("host", "target"),
    [("example.org", "example.org:80"), ("::1", "[::1]:80"), ("fe80::1%eth0", "[fe80::1]:80")],
)
def test_tunnel_is_asked_for_by_host_and_port(host: str, target: str) -> None:
    request = tunnel_request(parse_proxy("http://a"), host, 80)
    assert request.decode() == f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"


def test_tunnel_is_asked_for_with_credentials() -> None:
    request = tunnel_request(parse_proxy("http://Aladdin:open%20sesame@a"), "b", 80)
    assert b"\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n" in request


def answered(*portions: bytes) -> bool:
    """Return whether the way is open after *portions* of an answer."""
    answer = read_tunnel()
    next(answer)
    try:
        for portion in portions:
            answer.send(portion)
    except StopIteration:
        return True
    return False


def test_tunnel_is_open_after_any_2xx() -> None:
    assert answered(b"HTTP/1.1 200 OK\r\n\r\n")
    assert answered(b"HTTP/1.0 299 \r\nContent-Length: 5\r\n", b"\r\n")
    assert answered(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 \r\n\r\n")
    assert not answered(b"HTTP/1.1 200 OK\r\n")
    assert not answered(b"HTTP/1.1 102 Processing\r\n\r\n")
    assert answered(b"HTTP/1.1 102 \r\n\r\n" * 10, b"HTTP/1.1 200 \r\n\r\n")


def test_tunnel_is_not_waited_for_behind_ever_more_heads() -> None:
    with pytest.raises(InvalidHandshake, match=r"^the proxy's answer: more than 10 answers of 1xx"):
        answered(b"HTTP/1.1 102 \r\n\r\n" * 11)


@pytest.mark.parametrize("status", [101, 302, 403, 407, 502])
def test_tunnel_is_refused_with_any_other_status(status: int) -> None:
    with pytest.raises(ProxyRejected, match=rf"^the proxy answered {status}") as caught:
        answered(f"HTTP/1.1 {status} \r\nX: y\r\n\r\n".encode())
    assert (caught.value.status, caught.value.headers["x"], caught.value.body) == (status, "y", b"")


def test_tunnel_whose_answer_ends_early_is_cut_short() -> None:
    with pytest.raises(CutShort, match=r"^the proxy's answer: the stream ends"):
        answered(b"HTTP/1.1 200 OK\r\n", b"")


def test_tunnel_with_something_in_it_is_refused() -> None:
    with pytest.raises(InvalidHandshake, match=r"^the proxy's answer: more than a head$"):
        answered(b"HTTP/1.1 200 OK\r\n\r\nx")
