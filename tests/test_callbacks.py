"""The callback style, with both of its drivers: run() in a greenlet, and the workers of the hub."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent.event import Event

from geventws.core.codes import BINARY, CLOSE, PING, PONG, TEXT, Side
from geventws.core.errors import ConnectionClosed
from geventws.core.protocol import TURN
from geventws.websocket import WebSocket
from tests.ends import Met, caught, closing, meet, run
from tests.recorder import Recorder, drive_by_run, drive_by_workers

pytestmark = pytest.mark.usefixtures("leaks_nothing")

Drive = Callable[[Met], None]


@pytest.fixture(params=[drive_by_run, drive_by_workers], ids=["run", "workers"])
def drive(request: pytest.FixtureRequest) -> Drive:
    driver: Drive = request.param
    return driver


@pytest.fixture(params=list(Side), ids=["client", "server"])
def met(request: pytest.FixtureRequest) -> Iterator[Met]:
    """Return a connection that records its callbacks and whose peer is the test."""
    made = meet(request.param, kind=Recorder)
    yield made
    made.ws.drop()
    run()


def failing(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


def say_goodbye(met: Met) -> None:
    met.partner.say(CLOSE, closing(3000) + b"bye")
    run()


# What is called when


def test_callbacks_are_called_in_the_order_of_what_happened(met: Met, drive: Drive) -> None:
    met.partner.say(TEXT, b"1")
    drive(met)
    met.partner.say(BINARY, b"2")
    met.partner.say(PONG, b"unasked")
    met.partner.say(TEXT, b"3")
    run()
    say_goodbye(met)
    assert met.ws.log == [
        ("opened",),
        ("received_message", "1"),
        ("received_message", b"2"),
        ("ponged", b"unasked"),
        ("received_message", "3"),
        ("closed", 3000, "bye"),
    ]


def test_opened_is_called_before_anything_has_come(met: Met, drive: Drive) -> None:
    met.ws.todo["opened"] = lambda: met.ws.send("welcome")
    drive(met)
    assert met.ws.log == [("opened",)]
    assert met.opcodes() == [TEXT]


def test_pong_before_the_end_is_told_of_before_it(met: Met, drive: Drive) -> None:
    met.partner.say(PONG, b"at last")
    met.partner.say(CLOSE)
    drive(met)
    assert met.ws.log == [("opened",), ("ponged", b"at last"), ("closed", 1005, "")]


@pytest.mark.parametrize("end", ["drop", "close", "cut", "end of stream", "lost send", "fail"])
def test_closed_is_called_once_however_the_connection_ends(
    met: Met, drive: Drive, end: str
) -> None:
    drive(met)
    if end == "close":
        gevent.spawn(met.ws.close, 3000)
        run()
        met.partner.say(CLOSE, closing(3000))
    elif end == "end of stream":
        met.partner.transport.shutdown()
    elif end == "lost send":
        met.partner.transport.close()
        caught(met.ws.send, "hello?")
    elif end == "fail":
        caught(met.ws.send, iter(["a", 1]))
    else:
        {"drop": met.ws.drop, "cut": met.transport.cut}[end]()
    run()
    met.ws.drop()
    run()
    code = {"close": 3000, "fail": 1011}.get(end, 1006)
    assert [(name, code) for name, code, *_ in met.ws.log[1:]] == [("closed", code)]


def test_echo_of_a_flood_lets_others_run(met: Met, drive: Drive) -> None:
    drive(met)
    counter = [0]
    seen: list[int] = []
    met.ws.todo["received_message"] = lambda: seen.append(counter[0])

    def count() -> None:
        while len(seen) < 10 * TURN:
            counter[0] += 1
            gevent.sleep(0)

    for _ in range(10 * TURN):
        met.partner.say(TEXT)
    counting = gevent.spawn(count)
    counting.get(timeout=5)
    longest = max(seen.count(turn) for turn in set(seen))
    assert longest <= TURN


def test_driver_looks_at_a_flood_of_pings_in_turns(met: Met, drive: Drive) -> None:
    for _ in range(3 * TURN):
        met.partner.say(PING)
    met.partner.say(TEXT, b"behind it")
    drive(met)
    assert met.ws.log == [("opened",), ("received_message", "behind it")]


def test_pongs_of_the_blocking_style_are_kept_for_no_callback(met: Met) -> None:
    met.partner.say(PONG, b"before")
    met.ws.attend(0.0)
    gevent.spawn(met.ws.run)
    run()
    assert met.ws.log == [("opened",)]


# Callbacks that block


def test_callbacks_of_a_connection_are_called_one_at_a_time(met: Met, drive: Drive) -> None:
    go_on = Event()
    met.ws.todo["received_message"] = go_on.wait
    drive(met)
    met.partner.say(TEXT, b"1")
    met.partner.say(TEXT, b"2")
    run()
    assert met.ws.log[1:] == [("received_message", "1")]
    go_on.set()
    run()
    assert met.ws.log[1:] == [("received_message", "1"), ("received_message", "2")]


def test_callback_that_blocks_leaves_pings_to_the_caretaker(met: Met, drive: Drive) -> None:
    go_on = Event()
    met.ws.todo["received_message"] = go_on.wait
    drive(met)
    met.partner.say(TEXT, b"1")
    run()
    met.partner.say(PING, b"there?")
    met.partner.say(TEXT, b"2")
    met.ws.attend(0.0)
    assert met.opcodes() == [PONG]
    go_on.set()
    run()
    assert met.ws.log[1:] == [("received_message", "1"), ("received_message", "2")]


def test_callback_may_ping_and_what_comes_meanwhile_follows(met: Met, drive: Drive) -> None:
    latencies: list[float] = []
    met.ws.todo["opened"] = lambda: latencies.append(met.ws.ping())
    drive(met)
    [ping] = met.partner.hear()
    met.partner.say(TEXT, b"meanwhile")
    met.partner.say(PONG, ping.payload)
    met.partner.say(TEXT, b"after")
    run()
    assert len(latencies) == 1
    assert met.ws.log == [
        ("opened",),
        ("ponged", ping.payload),
        ("received_message", "meanwhile"),
        ("received_message", "after"),
    ]


def test_callback_may_close_and_closed_follows(met: Met, drive: Drive) -> None:
    met.ws.todo["received_message"] = lambda: met.ws.close(3000, "enough")
    drive(met)
    met.partner.say(TEXT, b"1")
    met.partner.say(TEXT, b"here before")
    run()
    met.partner.say(TEXT, b"too late")
    met.partner.say(CLOSE, closing(3000))
    met.partner.transport.shutdown()
    run()
    assert met.ws.log[1:] == [
        ("received_message", "1"),
        ("received_message", "here before"),
        ("closed", 3000, ""),
    ]


# Other callers


def test_ping_of_another_caller_is_read_for_by_the_driver(met: Met, drive: Drive) -> None:
    drive(met)
    pinger = gevent.spawn(met.ws.ping)
    run()
    [ping] = met.partner.hear()
    met.partner.say(TEXT, b"before")
    met.partner.say(PONG, ping.payload)
    assert pinger.get(timeout=1) >= 0
    assert met.ws.log[1:] == [("received_message", "before"), ("ponged", ping.payload)]


def test_messages_that_another_caller_has_read_are_delivered_at_once(
    met: Met, drive: Drive
) -> None:
    go_on = Event()
    met.ws.todo["received_message"] = go_on.wait
    drive(met)
    met.partner.say(TEXT, b"1")
    run()
    pinger = gevent.spawn(caught, met.ws.ping)  # reads, for the driver is in a callback
    run()
    go_on.set()
    run()  # now the driver has nothing more to deliver
    met.partner.say(TEXT, b"2")
    run()
    assert met.ws.log[1:] == [("received_message", "1"), ("received_message", "2")]
    say_goodbye(met)
    assert met.ws.log[3:] == [("closed", 3000, "bye")]
    assert isinstance(pinger.get(timeout=1), ConnectionClosed)


def test_driver_leaves_the_bytes_to_who_reads_already(met: Met) -> None:
    pinger = gevent.spawn(met.ws.ping)
    run()
    [ping] = met.partner.hear()
    met.partner.say(PONG, ping.payload)
    assert met.ws.read_and_deliver() is True
    assert pinger.get(timeout=1) >= 0
    assert met.ws.read_and_deliver() is True
    assert met.ws.log == [("opened",), ("ponged", ping.payload)]


def test_close_of_another_caller_waits_for_the_driver(met: Met, drive: Drive) -> None:
    drive(met)
    closer = gevent.spawn(met.ws.close)
    run()
    say_goodbye(met)
    met.partner.transport.shutdown()
    closer.get(timeout=1)
    assert met.ws.log[1:] == [("closed", 3000, "bye")]


# Callbacks that fail


@pytest.mark.parametrize("name", ["opened", "received_message", "ponged"])
def test_callback_that_fails_is_reported_and_the_peer_told_1011(
    met: Met, drive: Drive, name: str
) -> None:
    error = ZeroDivisionError()
    met.ws.todo[name] = failing(error)
    for _ in range(3):
        met.partner.say(PONG, b"")
        met.partner.say(TEXT, b"")
    drive(met)
    names = [entry[0] for entry in met.ws.log]
    assert names[-3:] == [name, "unhandled_error", "closed"]
    assert names.count("unhandled_error") == names.count("closed") == 1
    assert met.ws.log[-2:] == [("unhandled_error", error), ("closed", 1011, met.ws.close_reason)]
    frames = [(frame.opcode, frame.payload[:2]) for frame in met.partner.hear()]
    assert frames == [(CLOSE, closing(1011))]
    assert caught(met.ws.receive).__cause__ is error


def test_failure_tells_the_peer_nothing_of_the_error(met: Met, drive: Drive) -> None:
    met.ws.todo["opened"] = failing(ValueError("a secret"))
    drive(met)
    assert b"secret" not in met.partner.hear()[-1].payload


def test_closed_that_fails_is_reported_and_not_called_again(met: Met, drive: Drive) -> None:
    error = ZeroDivisionError()
    met.ws.todo["closed"] = failing(error)
    drive(met)
    say_goodbye(met)
    assert met.ws.log[1:] == [("closed", 3000, "bye"), ("unhandled_error", error)]
    assert met.opcodes() == [CLOSE]


def test_unhandled_error_that_fails_is_logged(
    met: Met, drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    met.ws.todo["opened"] = failing(ZeroDivisionError())
    met.ws.todo["unhandled_error"] = failing(KeyError())
    drive(met)
    assert [entry[0] for entry in met.ws.log] == ["opened", "unhandled_error", "closed"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_error_is_logged_with_traceback_and_addresses_where_nobody_handles_it(
    drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(WebSocket):
        def opened(self) -> None:
            raise ZeroDivisionError

    met = meet(kind=Failing)
    drive(met)
    [record] = caplog.records
    assert (record.name, record.levelno) == ("geventws", logging.ERROR)
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    assert "client - server" in record.getMessage()
    met.ws.drop()


def test_connection_closed_in_a_callback_is_no_error(met: Met, drive: Drive) -> None:
    def answer() -> None:
        met.transport.cut()
        met.ws.send("into the void")

    met.ws.todo["received_message"] = answer
    drive(met)
    met.partner.say(TEXT, b"question")
    run()
    assert [entry[:2] for entry in met.ws.log[1:]] == [
        ("received_message", "question"),
        ("closed", 1006),
    ]


def test_exception_of_somebody_else_passes_through_run_and_fails_the_connection(met: Met) -> None:
    met.ws.todo["opened"] = failing(gevent.Timeout())
    with pytest.raises(gevent.Timeout):
        met.ws.run()
    assert met.ws.close_code == 1011
    met.ws.run()
    assert [entry[:2] for entry in met.ws.log] == [("opened",), ("closed", 1011)]


# run()


def test_run_returns_when_the_connection_is_over(met: Met) -> None:
    running = gevent.spawn(met.ws.run)
    run()
    assert not running.ready()
    say_goodbye(met)
    assert running.get(timeout=1) is None
    met.ws.run()
    assert met.ws.log == [("opened",), ("closed", 3000, "bye")]


def test_run_that_is_interrupted_can_go_on(met: Met) -> None:
    running = gevent.spawn(met.ws.run)
    run()
    met.partner.say(TEXT, b"half ", fin=False)
    run()
    running.kill()
    gevent.spawn(met.ws.run)
    met.partner.say(0, b"and half")
    run()
    assert met.ws.log == [("opened",), ("received_message", "half and half")]
