"""What a measurement found, as JSON with fixed names, and as text for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from math import floor, log10
from typing import Any, Final

from geventws.benchmarking.bench import Bench, Target
from geventws.benchmarking.histogram import Histogram
from geventws.benchmarking.tally import Tally
from geventws.version import __version__

PERCENTILES: Final = {"p50": 50, "p90": 90, "p99": 99, "p99_9": 99.9, "max": 100}
ROWS: Final = 12  # of the histogram
BUSY: Final = 0.9  # of one processor
NONE: Final = "-"
WIDTH: Final = 40  # columns of its longest bar

_without_credentials = re.compile(r"(?<=://)[^/?]*@").sub


def found(bench: Bench) -> dict[str, Any]:
    """Return all figures under the names that docs/howto/bench.md lists. Times are seconds."""
    targets = [_found(bench, target) for target in bench.targets]
    return {
        "geventws": __version__,
        "interrupted": bench.interrupted,
        "failed": any(target.failed for target in bench.targets),
        "options": _options(bench),
        "targets": targets,
        "ratios": _ratios(*targets) if len(targets) == 2 else None,
    }


def _options(bench: Bench) -> dict[str, Any]:
    plan = bench.plan
    return {
        "connections": plan.connections,
        "in_flight": None if plan.rate is not None else plan.in_flight,
        "rate": plan.rate,
        "size": plan.size,
        "binary": isinstance(plan.messages[0], bytes),
        "echo": plan.echo,
        "duration": plan.duration,
        "count": plan.count,
        "warm_up": plan.warm_up,
        "timeout": plan.timeout,
    }


def _found(bench: Bench, target: Target) -> dict[str, Any]:
    fleet, tally = target.fleet, target.tally
    seconds = tally.seconds or 1.0
    return {
        "url": _without_credentials("", fleet.url),
        "connections": len(fleet.lanes),
        "compressed": any("permessage-deflate" in lane.ws.extensions for lane in fleet.lanes),
        "opening_seconds": fleet.seconds,
        "opening": _times(fleet.times),
        **_throughput(tally),
        "bytes_sent_per_second": tally.messages * bench.plan.size / seconds,
        "bytes_received_per_second": tally.received / seconds,
        "latency": _times(tally.latencies),
        "sent_late": None if bench.plan.rate is None else _times(tally.late),
        "busy": tally.busy if tally.messages else None,
        "unanswered": tally.unanswered,
        "failures": dict(tally.failures.most_common()),
        "rounds": [{**_throughput(each), **_times(each.latencies)} for each in target.rounds],
        "histogram": [list(row) for row in tally.latencies.rows(ROWS)],
    }


def _throughput(tally: Tally) -> dict[str, float]:
    return {
        "messages": tally.messages,
        "seconds": tally.seconds,
        "messages_per_second": tally.rate,
    }


def _times(times: Histogram) -> dict[str, float | None]:
    percentiles = {name: times.percentile(percent) for name, percent in PERCENTILES.items()}
    figures = {"min": times.least, "mean": times.mean(), **percentiles}
    return {name: each if times.count else None for name, each in figures.items()}


def _ratios(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float | None]:
    """Return how many times as much the *other* is."""
    names = ["messages_per_second", "bytes_sent_per_second", "bytes_received_per_second"]
    pairs = {name: (one[name], other[name]) for name in names}
    pairs |= {name: (one["latency"][name], other["latency"][name]) for name in one["latency"]}
    return {name: b / a if a and b else None for name, (a, b) in pairs.items()}


# As text

Line = tuple[str, list[str]]  # its label, and a cell for each target


def text(bench: Bench) -> str:
    """Return what people are shown: a column for each target, and one for the ratio of two."""
    figures = found(bench)
    targets = figures["targets"]
    lines = [*_title(figures), "", *_table([*_rows(targets, figures["ratios"])])]
    lines += _warnings(targets)
    for number, target in enumerate(targets, 1):
        which = f" of {number}" if len(targets) > 1 else ""
        lines += [*_failures(target, which), *_histogram(target["histogram"], which)]
    return "\n".join(lines)


def _title(figures: dict[str, Any]) -> Iterator[str]:
    options, targets = figures["options"], figures["targets"]
    for number, target in enumerate(targets, 1):
        compressed = ", compression agreed" if target["compressed"] else ""
        which = f"{number}  " if len(targets) > 1 else ""
        yield f"{which}{target['url']}{compressed}"
    rate, flight = options["rate"], options["in_flight"]
    loop = f"{flight} in flight on each" if rate is None else f"{rate:g} messages/s in all"
    kind = "binary" if options["binary"] else "text"
    yield f"{options['connections']:,} connections, {loop}, {options['size']:,} bytes of {kind}"
    if figures["interrupted"]:
        yield "interrupted"


def _rows(targets: Sequence[dict[str, Any]], ratios: dict[str, float | None] | None) -> list[Line]:
    ratios = ratios or {}

    def line(label: str, cells: list[str], name: str = "") -> Line:
        ratio = ratios.get(name)
        return label, [*cells, f"{ratio:.2f}" if ratio else ""]

    def quantity(label: str, name: str) -> Line:
        return line(label, [_rounded(target[name]) for target in targets], name)

    def times(label: str, group: str, name: str) -> Line:
        shown = [_or_none(time_text, target[group][name]) for target in targets]
        return line(f"{label} {name.replace('_', '.')}", shown, name if group == "latency" else "")

    heads = ["1", "2", "ratio"] if len(targets) > 1 else ["", ""]
    rows: list[Line] = [("", heads)]
    rows.append(line("connections opened", [f"{target['connections']:,}" for target in targets]))
    rows.append(line("in", [time_text(target["opening_seconds"]) for target in targets]))
    rows.append(line("messages answered", [f"{target['messages']:,}" for target in targets]))
    rows.append(line("in", [time_text(target["seconds"]) for target in targets]))
    rows.append(quantity("messages/s", "messages_per_second"))
    rows.append(quantity("bytes/s sent", "bytes_sent_per_second"))
    rows.append(quantity("bytes/s received", "bytes_received_per_second"))
    rows += [times("latency", "latency", name) for name in PERCENTILES]
    rows.append(
        line(
            "processor used here", [_or_none("{:.0%}".format, target["busy"]) for target in targets]
        )
    )
    if targets[0]["sent_late"] is not None:
        rows += [times("sent late", "sent_late", name) for name in ("p50", "p99", "max")]
    return rows


def _table(rows: Sequence[Line]) -> Iterator[str]:
    label_width = max(len(label) for label, _ in rows)
    widths = [max(map(len, column)) for column in zip(*(cells for _, cells in rows), strict=True)]
    for label, cells in rows:
        shown = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        if line := f"{label:{label_width}}  {shown}".rstrip():
            yield line


def _warnings(targets: Sequence[dict[str, Any]]) -> Iterator[str]:
    if any((target["busy"] or 0.0) > BUSY for target in targets):
        yield "\nnote: this program had no time to spare, so it may be what took the time"


def _failures(target: dict[str, Any], which: str) -> Iterator[str]:
    if not target["failures"] and not target["unanswered"]:
        return
    yield f"\nfailures{which}"
    for what, count in target["failures"].items():
        yield f"{count:>10,}  {what}"
    if target["unanswered"]:
        yield f"{target['unanswered']:>10,}  messages unanswered on connections that ended"


def _histogram(rows: Sequence[Sequence[float]], which: str) -> Iterator[str]:
    if not rows:
        return
    yield f"\nlatencies{which}"
    most = max(count for _, _, count in rows)
    for low, high, count in rows:
        bar = "#" * (-int(-count * WIDTH // most))  # what there is has a column at least
        yield f"{time_text(low):>8} to {time_text(high):>8} {int(count):>10,}  {bar}".rstrip()


def _or_none(shown: Callable[[float], str], value: float | None) -> str:
    return NONE if value is None else shown(value)


def time_text(seconds: float) -> str:
    """Return *seconds* with three digits, in the unit that suits them."""
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 0.9995 or unit == "us":
            break
    return f"{_rounded(seconds * factor)} {unit}"


def _rounded(value: float) -> str:
    """Return *value* with three digits, or more before the point."""
    if value <= 0:
        return "0"
    magnitude = floor(log10(float(f"{value:.2e}")))
    return f"{value:,.{max(0, 2 - magnitude)}f}"
