"""What a session file leaves out: whatever gives its reader somebody's rights."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from geventws.sessions import Opening

# A subprotocol that nobody agrees on and that is longer than any real one is a token in disguise.
LONGEST_SUBPROTOCOL: Final = 32
SUBPROTOCOL: Final = "subprotocol"

# The names of headers and of values in a query that are secret; one too many does no harm.
_is_secret = re.compile(
    r".*(authoriz|cookie|credential|jwt|passphrase|passw|api[-_]?key|secret|session|signature|"
    r"ticket|token).*|(x-)?auth|code|key|pass|pwd|sid|sig",
    re.IGNORECASE,
).fullmatch


class _Hiding:
    """Puts variables in the place of secrets, and keeps their names."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def hide(self, name: str, value: str) -> str:
        """Return what is to be read in the place of *value*."""
        if not value or not _is_secret(name):
            return value
        return self.variable(name)

    def variable(self, name: str) -> str:
        self.names[name.lower()] = None
        return f"{{{name.lower()}}}"

    def query(self, query: str) -> str:
        pairs = [each.partition("=") for each in query.split("&")]
        return "&".join(
            f"{name}{equals}{self.hide(unquote(name), value)}" for name, equals, value in pairs
        )

    def subprotocol(self, offered: str, agreed: str | None) -> str:
        if len(offered) <= LONGEST_SUBPROTOCOL or offered == agreed:
            return offered
        return self.variable(SUBPROTOCOL)


def redacted(opening: Opening) -> Opening:
    """Return *opening* with variables, as {authorization}, in the place of its credentials.

    Those are the headers and the values in the query whose names say so, and subprotocols that are
    longer than real ones are and were not agreed on.
    """
    hiding = _Hiding()
    path, question, query = opening.uri.partition("?")
    return replace(
        opening,
        uri=f"{path}{question}{hiding.query(query)}",
        offered=tuple(hiding.subprotocol(each, opening.subprotocol) for each in opening.offered),
        headers=tuple((name, hiding.hide(name, value)) for name, value in opening.headers),
        redacted=tuple(hiding.names),
    )
