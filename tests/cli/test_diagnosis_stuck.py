"""Steps of an opening that are stuck, all of them at the same time, and the words for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest

from geventws.cli.findings import Fact
from tests.cli.probes import AT_ONCE, last
from tests.rawpeer import CLOSE
from tests.servers import Serve, accept, dead_port, name_server, read_head, serving, silent

PATIENCE = 20.0
LATE = "nothing came of it within 0.4 s"


def begin(sock: Any) -> None:
    """Begin an answer that does not end."""
    read_head(sock)
    sock.sendall(b"HTTP/1.1 101 Switching")
    silent(sock)


def accept_and_close(sock: Any) -> None:
    """Answer nothing of an open connection but its close."""
    peer = accept(sock)
    while (frame := peer.next()) is not None:
        if frame.opcode == CLOSE:
            peer.send(CLOSE, frame.payload)
            return


def look_up(host: str) -> list[str]:
    """Answer for addresses alone."""
    if host != "127.0.0.1":
        gevent.sleep(PATIENCE)
    return [host]


@pytest.fixture(scope="module")
def stuck() -> Iterator[Callable[[str], Fact]]:
    """Give what a probe tells of each step that is stuck."""
    with ExitStack() as stack:

        def port(talk: Serve) -> int:
            return stack.enter_context(serving(talk)).port

        stack.enter_context(name_server(look_up))
        dead = stack.enter_context(dead_port())
        urls = {
            "name lookup": "ws://nowhere.example/",
            "TCP": f"ws://127.0.0.1:{dead.getsockname()[1]}/",
            "TLS handshake": f"wss://127.0.0.1:{port(silent)}/",
            "silence": f"ws://127.0.0.1:{port(silent)}/",
            "half an answer": f"ws://127.0.0.1:{port(begin)}/",
            "ping": f"ws://127.0.0.1:{port(accept_and_close)}/",
        }
        probes = {name: gevent.spawn(last, url, AT_ONCE) for name, url in urls.items()}
        yield lambda name: probes[name].get(timeout=PATIENCE)
        gevent.killall(list(probes.values()))


def test_doctor_explains_a_name_server_that_is_silent(stuck: Callable[[str], Fact]) -> None:
    advice = "no name server answers in time; look at the network"
    assert stuck("name lookup")[:3] == ("name lookup", LATE, advice)


def test_doctor_explains_packets_that_vanish(stuck: Callable[[str], Fact]) -> None:
    assert stuck("TCP")[:2] == ("TCP", LATE)
    assert "packets vanish on the way" in stuck("TCP").advice


def test_doctor_explains_a_port_that_does_not_answer_tls(stuck: Callable[[str], Fact]) -> None:
    assert stuck("TLS handshake")[:2] == ("TLS handshake", LATE)
    assert "nothing answers our TLS" in stuck("TLS handshake").advice


def test_doctor_explains_silence(stuck: Callable[[str], Fact]) -> None:
    assert stuck("silence")[:2] == ("opening handshake", LATE)
    assert "every worker of the server is busy" in stuck("silence").advice


def test_doctor_explains_an_answer_that_does_not_end(stuck: Callable[[str], Fact]) -> None:
    assert "began and did not end" in stuck("half an answer").advice


def test_doctor_calls_it_wrong_where_no_pong_comes(stuck: Callable[[str], Fact]) -> None:
    assert stuck("ping")[:2] == ("ping", "no pong")
    assert "does not read" in stuck("ping").advice
