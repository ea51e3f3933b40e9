"""The options that connect(), for a command, is called with."""

from __future__ import annotations

import argparse
import ssl
from typing import Any

import pytest

from geventws.cli.reaching import add_reaching, reaching
from geventws.options import DEFLATE


def keywords(*given: str, url: str = "ws://a/") -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_reaching(parser)
    return reaching(parser.parse_args(given), url)


def test_nothing_special_is_asked_for_by_default() -> None:
    assert keywords() == {
        "headers": [],
        "subprotocols": [],
        "origin": None,
        "ssl": None,
        "compression": DEFLATE,
    }


def test_options_are_keywords_of_connect() -> None:
    given = keywords(
        *("--header=X-A: 1", "--header", "B:c:d", "--subprotocol=a", "--subprotocol=b"),
        *("--origin=https://a", "--no-compression"),
    )
    assert given["headers"] == [("X-A", "1"), ("B", "c:d")]
    assert given["subprotocols"] == ["a", "b"]
    assert (given["origin"], given["compression"]) == ("https://a", None)


@pytest.mark.parametrize("url", ["wss://a/", "WSS://user:password@a/", "wss+unix:///a"])
def test_insecure_verifies_nothing(url: str) -> None:
    context = keywords("--insecure", url=url)["ssl"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_insecure_means_nothing_without_tls() -> None:
    assert keywords("--insecure")["ssl"] is None


def test_header_has_a_colon() -> None:
    with pytest.raises(ValueError, match="--header: not of the form NAME:VALUE"):
        keywords("--header=a")
