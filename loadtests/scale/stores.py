"""What a redis-server says of itself."""

from __future__ import annotations

import re
from typing import Final

from tests.redises import RedisServer

_match_call = re.compile(r"cmdstat_evalsha:calls=([0-9]+)")
_NUMBER: Final = r"\r\n{name}:([0-9.]+)\r\n"


def number(server: RedisServer, section: str, name: str) -> float:
    """Return the number *name* of a *section* of INFO; 0 where it is not there."""
    found = re.search(_NUMBER.format(name=name), server.ask("INFO", section).decode())
    return float(found[1]) if found else 0.0


def processor(server: RedisServer) -> float:
    """Return the seconds of processor time that it has used."""
    names = ("used_cpu_user", "used_cpu_sys")
    return sum(number(server, "cpu", name) for name in names)


def memory(server: RedisServer) -> float:
    """Return the bytes that it has now."""
    return number(server, "memory", "used_memory")


def scripts(server: RedisServer) -> int:
    """Return how many scripts it has run."""
    found = _match_call.search(server.ask("INFO", "commandstats").decode())
    return int(found[1]) if found else 0
