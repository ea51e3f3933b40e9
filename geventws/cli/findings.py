"""What `geventws doctor` finds out, and how it is printed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

_credentials = re.compile("(?<=//)[^/?#]*@")
_rest = re.compile(r"(?<=[?#]).+", re.DOTALL)


class Fact(NamedTuple):
    """One thing that was found out."""

    name: str
    value: str
    advice: str = ""  # what to do about it, if there is something
    wrong: bool = False  # the advice is no mere note
    seconds: float | None = None  # how long the step took, if it is one


def report(found: Sequence[Fact]) -> str:
    """Return *found* a line each, and after an empty one the advice."""
    width = max(len(fact.name) for fact in found)
    lines = [f"{fact.name:{width}}  {fact.value}{_took(fact.seconds)}" for fact in found]
    advice = [
        f"{'wrong' if fact.wrong else 'note'}: {fact.name}: {fact.advice}"
        for fact in found
        if fact.advice
    ]
    return "\n".join([*lines, "", *advice] if advice else lines)


def as_json(found: Sequence[Fact]) -> str:
    """Return *found* as a JSON array of objects, whose names are those of Fact."""
    return json.dumps([fact._asdict() for fact in found], indent=1)


def without_secrets(address: str) -> str:
    """Return *address* without credentials, query and fragment, which may be meant for few."""
    return _rest.sub("...", _credentials.sub("", address))


def _took(seconds: float | None) -> str:
    return "" if seconds is None else f" [{seconds * 1000:.1f} ms]"
