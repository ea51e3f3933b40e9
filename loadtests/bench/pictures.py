"""Which plots there are: bars of the scenarios that tell most, and lines of how cost grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from loadtests.bench import contenders, plot, scenarios
from loadtests.bench.plot import Points
from loadtests.bench.report import Row, of_scenario, rows
from loadtests.bench.run import Sample
from loadtests.bench.scenarios import EVERYBODY, MIB, Scenario

KIB16: Final = 16 * 1024
BARS: Final = {
    "echo": scenarios.echo(32, 64),
    "crowd": scenarios.echo(32, 1000),
    "pipelined": scenarios.echo(32, 64, 16),
    "medium": scenarios.echo(1024, 64, 16),
    "large": scenarios.echo(KIB16, 64),
    "huge": scenarios.echo(MIB, 64),
    "fragmented": scenarios.echo(1024, 64, 1, "fragmented"),
    "text": scenarios.echo(KIB16, 64, 1, "text"),
    "compressed": scenarios.echo(4096, 64, 1, "compressed"),
    "broadcast": scenarios.broadcast(128, 1000),
    "handshake": scenarios.HANDSHAKE,
    "idle": scenarios.IDLE[0],
    "client": scenarios.client(32, 100),
}
DOORS: Final = {f"{name}-doors": BARS[name] for name in ("echo", "handshake", "idle")}
ASIDE: Final = {each.name for each in contenders.ALL if each.crowd == EVERYBODY}
NAMES: Final = dict.fromkeys(each.name for each in contenders.ALL)
OURS: Final = {each.name for each in contenders.OURS}


class Growth(NamedTuple):
    """A plot of the points that bear its *name*: what they are drawn over, and what of them."""

    name: str
    title: str
    x_title: str
    y_title: str
    x: Callable[[Scenario], float]
    y: Callable[[Scenario, float], float] = lambda scenario, value: value


GROWTHS: Final = [
    Growth(
        scenarios.GROWING_SIZE,
        "What a byte costs, by the size of the message: flat is linear",
        *("bytes of one message", "CPU ns per byte"),
        lambda scenario: scenario.size,
        lambda scenario, value: value * 1000 / scenario.size,
    ),
    Growth(
        scenarios.GROWING_NUMBER,
        "What a message of 32 B costs, by open connections: flat is linear",
        *("open connections", "CPU us per message"),
        lambda scenario: scenario.connections,
    ),
    Growth(
        scenarios.GROWING_MEMORY,
        "What an idle connection takes, by open connections: flat is linear",
        *("open connections", "bytes per connection"),
        lambda scenario: scenario.connections,
    ),
]


def pictures(samples: Sequence[Sample]) -> dict[str, str]:
    """Return the plots that *samples* are enough for, as SVG, by their names."""
    drawn = {}
    for name, scenario in BARS.items():
        drawn[name] = _bars(scenario, samples, lambda row: row.name not in ASIDE)
    for name, scenario in DOORS.items():
        drawn[name] = _bars(scenario, samples, lambda row: row.name in OURS)
    for growth in GROWTHS:
        drawn[growth.name.replace(" ", "-")] = _lines(growth, _series(samples, growth))
    return {name: picture for name, picture in drawn.items() if picture}


def _bars(scenario: Scenario, samples: Sequence[Sample], wanted: Callable[[Row], bool]) -> str:
    known = {
        row.name: (row.median, row.best)
        for row in rows(of_scenario(samples, scenario.title))
        if wanted(row) and row.median is not None and row.best is not None
    }
    return plot.bars(f"{scenario.unit}: {scenario.title}", known, "geventws") if known else ""


def _lines(growth: Growth, series: dict[str, Points]) -> str:
    return plot.lines(growth.title, growth.x_title, growth.y_title, series) if series else ""


def _series(samples: Sequence[Sample], growth: Growth) -> dict[str, Points]:
    series: dict[str, Points] = {}
    for scenario in scenarios.GROWTH:
        if scenario.plot == growth.name:
            for row in rows(of_scenario(samples, scenario.title)):
                if row.median is not None and row.median > 0:
                    point = growth.x(scenario), growth.y(scenario, row.median)
                    series[row.name] = [*series.get(row.name, ()), point]
    return {name: series[name] for name in NAMES if name in series}  # in the same colours always
