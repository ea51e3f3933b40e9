"""What becomes of a connection when its handler returns, fails or is killed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import gevent
import pytest

from geventws.core.codes import BINARY, CLOSE
from geventws.core.errors import ConnectionClosed
from geventws.handling import run_handler
from geventws.websocket import WebSocket
from tests.pairs import RawPeer, server_and_peer

Met = tuple[WebSocket, RawPeer]


@pytest.fixture
def met() -> Iterator[Met]:
    """Return a connection and its peer."""
    ws, peer = server_and_peer()
    yield ws, peer
    ws.drop()
    peer.socket.close()


def close_of(met: Met) -> tuple[int, str]:
    """Answer the close frame that comes next, and return what it says."""
    _, peer = met
    frame = peer.next()
    assert frame is not None
    assert frame.opcode == CLOSE
    peer.send(CLOSE, frame.payload)
    return int.from_bytes(frame.payload[:2], "big"), frame.payload[2:].decode()


def run(met: Met, handler: Callable[[WebSocket], object]) -> tuple[int, str]:
    """Run *handler* and return how the connection was closed."""
    running = gevent.spawn(run_handler, handler, met[0])
    result = close_of(met)
    met[1].socket.close()
    running.get(timeout=5)
    return result


def test_connection_is_closed_with_1000_when_the_handler_returns(met: Met) -> None:
    assert run(met, lambda ws: None) == (1000, "")
    assert met[0]._transport.closed


@pytest.mark.parametrize(
    "error", [ValueError("secret"), gevent.Timeout(1, ValueError("secret"))], ids=repr
)
def test_connection_is_closed_with_1011_and_no_word_of_an_error(
    met: Met, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(ws: WebSocket) -> None:
        raise error

    assert run(met, fail) == (1011, "the application failed")
    (record,) = caplog.records
    assert record.name == "geventws"
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert record.exc_info[1] is error
    for address in (met[0].local_address, met[0].peer_address):
        assert str(address) in record.getMessage()


def test_connection_closed_is_no_error_of_a_handler(
    met: Met, caplog: pytest.LogCaptureFixture
) -> None:
    def use_another(ws: WebSocket) -> None:
        raise ConnectionClosed(1006, "", False)

    assert run(met, use_another) == (1000, "")
    assert not caplog.records


def test_connection_is_dropped_with_1001_when_the_handler_is_killed(met: Met) -> None:
    ws, peer = met
    running = gevent.spawn(run_handler, lambda ws: ws.receive(), ws)
    gevent.sleep(0)
    running.kill(timeout=1)
    frame = peer.next()
    assert frame is not None
    assert frame.payload[:2] == (1001).to_bytes(2, "big")
    assert peer.next() is None
    assert ws.close_code == 1006


def test_connection_is_dropped_when_killed_while_it_closes(met: Met) -> None:
    ws, peer = met
    running = gevent.spawn(run_handler, lambda ws: ws.send(b"bye"), ws)
    first, second = peer.next(), peer.next()
    assert first is not None
    assert second is not None
    assert (first.opcode, second.opcode) == (BINARY, CLOSE)
    running.kill(timeout=1)
    assert peer.next() is None
    assert ws._transport.closed
