"""Which message somebody waits for: by a callable, a substring, a regex or a part of its JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Message: TypeAlias = str | bytes
Match: TypeAlias = (
    Callable[[str | bytes], object]
    | str
    | bytes
    | re.Pattern[str]
    | re.Pattern[bytes]
    | Mapping[str, Any]
    | None
)


def matcher(match: Match) -> Callable[[Message], object]:
    """Return the predicate that *match* stands for.

    None is any message, a str a substring of a text, bytes one of a binary message, a Pattern what
    it is found in, and a mapping a part of what a message is in JSON: each of its names is there
    with its value, and of values that are mappings the same holds again. A callable is called with
    the message.

    Raises:
        TypeError: *match* is none of those.
    """
    if match is None:
        return anything
    if callable(match):
        return match
    if isinstance(match, (str, bytes)):
        return lambda message: type(message) is type(match) and match in message  # type: ignore[operator]
    if isinstance(match, re.Pattern):
        kind, search = type(match.pattern), match.search
        return lambda message: isinstance(message, kind) and search(message)  # type: ignore[arg-type]
    if isinstance(match, Mapping):
        return lambda message: _has_json(message, match)
    raise TypeError(f"match: a callable, str, bytes, Pattern or dict, not {type(match).__name__}")


def anything(message: Message) -> object:
    """Return that any *message* will do."""
    return True


def _has_json(message: Message, part: Mapping[str, Any]) -> bool:
    try:
        return _includes(json.loads(message), part)
    except ValueError:  # it is no JSON
        return False


def _includes(whole: Any, part: Any) -> bool:
    if not isinstance(part, Mapping):
        return bool(whole == part)
    return isinstance(whole, dict) and all(
        name in whole and _includes(whole[name], value) for name, value in part.items()
    )
