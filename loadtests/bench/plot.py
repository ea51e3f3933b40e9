"""Plots as SVG, written by hand: bars of one scenario, and lines of how cost grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
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
)
PLAIN: Final = "#9aa5b1"

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


def bars(title: str, values: Mapping[str, float], ours: str) -> str:
    """Return a bar for each of *values*; those whose name begins with *ours* stand out."""
    room = WIDTH - NAMES - 80
    longest = max(values.values(), default=1.0)
    parts = [_title(title)]
    for index, (name, value) in enumerate(values.items()):
        y = TOP + index * BAR
        length = room * value / longest
        colour = COLOURS[0] if name.startswith(ours) else PLAIN
        parts += [
            _text(NAMES - 8, y + 15, name, 'text-anchor="end"'),
            f'<rect x="{NAMES}" y="{y + 3}" width="{length:.1f}" height="{BAR - 6}" '
            f'fill="{colour}"/>',
            _text(NAMES + length + 6, y + 15, figure(value)),
        ]
    return _svg(TOP + len(values) * BAR + 16, parts)


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
        parts.append(_text(place, HEIGHT - BOTTOM + 20, f"{tick:,g}", 'text-anchor="middle"'))
    for tick in y.ticks():
        place = y.place(tick)
        parts.append(_rule(LEFT, place, WIDTH - RIGHT, place))
        parts.append(_text(LEFT - 8, place + 4, f"{tick:,g}", 'text-anchor="end"'))
    return parts


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
