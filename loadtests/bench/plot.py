"""Plots as SVG, written by hand: bars of one scenario, and lines of how cost grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from statistics import median
from typing import Final

from loadtests.bench.report import figure

WIDTH: Final = 760
LEFT: Final = 90
RIGHT: Final = 190  # for the names at the ends of the lines
TOP: Final = 50
BOTTOM: Final = 60
BAR: Final = 24
NAMES: Final = 220
HEIGHT: Final = 460  # of the lines' plot
COLOURS: Final = (
    "#0b6e4f",
    "#c8553d",
    "#2f4b7c",
    "#a05195",
    "#b8860b",
    "#5c6b73",
    "#1f9ac9",
    "#7a4",
    "#222",
)
PLAIN: Final = "#9aa5b1"
CUT: Final = 4  # times the bar in the middle: longer ones would make all others too short to tell

Points = Sequence[tuple[float, float]]


def _svg(height: float, parts: Sequence[str]) -> str:
    # a ground of its own, so that it can be read on dark pages too
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
        'font-family="sans-serif" font-size="13" fill="#1f2933">\n'
        '<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'


def _title(words: str) -> str:
    return _text(16, 26, words, 'font-size="16" font-weight="bold"')


def bars(title: str, values: Mapping[str, tuple[float, float]], ours: str) -> str:
    """Return a bar for each of *values*, a median and a minimum, which is a mark in the bar.

    Those whose name begins with *ours* stand out. Bars far longer than most are cut.
    """
    medians = [value for value, _ in values.values()]
    longest = min(max(medians, default=1.0), CUT * median(medians or [1.0])) or 1.0
    parts = [_title(title)]
    for index, (name, pair) in enumerate(values.items()):
        colour = COLOURS[0] if name.startswith(ours) else PLAIN
        parts += _bar(TOP + index * BAR, name, pair, longest, colour)
    return _svg(TOP + len(values) * BAR + 16, parts)


def _bar(
    y: float, name: str, pair: tuple[float, float], longest: float, colour: str
) -> Iterator[str]:
    scale = (WIDTH - NAMES - 80) / longest
    value, least = pair
    length = scale * min(value, longest)
    yield _text(NAMES - 8, y + 15, name, 'text-anchor="end"')
    yield (
        f'<rect x="{NAMES}" y="{y + 3}" width="{length:.1f}" height="{BAR - 6}" fill="{colour}"/>'
    )
    if least <= longest:
        place = NAMES + scale * least
        yield f'<path d="M{place:.1f} {y + 5}v{BAR - 10}" stroke="#fff" stroke-width="2"/>'
    said = figure(value) if value <= longest else f"\N{RIGHTWARDS ARROW} {figure(value)}"
    yield _text(NAMES + length + 6, y + 15, said)


class _Axis:
    """A logarithmic axis from one power of ten to another, over some room on the page."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low = floor(log10(min(values)))
        self.high = max(ceil(log10(max(values))), self.low + 1)
        self._start = start
        self._end = end

    def place(self, value: float) -> float:
        """Return where *value* is on the page."""
        part = (log10(value) - self.low) / (self.high - self.low)
        return self._start + part * (self._end - self._start)

    def ticks(self) -> list[float]:
        """Return the powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def lines(title: str, x_title: str, y_title: str, series: Mapping[str, Points]) -> str:
    """Return a line for each of *series*, both axes logarithmic: what is linear has the slope 1."""
    drawn = {name: points for name, points in series.items() if points}
    everything = [point for points in drawn.values() for point in points]
    x = _Axis([each for each, _ in everything], LEFT, WIDTH - RIGHT)
    y = _Axis([each for _, each in everything], HEIGHT - BOTTOM, TOP)
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts = [
        _title(title),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_title, 'text-anchor="middle"'),
        _text(
            0, 0, y_title, f'text-anchor="middle" transform="translate(20 {middle}) rotate(-90)"'
        ),
        *_grid(x, y),
    ]
    heights = _spread({name: y.place(points[-1][1]) + 4 for name, points in drawn.items()})
    for index, (name, points) in enumerate(drawn.items()):
        colour = COLOURS[index % len(COLOURS)]
        parts += _line([(x.place(a), y.place(b)) for a, b in points], colour)
        parts.append(_text(WIDTH - RIGHT + 10, heights[name], name, f'fill="{colour}"'))
    return _svg(HEIGHT, parts)


def _grid(x: _Axis, y: _Axis) -> list[str]:
    parts = []
    for tick in x.ticks():
        place = x.place(tick)
        parts.append(_rule(place, TOP, place, HEIGHT - BOTTOM))
        parts.append(_text(place, HEIGHT - BOTTOM + 20, _said(tick), 'text-anchor="middle"'))
    for tick in y.ticks():
        place = y.place(tick)
        parts.append(_rule(LEFT, place, WIDTH - RIGHT, place))
        parts.append(_text(LEFT - 8, place + 4, _said(tick), 'text-anchor="end"'))
    return parts


def _said(tick: float) -> str:
    return f"{tick / 1e6:g} M" if tick >= 1e6 else f"{tick:,g}"


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#d8dee4"/>'


def _line(points: Points, colour: str) -> list[str]:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    return [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]


def _spread(heights: Mapping[str, float], apart: float = 15) -> dict[str, float]:
    """Return *heights*, moved down where two names would stand on each other."""
    placed: dict[str, float] = {}
    last = float("-inf")
    for name in sorted(heights, key=lambda each: heights[each]):
        last = placed[name] = max(heights[name], last + apart)
    return placed
