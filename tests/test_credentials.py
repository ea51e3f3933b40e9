"""What becomes of a user and a password, and which addresses have them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.core.errors import InvalidURI
from geventws.credentials import authorization, basic, split_credentials


def test_basic_is_that_of_the_rfc() -> None:
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert basic("test", "123\xa3") == "Basic dGVzdDoxMjPCow=="  # RFC 7617 2.1
    assert basic("", "") == "Basic Og=="


def test_authorization_is_basic_or_what_the_callable_returns() -> None:
    assert authorization(("Aladdin", "open sesame")) == basic("Aladdin", "open sesame")
    assert authorization(lambda: "Bearer x") == "Bearer x"


@pytest.mark.parametrize("auth", ["a:b", ["a", "b"][:1], ("a", b"b"), 5, lambda: b"Bearer x"])
def test_authorization_of_another_type_is_refused(auth: Any) -> None:
    with pytest.raises(TypeError, match=r"^auth: a "):
        authorization(auth)


@pytest.mark.parametrize(
    ("url", "plain", "credentials"),
    [
        ("ws://host/", "ws://host/", None),
        ("ws://a:b@host/p?q", "ws://host/p?q", ("a", "b")),
        ("ws://a@host", "ws://host", ("a", "")),
        ("ws://a:@host", "ws://host", ("a", "")),
        ("ws://a%3Ab:%40%C3%A9@host", "ws://host", ("a:b", "@\xe9")),
        ("ws://host/@x", "ws://host/@x", None),
        ("ws://host?a@b", "ws://host?a@b", None),
        ("ws+unix:///a@b", "ws+unix:///a@b", None),
        ("nonsense", "nonsense", None),
    ],
)
def test_credentials_are_split_from_the_address(url: str, plain: str, credentials: Any) -> None:
    assert split_credentials(url) == (plain, credentials)


@pytest.mark.parametrize(
    "url",
    [
        *("ws://@a", "ws://:b@a", "ws://:@a", "ws://a@b@c", "ws://a:b:c@d", "ws://\xe9@a"),
        *("ws://a:%zz@b", "ws://a%@b", "ws://good.example\\@evil.example", "ws://a\n@b"),
    ],
)
def test_credentials_that_are_not_encoded_are_refused_unsaid(url: str) -> None:
    with pytest.raises(InvalidURI, match=r"^url: credentials that are not percent-encoded"):
        split_credentials(url)


def test_credentials_that_are_not_utf_8_are_refused_unsaid() -> None:
    with pytest.raises(InvalidURI, match=r"^url: credentials that are not UTF-8"):
        split_credentials("ws://ann:%ff@a")


def test_split_credentials_leaves_what_is_no_str_to_others() -> None:
    given: Any = 5
    assert split_credentials(given) == (given, None)


@given(st.text(), st.text())
def test_split_credentials_takes_nothing_of_a_path(host: str, path: str) -> None:
    url = f"ws://h/{host}@{path}"
    assert split_credentials(url) == (url, None)
