"""Line breaks and NUL in what an application passes on: refused before a byte of it is sent."""

from __future__ import annotations

from typing import Any

import pytest

import geventws
from geventws.core.handshake import Response
from geventws.server import serve
from tests.rawpeer import RawPeer, head
from tests.servers import serving, silent
from tests.serving import LOCAL, echo, running

BREAKS = ["\r", "\n", "\r\nEvil: yes", "\0"]

each_break = pytest.mark.parametrize("bad", BREAKS, ids=["CR", "LF", "header", "NUL"])


@each_break
@pytest.mark.parametrize("place", ["path", "query", "host", "name", "value", "origin", "protocol"])
def test_client_sends_nothing_of_what_breaks_a_line(place: str, bad: str) -> None:
    with serving(silent) as server:
        parts = {"host": "127.0.0.1", "path": "", "query": ""}
        if place in parts:
            parts[place] += bad
        url = f"ws://{parts['host']}:{server.port}/{parts['path']}?a={parts['query']}"
        arguments: dict[str, Any] = {
            "name": {"headers": {f"A{bad}": "b"}},
            "value": {"headers": {"A": f"b{bad}"}},
            "origin": {"origin": f"http://example.org{bad}"},
            "protocol": {"subprotocols": [f"chat{bad}"]},
        }
        with pytest.raises(ValueError):  # noqa: PT011 - whose text is that of many tests
            geventws.connect(url, **arguments.get(place, {}))
        assert server.clients == []


@each_break
def test_server_cannot_be_made_with_a_header_that_breaks_a_line(bad: str) -> None:
    for headers in ({"A": f"b{bad}"}, {f"A{bad}": "b"}):
        with pytest.raises(ValueError):  # noqa: PT011
            serve(echo, LOCAL, headers=headers)


@each_break
@pytest.mark.parametrize("place", ["headers of this request", "refusal"])
def test_server_answers_500_rather_than_what_breaks_a_line(place: str, bad: str) -> None:
    headers = {"A": f"b{bad}"}
    arguments: dict[str, Any] = {
        "headers of this request": {"headers": lambda request: headers},
        "refusal": {"process_request": lambda request: Response(403, headers)},
    }
    with running(serve(echo, LOCAL, **arguments[place])) as server:
        with RawPeer.to(server.address) as peer:
            peer.send(head())
            answer = peer.read_to_end()
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"Evil" not in answer
