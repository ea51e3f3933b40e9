"""Whom a proxy is believed, and whom it names."""

from __future__ import annotations

from typing import Any

import pytest

from geventws.core.handshake import Request
from geventws.trusted import TrustedProxies, group_of, parse_address

OURS = TrustedProxies(["10.0.0.0/8", "2001:db8:1::/48"])


def asking(*headers: str) -> Request:
    """Return a request with *headers*."""
    return Request("\r\n".join(["GET / HTTP/1.1", *headers]).encode())


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        (("10.1.2.3", 80), True),
        (("::ffff:10.1.2.3", 80, 0, 0), True),
        (("2001:db8:1::5", 80, 0, 0), True),
        (("11.1.2.3", 80), False),
        (("2001:db8:2::5", 80, 0, 0), False),
        ("", False),
    ],
)
def test_proxies_are_trusted_by_their_networks(address: Any, trusted: bool) -> None:
    assert OURS.trusts(address) is trusted


def test_nobody_is_trusted_unless_somebody_is_named() -> None:
    assert not TrustedProxies().trusts(("127.0.0.1", 80))
    assert not TrustedProxies().trusts("")


def test_peers_of_a_unix_socket_are_trusted_by_name() -> None:
    proxies = TrustedProxies(["unix"])
    assert proxies.trusts("")
    assert not proxies.trusts(("127.0.0.1", 80))


@pytest.mark.parametrize(
    ("given", "client"),
    [
        ("192.0.2.1", ("192.0.2.1", 0)),
        ("192.0.2.1:4711", ("192.0.2.1", 4711)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("[2001:db8::1]", ("2001:db8::1", 0)),
        ("[2001:db8::1]:4711", ("2001:db8::1", 4711)),
        ("::ffff:192.0.2.1", ("192.0.2.1", 0)),
        ("spoofed, 192.0.2.1", ("192.0.2.1", 0)),
        ("192.0.2.9, 192.0.2.1", ("192.0.2.1", 0)),
        ("192.0.2.9, 192.0.2.1, 10.0.0.7", ("192.0.2.1", 0)),
        ("192.0.2.1, 10.0.0.7,, 10.0.0.8", ("192.0.2.1", 0)),
        ("192.0.2.1, unknown, 10.0.0.8", ("10.0.0.8", 0)),
        ("10.0.0.9, 10.0.0.8", ("10.0.0.9", 0)),
        ("unknown", None),
        ("", None),
    ],
)
def test_client_is_the_last_one_named_who_is_no_proxy(given: str, client: Any) -> None:
    assert OURS.client_of(asking(f"X-Forwarded-For: {given}")) == client


def test_client_is_looked_for_in_all_headers_of_the_name() -> None:
    request = asking("X-Forwarded-For: 192.0.2.9", "x-forwarded-for: 192.0.2.1, 10.0.0.7")
    assert OURS.client_of(request) == ("192.0.2.1", 0)


def test_client_is_looked_for_behind_32_proxies_and_no_more() -> None:
    for proxies, client in ((31, "192.0.2.1"), (32, "10.0.0.7")):
        named = ", ".join(["192.0.2.1", *["10.0.0.7"] * proxies])
        assert OURS.client_of(asking(f"X-Forwarded-For: {named}")) == (client, 0)


def test_client_is_nobody_where_no_proxy_names_one() -> None:
    assert OURS.client_of(asking("Forwarded: for=192.0.2.1")) is None
    assert OURS.is_secure(asking("Forwarded: proto=https")) is None


@pytest.mark.parametrize(
    ("given", "secure"),
    [("https", True), ("http, HTTPS", True), ("wss", True), ("https, http", False), ("ftp", None)],
)
def test_scheme_is_what_the_last_proxy_says(given: str, secure: bool | None) -> None:
    assert OURS.is_secure(asking(f"X-Forwarded-Proto: {given}")) is secure


@pytest.mark.parametrize("given", ["10.0.0.0/8", 5, None, [5], [b"10.0.0.1"]])
def test_networks_are_a_list_of_str(given: Any) -> None:
    with pytest.raises(TypeError, match=r"^trusted_proxies: "):
        TrustedProxies(given)


@pytest.mark.parametrize("given", ["localhost", "10.0.0.1/8", "", "*"])
def test_network_is_one(given: str) -> None:
    with pytest.raises(ValueError, match=r"^trusted_proxies: no network, "):
        TrustedProxies([given])


@pytest.mark.parametrize(
    ("address", "group"),
    [
        (("192.0.2.1", 80), "192.0.2.1"),
        (("::ffff:192.0.2.1", 80, 0, 0), "192.0.2.1"),
        (("2001:db8:0:1::5", 80, 0, 0), "2001:db8:0:1::/64"),
        (("2001:db8:0:1:ffff::", 80, 0, 0), "2001:db8:0:1::/64"),
        (("fe80::1%eth0", 80, 0, 2), "fe80::/64"),
        (("somewhere", 80), "somewhere"),
        ("", ""),
        (None, ""),
    ],
)
def test_addresses_of_one_site_count_as_one(address: Any, group: str) -> None:
    assert group_of(address) == group


def test_address_is_none_where_there_is_none() -> None:
    assert parse_address("unknown") is None
