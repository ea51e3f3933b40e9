"""A tapped connection: it takes in what comes while nobody reads, and tells of its end once."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from geventws.adapters.locust.inbox import Inbox
from geventws.adapters.locust.tapped import Tapped, open_tapped
from geventws.client import Phases
from geventws.core.errors import ConnectionClosed
from geventws.server import serve
from tests.rawpeer import PATIENCE
from tests.serving import LOCAL, running

pytestmark = pytest.mark.usefixtures("leaks_nothing")


class Log:
    """What a connection handed on, and its end."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.ends: Any = gevent.queue.Queue()

    def pushed(self, message: Any) -> None:
        self.messages.append(message)

    def key_of(self, message: Any) -> None:
        return None

    def complain(self, error: Exception) -> None:
        raise error

    def ended(self, connection: Tapped, closed: ConnectionClosed) -> None:
        self.ends.put((connection, closed.code, closed.clean))


@pytest.fixture
def log() -> Log:
    return Log()


def tap(server: Any, log: Log, **arguments: Any) -> Tapped:
    url = f"ws://127.0.0.1:{server.address[1]}/"
    return open_tapped(url, Phases(), log, Inbox(log, 0), arguments)


def test_messages_and_the_end_are_told_while_nobody_reads(log: Log) -> None:
    def talk(ws: Any) -> None:
        for number in range(50):  # more than is read ahead
            ws.send(f"{number}")
        ws.close(4000)

    with running(serve(talk, LOCAL)) as server:
        connection = tap(server, log)
        assert log.ends.get(timeout=PATIENCE) == (connection, 4000, True)
        assert log.messages == [f"{number}" for number in range(50)]
    assert log.ends.empty()


def test_end_is_told_of_a_connection_that_is_dropped(log: Log) -> None:
    with running(serve(lambda ws: ws.receive(), LOCAL)) as server:
        connection = tap(server, log)
        connection.drop()
        assert log.ends.get(timeout=PATIENCE) == (connection, 1006, False)
    assert log.ends.empty()


def test_question_goes_like_any_message(log: Log) -> None:
    with running(serve(lambda ws: ws.send(ws.receive()), LOCAL)) as server:
        connection = tap(server, log)
        connection.ask("hello")
        assert connection.receive(timeout=PATIENCE) == "hello"
        connection.close()
        assert (connection.ending().code, connection.ending().clean) == (1000, True)
