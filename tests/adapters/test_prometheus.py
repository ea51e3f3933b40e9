"""Metrics as Prometheus reads them: by prometheus_client's own parser, of real connections."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import gevent
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

import geventws
from geventws.adapters.prometheus import BUCKETS, Collector, Latencies
from geventws.counts import MAX_CODES
from geventws.manager import Manager
from geventws.testing import pair
from tests.pairs import burn
from tests.rawpeer import PATIENCE
from tests.serving import echo, running

pytestmark = pytest.mark.usefixtures("leaks_nothing")

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry(auto_describe=True)


@pytest.fixture
def managers(registry: CollectorRegistry) -> Iterator[tuple[Manager, Manager]]:
    """Two managers under one collector: "one" and "two"."""
    both = Manager(), Manager()
    collector = Collector(one=both[0], two=both[1])
    registry.register(collector)
    yield both
    collector.close()


def scrape(registry: CollectorRegistry) -> Samples:
    text = generate_latest(registry).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, manager: str = "one", **labels: str) -> float:
    return samples[name, frozenset({"manager": manager, **labels}.items())]


def test_metrics_follow_a_connection_from_its_opening_past_its_end(
    registry: CollectorRegistry,
) -> None:
    with running(geventws.serve(echo, ("127.0.0.1", 0), compression=None)) as server:
        collector = Collector(one=server.manager)
        registry.register(collector)
        with geventws.connect(f"ws://127.0.0.1:{server.server_port}/") as ws:
            ws.send("hello")
            assert ws.receive(timeout=PATIENCE) == "hello"
            samples = scrape(registry)
            assert value(samples, "geventws_connections") == 1
            assert value(samples, "geventws_messages_received_total") == 1
            assert value(samples, "geventws_wire_received_bytes_total") == 11
            assert value(samples, "geventws_wire_sent_bytes_total") == 7
            ws.close(4000)
        assert server.manager.join(timeout=PATIENCE)
        samples = scrape(registry)
        assert value(samples, "geventws_connections") == 0
        assert value(samples, "geventws_connections_opened_total") == 1
        assert value(samples, "geventws_messages_sent_total") == 1
        assert value(samples, "geventws_received_bytes_total") == 5
        assert value(samples, "geventws_sent_bytes_total") == 5
        assert value(samples, "geventws_close_codes_total", code="4000") == 1
        collector.close()


def test_metrics_are_told_apart_by_manager(
    registry: CollectorRegistry, managers: tuple[Manager, Manager]
) -> None:
    client, server = pair()
    managers[1].add(server)
    managers[0].counts.refuse(403)
    samples = scrape(registry)
    assert value(samples, "geventws_connections", "one") == 0
    assert value(samples, "geventws_connections", "two") == 1
    assert value(samples, "geventws_handshakes_refused_total", "one", status="403") == 1
    assert value(samples, "geventws_slow_broadcasts_total", "two", outcome="dropped") == 0
    client.drop()
    server.drop()


def test_metrics_count_what_waits_to_be_received(
    registry: CollectorRegistry, managers: tuple[Manager, Manager]
) -> None:
    client, server = pair()
    managers[0].add(server)
    client.send("nobody receives this")
    with gevent.Timeout(PATIENCE):
        while not server.stats.queued:
            gevent.sleep(0.01)
    assert value(scrape(registry), "geventws_queued_messages") == 1
    client.drop()
    server.drop()


def test_histogram_has_a_sample_of_each_connection_at_each_scrape(
    registry: CollectorRegistry, managers: tuple[Manager, Manager]
) -> None:
    client, server = pair()
    managers[0].add(client)
    managers[0].add(server)  # was never pinged
    with gevent.Timeout(PATIENCE):
        client.ping()
    scrape(registry)
    samples = scrape(registry)
    assert value(samples, "geventws_ping_latency_seconds_count") == 2
    assert value(samples, "geventws_ping_latency_seconds_bucket", le="+Inf") == 2
    assert client.latency is not None
    total = value(samples, "geventws_ping_latency_seconds_sum")
    assert total == pytest.approx(2 * client.latency)
    client.drop()
    server.drop()


def test_latencies_fall_into_the_bucket_that_holds_them() -> None:
    latencies = Latencies()
    for latency in (BUCKETS[0], BUCKETS[0] * 1.01, None, 1000.0):
        latencies.add(latency)
    assert latencies.cumulative()[:2] == [("0.001", 1), ("0.0025", 2)]
    assert latencies.cumulative()[-2:] == [("10.0", 2), ("+Inf", 3)]


def test_close_codes_of_hostile_peers_stay_few(
    registry: CollectorRegistry, managers: tuple[Manager, Manager]
) -> None:
    for code in range(3000, 3000 + 2 * MAX_CODES):
        managers[0].counts.closes[code if code < 3000 + MAX_CODES else 0] = 1
    codes = [key for key in scrape(registry) if key[0] == "geventws_close_codes_total"]
    assert len(codes) == MAX_CODES + 1
    assert value(scrape(registry), "geventws_close_codes_total", code="other") == 1


def test_hub_lag_is_the_longest_since_the_last_scrape(
    registry: CollectorRegistry, managers: tuple[Manager, Manager]
) -> None:
    lag = ("geventws_hub_lag_seconds", frozenset[tuple[str, str]]())
    assert scrape(registry)[lag] == 0.0
    gevent.sleep(0.1)
    burn(0.3)
    assert scrape(registry)[lag] > 0.2


def test_metrics_are_valid_openmetrics_too(
    registry: CollectorRegistry, managers: tuple[Manager, Manager]
) -> None:
    managers[0].counts.refuse(503)
    text = generate_openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    families = list(parse_openmetrics(text))  # type: ignore[no-untyped-call]
    names = {family.name for family in families}
    assert {"geventws_connections", "geventws_handshakes_refused"} <= names
    assert all(family.documentation for family in families)


def test_metrics_may_be_scraped_in_another_thread(
    registry: CollectorRegistry, managers: tuple[Manager, Manager]
) -> None:
    found: list[Samples] = []
    thread = Thread(target=lambda: found.append(scrape(registry)))
    thread.start()
    thread.join()
    assert value(found[0], "geventws_connections") == 0


def test_counters_never_go_down_while_connections_come_and_go(
    registry: CollectorRegistry, managers: tuple[Manager, Manager]
) -> None:
    def scrape_often(found: list[Samples]) -> None:
        for _ in range(10):
            found.append(scrape(registry))

    seen: tuple[list[Samples], list[Samples]] = [], []
    threads = [Thread(target=scrape_often, args=[found]) for found in seen]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        client, server = pair()
        managers[0].add(server)
        server.send("hello")
        client.drop()
        server.drop()
    for found in seen:
        found.append(scrape(registry))
        opened = value(found[-1], "geventws_connections_opened_total")
        assert opened > 0
        assert value(found[-1], "geventws_close_codes_total", code="1006") == opened
        sent = [value(each, "geventws_messages_sent_total") for each in found]
        assert sent == sorted(sent)
        assert sent[-1] == opened


def test_registry_takes_one_collector_and_registering_scrapes_nothing(
    registry: CollectorRegistry, managers: tuple[Manager, Manager]
) -> None:
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(Collector(three=Manager()))


def test_collector_takes_managers_only() -> None:
    with pytest.raises(TypeError, match="one: a Manager, not str"):
        Collector(one="two")  # type: ignore[arg-type]
