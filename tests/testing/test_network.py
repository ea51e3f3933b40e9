"""A network in memory with faults and virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

import gevent
import pytest
from gevent.event import Event

from geventws.core.errors import ConnectionClosed, InvalidURI, Rejected
from geventws.manager import Manager
from geventws.testing.network import Network
from geventws.websocket import EchoWebSocket, WebSocket
from tests.ends import caught
from tests.serving import echo

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def network() -> Iterator[Network]:
    """Return an open network with a server that echoes."""
    with Network(1, latency=0.1) as made:
        made.serve(echo)
        yield made


def ended(ws: WebSocket) -> tuple[int, str]:
    """Wait for the end of *ws* and return its code and reason."""
    error = caught(ws.receive)
    assert isinstance(error, ConnectionClosed)
    return error.code, error.reason


# Ways in


def test_connection_takes_two_round_trips_and_an_echo_one(network: Network) -> None:
    ws = network.connect("ws://server/path", subprotocols=["none"])
    assert round(network.now, 6) == 0.4
    ws.send("hello")
    assert ws.receive(timeout=10) == "hello"
    assert round(network.now, 6) == 0.6
    ws.close()
    assert ws.close_code == 1000


def test_servers_are_told_apart_by_name_and_port(network: Network) -> None:
    def tell(name: str) -> Any:
        return lambda ws: ws.send(name)

    network.serve(tell("other"), "other")
    network.serve(tell("port"), "other:81")
    found = [network.connect(f"ws://other{port}").receive(timeout=10) for port in ("", ":81")]
    assert found == ["other", "port"]
    for url, error in {
        "ws://nobody": ConnectionRefusedError,
        "ws://other:82": ConnectionRefusedError,
        "wss://other": ValueError,
        "http://other": InvalidURI,
    }.items():
        with pytest.raises(error):
            network.connect(url)


def test_refusals_are_those_of_a_server(network: Network) -> None:
    network.serve(echo, "strict", origins=["https://page"])
    with pytest.raises(Rejected) as refused:
        network.connect("ws://strict", origin="https://elsewhere")
    assert (refused.value.status, b"origin" in refused.value.body) == (403, True)


def test_callbacks_run_on_both_sides(network: Network) -> None:
    class Asking(WebSocket):
        heard: Any = Event()

        def opened(self) -> None:
            self.send("?")

        def received_message(self, message: str | bytes) -> None:
            self.heard.set()

    server = network.serve(EchoWebSocket)
    ws = network.connect(handler=Asking)
    assert_type(ws, Asking)
    assert ws.heard.wait(10)
    assert [type(each) for each in server.connections] == [EchoWebSocket]
    ws.close()
    gevent.sleep(1)
    assert server.connections == []


def test_pair_has_the_classes_that_were_asked_for(network: Network) -> None:
    client, server = network.pair(server=EchoWebSocket, target="/x")
    assert_type(server, EchoWebSocket)
    assert server.request is not None
    client.send("hello")
    assert client.receive(timeout=10) == "hello"
    assert (network.now, server.request.path) == (0.2, "/x")


# Deadlines


def test_vanished_peer_is_found_within_interval_and_timeout(network: Network) -> None:
    ws = network.connect(ping_interval=20, ping_timeout=20)
    network.link_of(ws).vanish("server")
    began = network.now
    assert ended(ws) == (1006, "no pong in time")
    assert 20 <= network.now - began <= 41


def test_server_finds_its_silent_clients_too(network: Network) -> None:
    server = network.serve(echo)
    clients = [network.connect() for _ in range(50)]
    assert len(server.connections) == 50
    for ws in clients[10:]:
        network.link_of(ws).partition()
    gevent.sleep(45)
    assert len(server.connections) == 10


def test_short_partition_loses_nothing(network: Network) -> None:
    ws = network.connect()
    network.partition()
    ws.send("kept")
    gevent.sleep(15)
    network.heal()
    assert ws.receive(timeout=1) == "kept"


def test_connecting_over_a_partition_takes_until_it_heals_or_open_timeout(network: Network) -> None:
    network.partition()
    with pytest.raises(TimeoutError, match="TCP"):
        network.connect(open_timeout=10)
    assert round(network.now, 6) == 10
    gevent.spawn_later(5, network.heal)
    network.connect(open_timeout=10).close()
    assert 15 < network.now < 16


def test_partition_after_the_request_ends_with_open_timeout(network: Network) -> None:
    gevent.spawn_later(0.25, network.partition)
    with pytest.raises(TimeoutError, match="opening handshake"):
        network.connect(open_timeout=10)
    assert round(network.now, 6) == 10


def test_pair_over_a_partition_is_cut_off_from_the_start(network: Network) -> None:
    network.partition()
    client, _ = network.pair()
    with pytest.raises(TimeoutError):
        client.ping(timeout=10)


def test_sender_to_one_who_does_not_read_gives_up_after_send_timeout(network: Network) -> None:
    ws, _ = network.pair(send_timeout=30.0, ping_interval=None, compression=None)
    with pytest.raises(ConnectionClosed):
        ws.send(bytes(500_000))
    assert 30 <= network.now < 32


def test_close_without_an_answer_takes_close_timeout(network: Network) -> None:
    ws = network.connect(close_timeout=10)
    network.link_of(ws).partition("server")
    began = network.now
    ws.close()
    assert ws.close_code == 1006
    assert round(network.now - began, 6) == 10


def test_reset_and_half_open_are_1006(network: Network) -> None:
    first, second = network.connect(), network.connect()
    network.link_of(first).reset()
    assert ended(first)[0] == 1006
    network.link_of(second).half_open("server")
    began = network.now
    second.send("still there?")
    assert ended(second)[0] == 1006
    assert round(network.now - began, 6) == 0.2


def test_manager_drains_in_the_networks_time(network: Network) -> None:
    manager = Manager()
    ends = [network.pair() for _ in range(20)]
    for _, server in ends:
        manager.add(server)
    for client, _ in ends[:2]:
        network.link_of(client).partition()
    began = network.now
    assert manager.drain(timeout=5.0) is False
    assert 5 <= network.now - began < 6
    assert [client.close_code for client, _ in ends[2:]] == [1001] * 18


# Coming back


def test_reconnecting_waits_between_its_attempts(network: Network) -> None:
    server = network.serve(echo)
    server.stop()
    gevent.spawn_later(100, server.start)
    connections = network.reconnect()
    ws = next(connections)
    assert 100 < network.now < 161
    assert connections.failures > 5
    server.stop(1012)
    server.start()
    assert ended(ws)[0] == 1012
    began = network.now
    next(connections).close()
    assert 5 <= network.now - began < 31
    assert list(connections) == []


def test_reconnecting_gives_up_where_there_is_no_hope(network: Network) -> None:
    with pytest.raises(ConnectionRefusedError):
        list(network.reconnect("ws://nobody", attempts=4))
    assert network.now < 8


# What a network is


def conversation(seed: int) -> list[Any]:
    """Return what happens between two ends that talk and close as the seed has it."""
    log: list[Any] = []
    with Network(seed, latency=0.05, jitter=0.2, pieces=50, bandwidth=5000) as network:
        ends = network.pair(ping_interval=1, ping_timeout=1, close_timeout=2)

        def talk(name: int, ws: WebSocket) -> None:
            try:
                for _ in range(network.random.randint(0, 5)):
                    ws.send("x" * network.random.randint(0, 500))
                    log.append((name, len(ws.receive(timeout=network.random.uniform(0, 1)))))
            except TimeoutError:
                ws.close(network.random.randint(3000, 4999))
            except ConnectionClosed:
                pass
            ws.close()
            log.append((name, round(network.now, 9), ws.close_code))

        gevent.joinall([gevent.spawn(talk, *each) for each in enumerate(ends)], raise_error=True)
    return log


def test_same_seed_brings_the_same_again() -> None:
    first = conversation(7)
    assert first == conversation(7)
    assert len({repr(conversation(seed)) for seed in range(5)}) == 5


def test_both_ends_close_cleanly_however_slow_the_network_is() -> None:
    for seed in range(60):
        codes = [end[-1] for end in conversation(seed) if len(end) == 3]
        assert len(codes) == 2, f"seed {seed}"
        assert 1006 not in codes, f"seed {seed}"


def test_network_has_a_seed_of_its_own_and_shows_it() -> None:
    first, second = Network(), Network()
    assert first.seed != second.seed
    assert repr(first) == f"<Network seed={first.seed} now=0.000 links=0>"
    assert Network(5).random.random() == Network(5).random.random()


def test_end_of_the_block_ends_all_that_goes_on() -> None:
    with Network(latency=1.0) as network:
        gone = network.serve(lambda ws: Event().wait())
        waiting = gevent.spawn(caught, network.connect().receive)
        gevent.sleep(5)
        network.partition()
    assert isinstance(waiting.value, ConnectionClosed)
    assert gone.connections == []
    assert caught(network.connect).args == ("a network is there for the length of its with block",)


def test_link_of_a_stranger_is_none(network: Network) -> None:
    ws, _ = network.pair()
    assert network.link_of(ws) is network.links.pop()
    with pytest.raises(LookupError):
        network.link_of(ws)


def test_another_network_within_the_block_is_refused(network: Network) -> None:
    with pytest.raises(RuntimeError, match="virtual time"), Network():
        pass
    network.connect().close()


def test_wrong_conditions_are_refused() -> None:
    for name in ("latency", "jitter", "bandwidth"):
        conditions: Any = {name: -1.0}
        with pytest.raises(ValueError, match=name):
            Network(**conditions)
