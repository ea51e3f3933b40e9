"""Large messages and many senders: what is linear must stay linear, and whole."""

from __future__ import annotations

import gc
from time import monotonic, process_time

import gevent
import pytest

from geventws.core.errors import ConnectionClosed
from geventws.options import Options
from tests.core.helpers import AGREED
from tests.pairs import SMALL, Pair, pair, tcp, tls, unix

pytestmark = pytest.mark.usefixtures("leaks_nothing")

MIB = 1 << 20
BOUNDLESS = Options(ping_interval=None, max_size=None)


def seconds_for(ends: Pair, size: int) -> float:
    """Send *size* bytes from the first end to the second; return the processor time of that."""
    message = bytes(size)
    gc.collect()
    start = process_time()
    sender = gevent.spawn(ends[0].send, message)
    received = ends[1].receive(timeout=50)
    seconds = process_time() - start
    sender.get(timeout=5)
    assert received == message
    return seconds


@pytest.mark.parametrize("back", [False, True], ids=["from-client", "from-server"])
def test_message_of_100_mebibytes_takes_linear_time(back: bool) -> None:
    ends = pair(tcp(), BOUNDLESS, BOUNDLESS)
    there = Pair(ends.server, ends.client) if back else ends
    seconds_for(there, MIB)
    few, many = (min(seconds_for(there, size * MIB) for _ in range(3)) for size in (25, 100))
    ends.drop()
    # four times as much; what is squared would take sixteen times as long, on any machine
    assert many / few < 13, f"{few:.2f} s for 25 MiB, {many:.2f} s for 100 MiB"


def test_large_compressed_message_over_tls_arrives() -> None:
    ends = pair(tls(), BOUNDLESS, BOUNDLESS, AGREED)
    text = "".join(f"{n}, " for n in range(1_000_000))
    sender = gevent.spawn(ends.client.send, text)
    assert ends.server.receive(timeout=20) == text
    sender.get(timeout=5)
    ends.drop()


def test_pieces_of_a_large_message_are_never_held_together() -> None:
    ends = pair(unix(), BOUNDLESS, BOUNDLESS)
    sender = gevent.spawn(ends.client.send, bytes(20 * MIB))
    size = most = 0
    for piece in ends.server.receive_pieces():
        size += len(piece)
        most = max(most, ends.server._protocol.buffered() + len(piece))
    assert size == 20 * MIB
    assert most < MIB
    sender.get(timeout=5)
    ends.drop()


SENDERS = 100
SIZES = [0, 1, 20, 100, 125, 126, 300, 2000, 70_000]  # the last one rarely


def size_of(sender: int, n: int) -> int:
    return SIZES[-1] if n % 250 == sender % 250 else SIZES[(sender + n) % (len(SIZES) - 1)]


def message_of(sender: int, n: int) -> str:
    return f"{sender} {n} ".ljust(size_of(sender, n), chr(65 + n % 26))


@pytest.mark.parametrize(
    ("buffer", "count"), [(0, 1000), (SMALL, 100)], ids=["fast-peer", "slow-peer"]
)
def test_messages_of_many_senders_arrive_whole_and_in_order(buffer: int, count: int) -> None:
    ends = pair(tcp(buffer))

    def send(sender: int) -> None:
        for n in range(count):
            ends.client.send(message_of(sender, n))

    senders = [gevent.spawn(send, sender) for sender in range(SENDERS)]
    next_of = [0] * SENDERS
    start = monotonic()
    for _ in range(SENDERS * count):
        message = ends.server.receive(timeout=10)
        assert isinstance(message, str)
        sender = int(message.split(" ", 1)[0])
        assert message == message_of(sender, next_of[sender])
        next_of[sender] += 1
    assert monotonic() - start < 50
    gevent.joinall(senders, timeout=5, raise_error=True)
    assert next_of == [count] * SENDERS
    ends.drop()


def test_senders_ping_and_close_while_messages_are_under_way() -> None:
    ends = pair(unix(SMALL))

    def send(sender: int) -> None:
        for n in range(10_000):
            ends.client.send(message_of(sender, n))

    def receive() -> int:
        count = 0
        for _ in ends.server:  # raises unless the end is a clean one
            count += 1
        ends.server.close()
        return count

    senders = [gevent.spawn(send, sender) for sender in range(20)]
    receiver = gevent.spawn(receive)
    assert [ends.client.ping(timeout=5) > 0 for _ in range(20)] == [True] * 20
    ends.client.close()
    gevent.joinall(senders, timeout=5)
    assert {type(each.exception) for each in senders} == {ConnectionClosed}
    assert receiver.get(timeout=5) > 0
