"""Connecting to the fastest of several addresses, and leaving nothing of the others."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent import socket

from geventws.dial import ATTEMPT_DELAY, dial, look_up, unix_address
from tests.servers import dead_port, name_server, refusing_port, serving, silent

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def at(host: str, port: int) -> Any:
    """Return the address of a TCP port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return (family, socket.SOCK_STREAM, 0, "", (host, port))


def peer_of(sock: Any) -> Any:
    with sock:
        return sock.getpeername()[:2]


def test_look_up_finds_numbers_and_names() -> None:
    assert look_up("127.0.0.1", 80) == [(*at("127.0.0.1", 80)[:2], 6, "", ("127.0.0.1", 80))]
    assert ("127.0.0.1", 80) in [each[4][:2] for each in look_up("localhost", 80)]


def test_look_up_takes_families_in_turn_beginning_with_the_first_ones() -> None:
    with name_server(lambda host: ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2"]):
        found = [each[4][0] for each in look_up("any", 80)]
    assert found == ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"]


def test_look_up_raises_for_a_name_without_addresses() -> None:
    with pytest.raises(socket.gaierror):
        look_up("no-such-host.invalid", 80)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_dial_connects_to_a_single_address_without_delaying_small_writes(host: str) -> None:
    with serving(silent, (host, 0)) as server, dial([at(host, server.port)]) as sock:
        assert sock.getpeername()[:2] == (host, server.port)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_dial_connects_to_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with serving(silent, listener), dial([unix_address(path)]) as sock:
            assert sock.getpeername() == path


def test_dial_goes_on_at_once_when_an_attempt_fails() -> None:
    with serving(silent) as server:
        dead = [at(f"127.0.0.{n}", server.port) for n in range(2, 12)]
        start = monotonic()
        sock = dial([*dead, at("127.0.0.1", server.port)])
        assert monotonic() - start < 8 * ATTEMPT_DELAY  # of the ten that it does not wait for
        assert peer_of(sock) == ("127.0.0.1", server.port)


def test_dial_waits_for_a_dead_address_no_longer_than_the_attempt_delay() -> None:
    with dead_port("127.0.0.2") as dead, serving(silent) as server:
        start = monotonic()
        sock = dial([at(*dead.getsockname()), at("127.0.0.1", server.port)])
        assert ATTEMPT_DELAY <= monotonic() - start < 40 * ATTEMPT_DELAY  # TCP's own takes minutes
        assert peer_of(sock) == ("127.0.0.1", server.port)


def test_dial_takes_the_other_family_where_one_is_dead() -> None:
    with serving(silent, ("::1", 0)) as server:
        sock = dial([at("127.0.0.1", refusing_port()), at("::1", server.port)])
        assert peer_of(sock) == ("::1", server.port)


def test_dial_takes_whichever_answers_in_the_end() -> None:
    with dead_port("127.0.0.2") as dead, dead_port("127.0.0.3") as slow:
        dialled = gevent.spawn(dial, [at(*dead.getsockname()), at(*slow.getsockname())])
        waking = gevent.spawn_later(1.5 * ATTEMPT_DELAY, accept_all, slow)
        assert peer_of(dialled.get(timeout=10)) == slow.getsockname()
        waking.kill()


def accept_all(listener: Any) -> None:
    while True:
        listener.accept()[0].close()


def test_dial_raises_what_the_first_address_did() -> None:
    port = refusing_port()
    with pytest.raises(ConnectionRefusedError) as caught:
        dial([at("127.0.0.1", port), at("::1", port), at("127.0.0.2", port)])
    with pytest.raises(ConnectionRefusedError):
        dial([at("127.0.0.1", port)])
    assert caught.value.errno


def test_dial_lets_its_callers_timeout_pass_and_drops_all_attempts() -> None:
    with dead_port("127.0.0.2") as one, dead_port("127.0.0.3") as two:
        both = [at(*one.getsockname()), at(*two.getsockname())]
        for addresses in (both, both[:1]):
            limit = gevent.Timeout(1.5 * ATTEMPT_DELAY)
            with pytest.raises(gevent.Timeout) as caught, limit:
                dial(addresses)
            assert caught.value is limit


def test_dial_that_is_killed_at_any_point_closes_what_it_has() -> None:
    with serving(silent) as server:
        addresses = [at("127.0.0.1", server.port)] * 2
        for turns in range(20):
            dialled = gevent.spawn(dial, addresses)
            for _ in range(turns):
                gevent.sleep(0)
            dialled.kill()
            if isinstance(dialled.value, socket.socket):
                peer_of(dialled.value)


def test_dial_connects_from_the_source_address() -> None:
    with serving(silent) as server:
        with dial([at("127.0.0.1", server.port)], ("127.0.0.9", 0)) as sock:
            assert sock.getsockname()[0] == "127.0.0.9"
        both = [at("::1", server.port), at("127.0.0.1", server.port)]
        with dial(both, ("127.0.0.9", 0)) as sock:
            assert sock.getsockname()[0] == "127.0.0.9"


def test_dial_raises_for_a_source_address_that_is_not_ours() -> None:
    with serving(silent) as server, pytest.raises(OSError, match="Cannot assign"):
        dial([at("127.0.0.1", server.port)], ("192.0.2.1", 0))
