"""How long each phase of an opening took."""

from __future__ import annotations

from time import perf_counter
from typing import Any, Final, NamedTuple

from geventws.client import CREDENTIALS, NAME_LOOKUP, PROXY, TCP, TLS, Phases
from geventws.opening import PHASE

FIELDS: Final = {
    **{NAME_LOOKUP: "dns", TCP: "tcp", PROXY: "tcp", TLS: "tls"},
    **{CREDENTIALS: "upgrade", PHASE: "upgrade"},
}


class Timing(NamedTuple):
    """The milliseconds of an opening, phase by phase; None for one that was not reached or needed.

    Of several addresses that are tried, *tcp* is until the first one answered; a proxy's part is in
    it. After a redirect each is the sum over all openings.
    """

    dns: float | None = None
    tcp: float | None = None
    tls: float | None = None
    upgrade: float | None = None


class Stopwatch(Phases):
    """Takes the time of each phase."""

    __slots__ = ("_since", "_spent")

    def __init__(self) -> None:
        self._spent: dict[str, Any] = {}
        self._since = 0.0
        self.now = ""

    def begin(self, phase: str) -> None:
        """End the phase before and begin *phase*."""
        now = perf_counter()
        if self.now:
            field = FIELDS[self.now]
            self._spent[field] = self._spent.get(field, 0.0) + (now - self._since) * 1000
        self.now, self._since = phase, now

    def stop(self) -> Timing:
        """End the last phase, which may have failed; return what each took."""
        self.begin("")
        return Timing(**self._spent)
