"""Options: safe when nothing is said, and every mistake names its option."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, fields
from math import inf, nan
from typing import Any, get_type_hints

import pytest

from geventws.core.deflate import Deflate
from geventws.options import OptionArguments, Options

NAMES = [field.name for field in fields(Options)]
LIMITS = ["max_size", "max_fragments"]
TIMES = [name for name in NAMES if name not in LIMITS and name != "compression"]


def test_defaults_are_those_that_are_documented() -> None:
    assert asdict(Options()) == {
        "compression": asdict(Deflate()),
        "max_size": 1024 * 1024,
        "max_fragments": None,
        "open_timeout": 10.0,
        "close_timeout": 10.0,
        "send_timeout": 30.0,
        "ping_interval": 20.0,
        "ping_timeout": 20.0,
    }


@pytest.mark.parametrize("name", [name for name in NAMES if name != "close_timeout"])
def test_none_is_no_limit(name: str) -> None:
    given: Any = {name: None}
    assert getattr(Options(**given), name) is None


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [1, 0.001, 1e9])
def test_times_may_be_any_positive_number(name: str, value: float) -> None:
    given: Any = {name: value}
    assert getattr(Options(**given), name) == value


@pytest.mark.parametrize("name", [*TIMES, *LIMITS])
@pytest.mark.parametrize("value", [0, -1])
def test_what_is_not_positive_is_refused_by_name(name: str, value: int) -> None:
    given: Any = {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: "):
        Options(**given)


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [inf, nan, -inf, 0.0, -0.5])
def test_time_that_is_no_time_is_refused_by_name(name: str, value: float) -> None:
    given: Any = {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: "):
        Options(**given)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["10", True, False, [], b"1", object()])
def test_wrong_type_is_refused_by_name(name: str, value: object) -> None:
    given: Any = {name: value}
    with pytest.raises(TypeError, match=rf"^{name}: "):
        Options(**given)


@pytest.mark.parametrize("name", LIMITS)
def test_limit_that_is_no_whole_number_is_refused_by_name(name: str) -> None:
    given: Any = {name: 1.5}
    with pytest.raises(TypeError, match=rf"^{name}: "):
        Options(**given)


def test_closing_always_has_a_limit() -> None:
    given: Any = {"close_timeout": None}
    with pytest.raises(TypeError, match=r"^close_timeout: "):
        Options(**given)


def test_unknown_option_is_refused() -> None:
    given: Any = {"max_length": None}
    with pytest.raises(TypeError, match="max_length"):
        Options(**given)


def test_options_cannot_be_changed_and_compare_by_value() -> None:
    options = Options(max_size=5)
    name = "max_size"
    with pytest.raises(FrozenInstanceError):
        setattr(options, name, 6)
    assert options == Options(max_size=5)
    assert options != Options()


def test_keyword_arguments_are_the_options() -> None:
    assert get_type_hints(OptionArguments) == get_type_hints(Options)
