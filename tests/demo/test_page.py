"""The demo's addresses: the files, the sockets, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files

import pytest
from gevent import socket

import geventws
from geventws.demo import demo_handler, pages


@pytest.fixture
def port() -> Iterator[int]:
    server = geventws.serve(demo_handler, ("127.0.0.1", 0), process_request=pages)
    server.start()
    assert server.server_port is not None
    yield server.server_port
    server.stop()


def fetch(port: int, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    """Return the status, the head in lower case and the body of a plain answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        with connection.makefile("rb") as stream:
            head, _, body = stream.read().partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode().lower(), body


@pytest.mark.parametrize(
    ("path", "name", "content_type"),
    [
        ("/", "index.html", "text/html"),
        ("/?from=a-link", "index.html", "text/html"),
        ("/chat.css", "chat.css", "text/css"),
        ("/chat.js", "chat.js", "text/javascript"),
        ("/connection.js", "connection.js", "text/javascript"),
        ("/echo.js", "echo.js", "text/javascript"),
        ("/elements.js", "elements.js", "text/javascript"),
        ("/log.js", "log.js", "text/javascript"),
        ("/resume.js", "resume.js", "text/javascript"),
    ],
)
def test_pages_answers_with_a_packaged_file(
    port: int, path: str, name: str, content_type: str
) -> None:
    status, head, body = fetch(port, path)
    assert (status, body) == (200, files("geventws.demo").joinpath(name).read_bytes())
    assert f"\r\ncontent-type: {content_type}; charset=utf-8\r\n" in head
    assert "\r\ncontent-security-policy: default-src 'none'; script-src 'self';" in head
    assert "\r\nx-content-type-options: nosniff\r\n" in head
    assert "\r\ncache-control: no-cache" in head


def test_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    page = files("geventws.demo").joinpath("index.html").read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script[^>]*>[^<]", page)
    assert not re.search(r"(src|href)=.?(https?:|//)", page)


@pytest.mark.parametrize("path", ["/nothing", "/chat/", "/../chat.py", "/chat.py"])
def test_pages_answers_404_for_what_is_not_there(port: int, path: str) -> None:
    assert fetch(port, path)[0] == 404


def test_pages_answers_405_where_the_method_is_not_get(port: int) -> None:
    status, head, _ = fetch(port, "/", "POST")
    assert status == 405
    assert "\r\nallow: get\r\n" in head


@pytest.mark.parametrize("path", ["/chat", "/echo"])
def test_sockets_answer_a_plain_request_with_426(port: int, path: str) -> None:
    assert fetch(port, path)[0] == 426


def test_client_is_refused_where_there_is_no_socket(port: int) -> None:
    with pytest.raises(geventws.Rejected) as refusal:
        geventws.connect(f"ws://127.0.0.1:{port}/nothing")
    assert refusal.value.status == 404


def test_echo_sends_messages_back_as_they_came(port: int) -> None:
    with geventws.connect(f"ws://127.0.0.1:{port}/echo") as ws:
        for message in ("text", b"binary", ""):
            ws.send(message)
            assert ws.receive(timeout=5) == message


def test_handler_leads_to_the_chat(port: int) -> None:
    with geventws.connect(f"ws://127.0.0.1:{port}/chat?a=query") as ws:
        ws.send('{"type": "say", "text": "early"}')
        assert json.loads(ws.receive(timeout=5)) == {"type": "error", "text": "join a room first"}
