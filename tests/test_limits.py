"""Who is let in, from accept to the end, and who is told why not."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import Any

import pytest

from geventws.core.errors import InvalidHandshake
from geventws.limits import (
    KEPT,
    MAX_CONNECTIONS,
    RESERVE,
    Admission,
    Limits,
    limits_of,
    most_connections,
)
from geventws.rates import Rate

HERE = ("192.0.2.1", 50000)
THERE = ("192.0.2.2", 50000)
SITE = ("2001:db8::1", 50000, 0, 0)


class Clock:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(limits: Limits, *addresses: object) -> Admission:
    """Return an Admission that has let connections from *addresses* in."""
    admission = Admission(limits)
    for address in addresses:
        assert admission.enter(address)
        admission.admit(address)
    return admission


def status_of(admission: Admission, address: object) -> int:
    """Return what one more connection is answered."""
    with pytest.raises(InvalidHandshake) as raised:
        admission.admit(address)
    assert raised.value.headers == (("Retry-After", "5"),)
    return raised.value.status


def test_admission_answers_503_over_max_connections() -> None:
    assert status_of(admitted(Limits(max_connections=2), HERE, THERE), HERE) == 503


def test_admission_answers_429_over_per_address_only_there() -> None:
    admission = admitted(Limits(per_address=2), HERE, HERE)
    assert status_of(admission, HERE) == 429
    admission.admit(THERE)


def test_admission_counts_no_addresses_of_unix_sockets() -> None:
    admitted(Limits(per_address=1), "", "").admit("")


def test_admission_takes_another_one_when_one_has_left() -> None:
    admission = admitted(Limits(max_connections=1, per_address=1), HERE)
    admission.leave(HERE, True)
    admission.enter(HERE)
    admission.admit(HERE)


def test_admission_lets_in_who_waits_behind_those_who_are_not_admitted() -> None:
    admission = admitted(Limits(max_connections=1))
    for _ in range(RESERVE):
        assert admission.enter(HERE)
    admission.admit(THERE)


@pytest.mark.parametrize("limits", [Limits(max_connections=3), Limits(per_address=3)])
def test_admission_turns_a_crowd_away_before_it_is_listened_to(limits: Limits) -> None:
    admission = Admission(limits)
    assert all(admission.enter(HERE) for _ in range(RESERVE + 3))
    assert not admission.enter(HERE)
    admission.leave(HERE, False)
    assert admission.enter(HERE)


def test_admission_remembers_no_address_that_has_left() -> None:
    admission = admitted(Limits(per_address=3), HERE, THERE)
    for address in (HERE, THERE):
        admission.leave(address, True)
    assert not admission._addresses


def test_admission_counts_a_site_of_ipv6_as_one_address() -> None:
    admission = admitted(Limits(per_address=1), SITE)
    assert status_of(admission, ("2001:db8::ffff", 1, 0, 0)) == 429
    admission.admit(("2001:db8:0:1::1", 1, 0, 0))


# Rates


def wait_of(admission: Admission, address: Any) -> str:
    """Return the Retry-After that a connection too fast is answered."""
    with pytest.raises(InvalidHandshake, match="too fast") as raised:
        admission.admit(address)
    assert raised.value.status == 429
    ((name, value),) = raised.value.headers
    assert name == "Retry-After"
    return value


def test_admission_answers_429_over_handshake_rate_only_there() -> None:
    clock = Clock()
    admission = Admission(Limits(handshake_rate=(0.5, 2)), clock)
    for _ in range(2):
        admission.admit(HERE)
    assert wait_of(admission, HERE) == "2"
    admission.admit(THERE)
    clock.now += 1.5
    assert wait_of(admission, HERE) == "1"
    clock.now += 0.5
    admission.admit(HERE)


def test_admission_remembers_who_has_left_until_its_rate_is_forgiven() -> None:
    clock = Clock()
    admission = Admission(Limits(handshake_rate=(1, 1)), clock)
    for _ in range(2):
        assert admission.enter(HERE)
    admission.admit(HERE)
    admission.leave(HERE, True)
    assert wait_of(admission, HERE) == "1"
    clock.now += 1
    admission.leave(HERE, False)
    assert not admission._addresses


def test_admission_keeps_no_more_addresses_than_owe_something() -> None:
    clock = Clock()
    admission = Admission(Limits(handshake_rate=(1, 1)), clock)
    for number in range(5 * KEPT):
        address = (f"192.0.{number // 256}.{number % 256}", 1)
        assert admission.enter(address)
        admission.admit(address)
        admission.leave(address, True)
        clock.now += 0.01
        assert len(admission._addresses) <= KEPT


# Proxies


def test_admission_counts_a_moved_connection_at_its_new_address_alone() -> None:
    admission = admitted(Limits(per_address=1), "", HERE)
    admission.move("", HERE, False)
    assert status_of(admission, HERE) == 429
    admission.leave(HERE, True)
    admission.move(HERE, THERE, False)
    admission.admit(THERE)
    admission.leave(THERE, True)
    assert not admission._addresses


def test_admission_moves_nothing_to_where_there_are_too_many() -> None:
    admission = admitted(Limits(per_address=1), HERE, THERE)
    with pytest.raises(InvalidHandshake, match="from this address"):
        admission.move(HERE, THERE, True)
    admission.move(HERE, HERE, True)
    admission.move(HERE, SITE, True)
    assert status_of(admission, SITE) == 429
    admission.move(SITE, "", True)
    admission.move("", SITE, True)
    admission.leave(SITE, True)
    admission.leave(THERE, True)
    assert not admission._addresses


def test_admission_counts_a_moved_connection_as_one_more_that_its_address_opens() -> None:
    clock = Clock()
    admission = Admission(Limits(handshake_rate=(1, 1)), clock)
    assert admission.enter(HERE)
    admission.admit(HERE)
    admission.move(HERE, THERE, True)
    with pytest.raises(InvalidHandshake, match="too fast"):
        admission.move(THERE, HERE, True)
    clock.now += 1
    admission.move(THERE, HERE, True)
    admission.leave(HERE, True)


# Limits

WHOLE = ["max_connections", "per_address", "max_buffered"]
RATES = ["handshake_rate", "message_rate", "byte_rate"]


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("name", [*WHOLE, *RATES, "max_lag"])
def test_limits_name_what_is_too_small(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}: must be greater than 0"):
        Limits(**{name: value})


@pytest.mark.parametrize("value", ["1", 1.0, True])
@pytest.mark.parametrize("name", WHOLE)
def test_limits_name_what_is_no_int(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name}: an int or None"):
        Limits(**{name: value})


@pytest.mark.parametrize("value", ["1", True, (1, 2)])
def test_limits_name_what_is_no_number_of_seconds(value: Any) -> None:
    with pytest.raises(TypeError, match="max_lag: a number of seconds or None"):
        Limits(max_lag=value)


def test_limits_know_their_rates() -> None:
    limits = Limits(message_rate=5, byte_rate=(1000, 5000))
    assert limits.messages == Rate(5, 50)
    assert limits.bytes == Rate(1000, 5000)
    assert Limits().messages is None
    assert Limits().bytes is None


def test_limits_are_the_defaults_where_nobody_says() -> None:
    assert limits_of(None) == Limits()


def test_limits_are_nothing_else() -> None:
    with pytest.raises(TypeError, match=r"^limits: a Limits or None$"):
        limits_of(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["message_rate", "byte_rate", "max_lag", "max_buffered"])
def test_limits_that_cannot_be_kept_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^limits: {name} is kept by servers on gevent alone$"):
        limits_of(Limits(**{name: 1}), only_counts=True)
    counts = Limits(max_connections=1, per_address=1, handshake_rate=1)
    assert limits_of(counts, only_counts=True) is counts


def test_most_connections_is_64_less_than_open_files() -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most_connections() == min(MAX_CONNECTIONS, files - 64)


@pytest.mark.parametrize(("files", "most"), [(20000, 10000), (1000, 936), (60, 1)])
def test_most_connections_follows_a_lower_limit_of_open_files(files: int, most: int) -> None:
    program = (
        "import resource; from geventws.limits import most_connections; "
        "_, most = resource.getrlimit(resource.RLIMIT_NOFILE); "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, most)); print(most_connections())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(done.stdout) == most
