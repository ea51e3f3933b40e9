"""The options that say how a server is asked for a connection."""

from __future__ import annotations

import argparse
import ssl
from typing import Any

from geventws.options import DEFLATE


def add_reaching(parser: Any) -> None:
    """Add the options to argparse's *parser*."""
    add = parser.add_argument
    add("--header", action="append", default=[], metavar="NAME:VALUE", help="send it too")
    add("--subprotocol", action="append", default=[], metavar="NAME", help="offer it")
    add("--origin", help="the Origin to send")
    add("--insecure", action="store_true", help="verify neither certificate nor name")
    add("--no-compression", action="store_true", help="offer no permessage-deflate")


def reaching(options: argparse.Namespace, url: str) -> dict[str, Any]:
    """Return the keywords for connect() to *url* that the *options* ask for.

    Raises:
        ValueError: one is wrong.
    """
    unverified = options.insecure and url.lower().startswith("wss")  # elsewhere it means nothing
    return {
        "headers": [_header(text) for text in options.header],
        "subprotocols": options.subprotocol,
        "origin": options.origin,
        "ssl": _unverified() if unverified else None,
        "compression": None if options.no_compression else DEFLATE,
    }


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError("--header: not of the form NAME:VALUE")
    return name.strip(), value.strip()


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
