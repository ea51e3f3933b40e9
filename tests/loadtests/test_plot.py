from __future__ import annotations

from xml.etree import ElementTree

import pytest

from loadtests.bench.plot import COLOURS, PLAIN, bars, lines

SVG = "{http://www.w3.org/2000/svg}"
ENDS = {"near": [(1.0, 1.0), (1000.0, 500.0)], "nearer": [(1.0, 1.0), (1000.0, 501.0)]}


def drawn(text: str, tag: str) -> list[ElementTree.Element]:
    """Return the elements called *tag* of an SVG."""
    return list(ElementTree.fromstring(text).iter(SVG + tag))


def words(text: str) -> list[str]:
    """Return what is written in an SVG."""
    return [each.text or "" for each in drawn(text, "text")]


def points(text: str) -> list[tuple[float, float]]:
    """Return where the dots are."""
    dots = drawn(text, "circle")
    return [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in dots]


def test_bars_are_as_long_as_their_values() -> None:
    one, two = drawn(bars("cost", {"one": (1.0, 1.0), "two": (2.0, 1.5)}, "ours"), "rect")[1:]
    assert float(two.attrib["width"]) == pytest.approx(2 * float(one.attrib["width"]), abs=0.2)


def test_bars_of_ours_stand_out() -> None:
    text = bars("cost", {"geventws, x": (1.0, 1.0), "other": (2.0, 2.0)}, "geventws")
    assert [bar.attrib["fill"] for bar in drawn(text, "rect")[1:]] == [COLOURS[0], PLAIN]


def test_bars_are_named_and_tell_their_values() -> None:
    assert words(bars("a < b", {"x & y": (1.5, 1.0)}, "ours")) == ["a < b", "x & y", "1.50"]


def test_a_bar_has_its_minimum_marked() -> None:
    text = bars("cost", {"one": (4.0, 2.0)}, "ours")
    (bar,), (mark,) = drawn(text, "rect")[1:], drawn(text, "path")
    begin, width = float(bar.attrib["x"]), float(bar.attrib["width"])
    assert mark.attrib["d"].startswith(f"M{begin + width / 2:.1f} ")


def test_a_bar_far_longer_than_most_is_cut_and_says_so() -> None:
    values = {"one": (1.0, 1.0), "two": (1.0, 1.0), "far": (100.0, 90.0)}
    text = bars("cost", values, "ours")
    widths = [float(bar.attrib["width"]) for bar in drawn(text, "rect")[1:]]
    assert widths[2] == pytest.approx(4 * widths[0], abs=0.2)
    assert (len(drawn(text, "path")), words(text)[-1]) == (2, "\N{RIGHTWARDS ARROW} 100")


def test_bars_of_nothing_are_a_title() -> None:
    assert words(bars("cost", {}, "ours")) == ["cost"]


def test_what_grows_linearly_is_a_straight_line() -> None:
    (x1, y1), (x2, y2), (x3, y3) = points(
        lines("", "", "", {"a": [(1.0, 2.0), (10.0, 20.0), (100.0, 200.0)]})
    )
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y2 - y1 == pytest.approx(y3 - y2, abs=0.2)
    assert y3 < y1  # more is further up


def test_lines_have_powers_of_ten_on_both_axes() -> None:
    text = words(lines("t", "x", "y", {"a": [(32.0, 0.5), (4096.0, 7.0)]}))
    assert text == ["t", "x", "y", *("10", "100", "1,000", "10,000"), *("0.1", "1", "10"), "a"]


def test_millions_are_short() -> None:
    text = words(lines("t", "x", "y", {"a": [(100_000.0, 1.0), (10_000_000.0, 2.0)]}))
    assert text[3:6] == ["100,000", "1 M", "10 M"]


def test_a_line_of_one_point_is_drawn() -> None:
    assert len(points(lines("t", "x", "y", {"a": [(10.0, 10.0)]}))) == 1


def test_a_line_of_no_points_is_left_out() -> None:
    assert "b" not in words(lines("t", "x", "y", {"a": [(1.0, 1.0)], "b": []}))


def test_names_do_not_stand_on_each_other() -> None:
    text = lines("t", "x", "y", ENDS)
    heights = [float(each.attrib["y"]) for each in drawn(text, "text") if each.text in ENDS]
    assert abs(heights[0] - heights[1]) >= 15
