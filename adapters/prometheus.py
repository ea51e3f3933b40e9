"""What managers count, for Prometheus to scrape, over prometheus_client.

Manager.counts, ws.stats, ws.latency -> Collector.collect() -> the registry -> /metrics

Nothing is counted here for a message: the connections' own integers are read when they are asked
for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from threading import Lock
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector as PrometheusCollector
from prometheus_client.utils import floatToGoString

from geventws.counts import OTHER, add_up
from geventws.lag import HubLag
from geventws.manager import Manager

# seconds; a loopback's to those of a peer that is as good as gone
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LABEL: Final = "manager"
# the field of Stats that each is, its name, and what it says
TOTALS: Final = (
    ("messages_received", "geventws_messages_received", "Messages received, whole."),
    ("messages_sent", "geventws_messages_sent", "Messages sent, whole."),
    ("bytes_received", "geventws_received_bytes", "Payload received, before compression."),
    ("bytes_sent", "geventws_sent_bytes", "Payload sent, before compression."),
    ("wire_received", "geventws_wire_received_bytes", "Frames received, as on the wire."),
    ("wire_sent", "geventws_wire_sent_bytes", "Frames sent, as on the wire."),
    ("pings_received", "geventws_pings_received", "Pings received."),
)
SLOW: Final = ("buffered", "dropped", "not_sent")


class Collector(PrometheusCollector):
    """A collector of prometheus_client over managers, each under the name it is given here.

        REGISTRY.register(Collector(chat=server.manager))

    Make it in the thread of the managers' hub, one for all of them: a registry takes no second
    one. It may be scraped in any thread. Each scrape looks at every connection once, without a
    pause: 10,000 take some 30 ms.

    Counters begin with the manager, those of connections that have left stay in. The histogram of
    latencies gets one sample of each connection that was pinged at each scrape, its latest.

    Raises:
        TypeError: one of *managers* is no Manager.
    """

    def __init__(self, **managers: Manager) -> None:
        for name, manager in managers.items():
            if not isinstance(manager, Manager):
                raise TypeError(f"{name}: a Manager, not {type(manager).__name__}")
        self._managers = managers
        self._latencies = {name: Latencies() for name in managers}
        self._lag = HubLag()
        self._lock = Lock()

    def describe(self) -> list[Metric]:
        """Return the metrics without a number, so that registering scrapes nothing."""
        return [*Scrape().families(), _hub_lag(None)]

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they stand."""
        scrape = Scrape()
        with self._lock:  # or a histogram could lose a sample, which Prometheus takes for a restart
            for name, manager in self._managers.items():
                scrape.add(name, manager, self._latencies[name])
        yield from scrape.families()
        yield _hub_lag(self._lag.read())

    def close(self) -> None:
        """Look after the hub no more; without this it goes on for a minute after a scrape."""
        self._lag.stop()


class Latencies:
    """A histogram of latencies, one sample of each connection for each scrape."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0

    def add(self, latency: float | None) -> None:
        """Count one sample; None is none."""
        if latency is not None:
            self._counts[bisect_left(BUCKETS, latency)] += 1
            self._sum += latency

    def cumulative(self) -> list[tuple[str, float]]:
        """Return for each upper bound how many samples are within it."""
        bounds = [*map(floatToGoString, BUCKETS), "+Inf"]
        return list(zip(bounds, accumulate(self._counts), strict=True))

    def write_to(self, family: HistogramMetricFamily, name: str) -> None:
        """Put what was counted so far into *family*."""
        family.add_metric([name], self.cumulative(), self._sum)


class Scrape:
    """The metrics of one scrape, as they fill, one manager after another."""

    def __init__(self) -> None:
        self._connections = GaugeMetricFamily(
            "geventws_connections", "Open connections.", labels=[LABEL]
        )
        self._queued = GaugeMetricFamily(
            "geventws_queued_messages", "Messages that wait to be received.", labels=[LABEL]
        )
        self._opened = _counter("geventws_connections_opened", "Connections opened.")
        self._totals = {field: _counter(name, text) for field, name, text in TOTALS}
        self._closes = _counter("geventws_close_codes", "Connections ended, by close code.", "code")
        self._refused = _counter(
            "geventws_handshakes_refused", "Opening handshakes refused, by HTTP status.", "status"
        )
        self._slow = _counter(
            "geventws_slow_broadcasts",
            "Broadcasts that did not reach a peer at once, by what became of them.",
            "outcome",
        )
        self._latency = HistogramMetricFamily(
            "geventws_ping_latency_seconds", "Latest ping of each connection.", labels=[LABEL]
        )

    def add(self, name: str, manager: Manager, latencies: Latencies) -> None:
        """Add the numbers of *manager*."""
        counts = manager.counts
        past, connections = counts.divide(manager)
        total = add_up(past, [ws.stats for ws in connections])
        for ws in connections:
            latencies.add(ws.latency)
        self._connections.add_metric([name], len(connections))
        self._queued.add_metric([name], total.queued)
        self._opened.add_metric([name], counts.opened)
        for field, family in self._totals.items():
            family.add_metric([name], getattr(total, field))
        for code, number in list(counts.closes.items()):
            self._closes.add_metric([name, "other" if code == OTHER else str(code)], number)
        for status, number in list(counts.refused.items()):
            self._refused.add_metric([name, str(status)], number)
        for outcome in SLOW:
            self._slow.add_metric([name, outcome], getattr(counts, outcome))
        latencies.write_to(self._latency, name)

    def families(self) -> list[Metric]:
        """Return all metrics."""
        return [
            *(self._connections, self._queued, self._opened, *self._totals.values()),
            *(self._closes, self._refused, self._slow, self._latency),
        ]


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, labels=[LABEL, *labels])


def _hub_lag(seconds: float | None) -> GaugeMetricFamily:
    text = "Longest delay of the hub since the last scrape."
    return GaugeMetricFamily("geventws_hub_lag_seconds", text, value=seconds)
