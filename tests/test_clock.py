"""The clock that deadlines go by."""

from __future__ import annotations

import re
import time
from typing import Final

from geventws import clock
from setup import ROOT

# These wait by no timer of gevent's, or measure.
REAL: Final = {
    *("clock", "sockets", "pushed", "awaiting", "prefork"),
    *("benchmarking", "sessions", "cli", "adapters"),
}


def test_clock_runs_until_it_is_held_and_after_that() -> None:
    before = time.monotonic()
    assert before <= clock.monotonic() <= time.monotonic()
    try:
        clock.hold(0.0)
        assert (clock.monotonic(), clock.is_held()) == (0.0, True)
        clock.hold(5.0)
        assert clock.monotonic() == 5.0
    finally:
        clock.hold(-1.0)
    assert not clock.is_held()
    assert clock.monotonic() >= before


def test_every_module_that_waits_by_gevent_goes_by_it() -> None:
    package = ROOT / "geventws"
    asking = re.compile(r"^from time import .*monotonic|time\.monotonic\b", re.MULTILINE)
    real = {
        path.relative_to(package).with_suffix("").parts[0]
        for path in package.rglob("*.p*")
        if path.suffix in (".py", ".pxd") and asking.search(path.read_text(encoding="utf-8"))
    }
    assert real <= REAL
