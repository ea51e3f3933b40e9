"""Who is let in, from accept to the end, and who is told why not."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from geventws.core.errors import InvalidHandshake
from geventws.limits import MAX_CONNECTIONS, RESERVE, Admission, Limits, most_connections

HERE = ("192.0.2.1", 50000)
THERE = ("192.0.2.2", 50000)


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


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("name", ["max_connections", "per_address"])
def test_limits_name_what_is_too_small(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name}: must be greater than 0"):
        Limits(**{name: value})


@pytest.mark.parametrize("value", ["1", 1.0, True])
def test_limits_name_what_is_no_int(value: object) -> None:
    with pytest.raises(TypeError, match="per_address: an int or None"):
        Limits(per_address=value)  # type: ignore[arg-type]


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
