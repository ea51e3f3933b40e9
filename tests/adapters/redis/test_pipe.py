"""Commands of many greenlets over one connection: together, once, and in order."""

from __future__ import annotations

from time import monotonic

import gevent
import pytest
from redis.exceptions import ResponseError

from geventws.adapters.redis.links import Source
from geventws.adapters.redis.pipe import BATCH, Lost, Pipe, Request
from tests.adapters.redis.conftest import Make
from tests.brokers import inbox_of, messages
from tests.redises import Cable, RedisServer

FAR = 20.0  # seconds


def ask(pipe: Pipe, *words: str, timeout: float = FAR) -> object:
    return pipe.ask(Request(*words), monotonic() + timeout)


@pytest.fixture
def pipe(server: RedisServer, leaks_nothing: None) -> object:
    made = Pipe(Source(server.url, FAR, {}).link())
    yield made
    made.close()


def test_pipe_gives_each_its_own_reply(pipe: Pipe) -> None:
    asking = [gevent.spawn(ask, pipe, "ECHO", str(number)) for number in range(3 * BATCH)]
    gevent.joinall(asking, raise_error=True)
    assert [each.value for each in asking] == [b"%d" % number for number in range(3 * BATCH)]


def test_error_is_for_who_asked_and_nobody_else(pipe: Pipe) -> None:
    asking = [gevent.spawn(ask, pipe, *words.split()) for words in ("ECHO a", "NONSENSE", "ECHO b")]
    gevent.joinall(asking)
    assert [asking[0].value, asking[2].value] == [b"a", b"b"]
    assert isinstance(asking[1].exception, ResponseError)


def test_pipe_writes_what_is_there_at_once(server: RedisServer, make: Make) -> None:
    broker = make()
    broker.publish("tea", "first")
    reads = read_count(server)
    gevent.joinall([gevent.spawn(broker.publish, "tea", "x") for _ in range(4 * BATCH)])
    assert read_count(server) - reads <= 4 * BATCH / 4


def read_count(server: RedisServer) -> int:
    line = server.ask("INFO", "stats").partition(b"total_reads_processed:")[2]
    return int(line.partition(b"\r\n")[0])


def test_pipe_that_is_closed_lets_go(pipe: Pipe) -> None:
    asking = gevent.spawn(ask, pipe, "BLPOP", "nothing", "0")
    ask_later = gevent.spawn(ask, pipe, "ECHO", "x")
    gevent.sleep(0.02)
    pipe.close()
    for each in (asking, ask_later):
        with pytest.raises(Lost):
            each.get(timeout=FAR)
    with pytest.raises(Lost):
        ask(pipe, "PING")


def test_request_runs_out_of_time(pipe: Pipe) -> None:
    with pytest.raises(TimeoutError):
        ask(pipe, "BLPOP", "nothing", "0", timeout=0.05)


def test_publication_whose_reply_was_lost_appears_once(cable: Cable, make: Make) -> None:
    broker = make(cable.url)
    inbox = inbox_of(make())
    broker.publish("tea", "first")
    cable.loses = b"*2"  # what the script returns, after it has run
    position = broker.publish("tea", "second")
    assert cable.loses is None
    broker.publish("tea", "third")
    assert inbox.messages(3) == ["first", "second", "third"]
    assert messages(broker.history("tea")) == ["first", "second", "third"]
    assert position is not None
    assert position.offset == 2


def test_publications_of_many_whose_replies_were_lost_appear_once(cable: Cable, make: Make) -> None:
    broker = make(cable.url, history=1000)
    broker.publish("tea", "first")
    for turn in range(5):
        cable.loses = b"*2"
        talking = [gevent.spawn(broker.publish, "tea", f"{turn}.{n}") for n in range(100)]
        gevent.joinall(talking, raise_error=True)
        assert cable.loses is None
    found = messages(broker.history("tea"))
    assert len(found) == len(set(found)) == 501


def test_publication_that_nothing_remembers_is_not_repeated(cable: Cable, make: Make) -> None:
    broker = make(cable.url, history=0)
    inbox = inbox_of(make(history=0))
    broker.publish("tea", "first")
    cable.loses = b":"
    with pytest.raises(ConnectionError, match="nobody knows"):
        broker.publish("tea", "second")
    broker.publish("tea", "third")
    assert inbox.messages(3) == ["first", "second", "third"]


def test_scripts_that_redis_forgot_are_sent_again(server: RedisServer, make: Make) -> None:
    broker = make()
    inbox = inbox_of(broker)
    for number in range(3):
        server.ask("SCRIPT", "FLUSH")
        broker.publish("tea", str(number))
    assert inbox.messages(3) == ["0", "1", "2"]
    server.ask("SCRIPT", "FLUSH")
    gevent.joinall([gevent.spawn(broker.publish, "tea", "x") for _ in range(50)], raise_error=True)
    assert inbox.messages(50) == ["x"] * 50


def test_what_redis_refuses_is_a_connection_error(mortal: RedisServer, make: Make) -> None:
    broker = make(mortal.url)
    broker.publish("tea", "x")
    mortal.ask("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(ConnectionError, match=r"OOM|memory") as caught:
        broker.publish("tea", "y")
    assert isinstance(caught.value.__cause__, ResponseError)
