"""Which broker a URL stands for, and a server that goes with one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gevent
import pytest

import geventws
from geventws.adapters.redis import RedisBroker
from geventws.broker import MemoryBroker
from geventws.cli.brokers import BrokeredServer, broker_of, reaching_broker, with_manager
from geventws.websocket import EchoWebSocket

UNREACHABLE = "redis://127.0.0.1:1"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory:", MemoryBroker),
        ("redis://127.0.0.1:1/2", RedisBroker),
        ("rediss://localhost", RedisBroker),
        ("unix:///no/such/socket", RedisBroker),
        ("redis+sentinel://localhost/main", RedisBroker),
    ],
)
def test_url_stands_for_a_broker(url: str, kind: type[Any]) -> None:
    broker = broker_of(url, history=5)
    assert isinstance(broker, kind)
    broker.close()


@pytest.mark.parametrize("url", ["", "memory", "redis", "redis:", "http://localhost", "nats://a"])
def test_url_of_no_broker_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^--broker: neither memory: nor a URL of redis, rediss"):
        broker_of(url)


def test_what_is_wrong_with_a_url_is_said() -> None:
    with pytest.raises(ValueError, match=r"^--broker: Invalid value for 'db'"):
        broker_of("redis://localhost?db=x")


def test_broker_that_is_not_installed_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if "redis" in name.split(".")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)  # as where it is not installed
    said = r"^--broker: redis is not installed: pip install geventws\[redis\]$"
    with pytest.raises(ValueError, match=said):
        broker_of("redis://localhost")


def test_broker_that_cannot_be_reached_is_told_with_the_cause() -> None:
    error = ConnectionError("no answer")
    with pytest.raises(ConnectionError, match=r"^--broker: no answer$"), reaching_broker():
        raise error
    with pytest.raises(ConnectionError, match=r"^--broker: refused$"), reaching_broker():
        raise error from OSError("refused")


def test_application_is_given_the_manager_that_has_the_connection() -> None:
    def count(ws: geventws.WebSocket, manager: geventws.Manager) -> None:
        ws.send(f"{len(manager)} {ws in manager}")

    broker = MemoryBroker()
    handler = with_manager(count, geventws.Manager(broker=broker))
    with geventws.serve(handler, ("127.0.0.1", 0)) as server:
        uri = f"ws://127.0.0.1:{server.server_port}/"
        with geventws.connect(uri) as ws:
            assert ws.receive(timeout=10) == "1 True"
            with pytest.raises(geventws.ConnectionClosed, match="1000"):
                ws.receive(timeout=10)
        broker.close()
        ws = geventws.connect(uri)
        with pytest.raises(geventws.ConnectionClosed, match="1013 the broker cannot be reached"):
            ws.receive(timeout=10)


def test_server_does_not_listen_where_its_broker_cannot_be_reached() -> None:
    server = BrokeredServer(("127.0.0.1", 0), EchoWebSocket)
    server.broker = RedisBroker(UNREACHABLE, timeout=0.1)
    with pytest.raises(ConnectionError, match="Connection refused"):
        server.start()
    assert not server.started
    with pytest.raises(ConnectionError, match="closed"):
        server.broker.publish("room", "message")


def test_server_closes_its_broker_when_it_has_ended() -> None:
    server = BrokeredServer(("127.0.0.1", 0), EchoWebSocket)
    server.broker = MemoryBroker()
    server.start()
    serving = gevent.spawn(server.serve_forever)
    with geventws.connect(f"ws://127.0.0.1:{server.server_port}/") as ws:
        ws.send("hello")
        assert ws.receive(timeout=10) == "hello"
        server.broker.publish("room", "message")
    server.drain()
    serving.get(timeout=10)
    with pytest.raises(ConnectionError, match="closed"):
        server.broker.publish("room", "message")
