"""Where connections lead to, and that none of them holds up the hub."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gevent
import pytest

from geventws.adapters.redis import RedisBroker
from geventws.adapters.redis.links import Source
from geventws.adapters.redis.nodes import place
from setup import ROOT
from tests.adapters.redis.conftest import Make
from tests.brokers import inbox_of, wait_until
from tests.redises import EPHEMERAL, RedisServer, redis_server, sentinel, tls_server


@pytest.mark.parametrize(
    ("url", "error"),
    [
        (5, TypeError),
        ("", ValueError),
        ("http://localhost", ValueError),
        ("redis+nonsense://localhost", ValueError),
        ("unix+cluster://path", ValueError),
        ("redis://localhost:port", ValueError),
        ("redis+sentinel://localhost", ValueError),
        ("redis+sentinel:///service", ValueError),
        ("redis+sentinel://:5/service", ValueError),
    ],
)
def test_url_that_leads_nowhere_is_refused(url: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        RedisBroker(url)


@pytest.mark.parametrize(
    "options", [{"protocol": 3}, {"socket_timeout": 5}, {"nonsense": 5}, {"connection_class": int}]
)
def test_option_that_is_none_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        RedisBroker("redis://localhost", **options)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host", ("host", 6379)),
        ("redis://host:5?protocol=3&decode_responses=yes", ("host", 5)),
        ("rediss+cluster://[::1]:5", ("::1", 5)),
        ("unix:///path?db=5", (None, 0)),
    ],
)
def test_link_leads_to_where_the_url_says(url: str, expected: tuple[str, int]) -> None:
    assert Source(url, 1.0, {}).link().address == expected


def test_broker_talks_over_tls(leaks_nothing: None) -> None:
    with tls_server() as (url, signer):
        broker = RedisBroker(url, ssl_ca_certs=signer)
        inbox = inbox_of(broker)
        broker.publish("tea", "x" * 100_000)
        assert inbox.messages(1) == ["x" * 100_000]
        broker.close()
        stranger = RedisBroker(url, timeout=0.3)
        with pytest.raises(ConnectionError, match=r"^redis: ") as caught:
            stranger.publish("tea", "x")
        assert "certificate" in str(caught.value.__cause__)
        stranger.close()
        other_name = RedisBroker(
            url.replace("localhost", "127.0.0.1"), ssl_ca_certs=signer, ssl_check_hostname=False
        )
        assert other_name.history("tea").position
        other_name.close()


def test_broker_talks_over_a_unix_socket(server: RedisServer, make: Make) -> None:
    broker = make(server.unix_url)
    inbox = inbox_of(broker)
    broker.publish("tea", "hot")
    assert inbox.messages(1) == ["hot"]
    broker.enter("tea", "x-1")
    assert broker.presence("tea") == {"x-1": None}


def test_broker_goes_by_the_password_and_the_database(mortal: RedisServer, make: Make) -> None:
    mortal.ask("CONFIG", "SET", "requirepass", "se/cret")
    broker = make(f"redis://:se%2Fcret@localhost:{mortal.port}/5")
    inbox = inbox_of(broker)
    broker.publish("tea", "hot")
    assert inbox.messages(1) == ["hot"]
    stranger = make(mortal.url, timeout=0.3)
    with pytest.raises(ConnectionError, match=r"^redis: "):
        stranger.publish("tea", "x")


def test_hub_runs_while_a_broker_waits(mortal: RedisServer, make: Make) -> None:
    broker = make(mortal.url.replace("127.0.0.1", "localhost"), timeout=20.0)
    broker.publish("tea", "x")
    mortal.pause()
    publishing = gevent.spawn(broker.publish, "tea", "y")
    gevent.sleep(0.05)
    assert not publishing.ready()
    mortal.resume()
    publishing.get(timeout=20)


def test_broker_works_where_the_process_is_patched(server: RedisServer) -> None:
    program = Path(__file__).with_name("patched_program.py")
    command = [sys.executable, "-W", "error", "-m", "gevent.monkey", str(program), server.url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.returncode) == ("hot\n", 0), done.stderr


@pytest.fixture
def pair() -> Iterator[tuple[RedisServer, RedisServer]]:
    """A master and its replica."""
    quick = (*EPHEMERAL, "--repl-diskless-sync-delay", "0")
    with redis_server(*quick) as master, redis_server(*quick) as replica:
        replica.ask("REPLICAOF", "127.0.0.1", str(master.port))
        wait_until(lambda: b"master_link_status:up" in replica.ask("INFO", "replication"))
        yield master, replica


def test_publish_waits_until_a_replica_is_made_master(
    pair: tuple[RedisServer, RedisServer], make: Make
) -> None:
    broker = make(pair[1].url, timeout=20.0)
    publishing = [gevent.spawn(broker.publish, f"room{number}", "x") for number in range(100)]
    wait_until(lambda: b"READONLY" in pair[1].ask("INFO", "errorstats"))
    pair[1].ask("REPLICAOF", "NO", "ONE")
    for each in publishing:
        position = each.get(timeout=20)
        assert position is not None
        assert position.offset == 1


def test_broker_follows_the_master_that_sentinels_know(
    pair: tuple[RedisServer, RedisServer], make: Make
) -> None:
    master, replica = pair
    with TemporaryDirectory(prefix="redis") as directory, sentinel(directory, master) as watcher:
        hosts = f"127.0.0.1:1,127.0.0.1:{watcher.port}"
        broker = make(f"redis+sentinel://{hosts}/theirs", timeout=20.0, prefix="")
        names = place("", "tea")
        inbox = inbox_of(broker)
        broker.publish("tea", "1")
        assert inbox.messages(1) == ["1"]
        wait_until(lambda: replica.ask("XLEN", names.stream.decode()) == b":1\r\n")
        master.kill()
        replica.ask("REPLICAOF", "NO", "ONE")  # a sentinel of its own accord takes 10 s and more
        watcher.ask("SENTINEL", "REMOVE", "theirs")
        watcher.ask("SENTINEL", "MONITOR", "theirs", "127.0.0.1", str(replica.port), "1")
        broker.publish("tea", "2")
        assert inbox.messages(1) == ["2"]
        assert broker.counts.unrecovered == 0


def test_sentinels_that_know_no_such_master_are_a_connection_error(
    server: RedisServer, make: Make
) -> None:
    with TemporaryDirectory(prefix="redis") as directory, sentinel(directory, server) as watcher:
        broker = make(f"redis+sentinel://127.0.0.1:{watcher.port}/others", timeout=0.3)
        with pytest.raises(ConnectionError, match=r"^redis: ") as caught:
            broker.publish("tea", "x")
        assert "others" in str(caught.value.__cause__)
