"""What a session file leaves out: whatever gives its reader somebody's rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Final
from urllib.parse import unquote

from geventws.sessions.openings import Opening

# One that nobody agrees on and that is longer than any real one is a token in disguise.
LONGEST_SUBPROTOCOL: Final = 32
SUBPROTOCOL: Final = "subprotocol"

# The names of headers and of values in a query that are secret; one too many does no harm.
_is_secret = re.compile(
    r".*(access[-_]?key|api[-_]?key|assertion|authoriz|bearer|cookie|credential|csrf|hmac|jwt|"
    r"passcode|passphrase|passw|saml|secret|sessi|signature|ticket|token|xsrf).*|"
    r"(.*[^a-z\d])?(auth|key|nonce|otp|pass|pin|pwd|sid|sig)([^a-z\d].*)?|code",
    re.IGNORECASE,
).fullmatch
_humps = re.compile(r"(?<=[a-z\d])(?=[A-Z])")  # of camelCase

# Three parts in base64, of which the first two are JSON (RFC 7519 3).
_is_jwt = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*").search
# No word is that long and has digits in it, but ids, hashes and what is random are.
_is_random = re.compile(
    r"(?=[a-z]*\d)(?=\d*[a-z])[a-z\d]{16,}|[\da-f]{8}(-[\da-f]{4}){3}-", re.IGNORECASE
).search
_unfit = re.compile(r"[^\w.-]", re.ASCII)  # for the name of a variable


class _Hiding:
    """Puts variables in the place of secrets: one for each value, under a name of its own."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}  # and their values

    def hide(self, name: str, value: str) -> str:
        """Return what is to be read in the place of *value*."""
        if value and (_is_secret(_humps.sub("-", name)) or _is_jwt(value)):
            return self.variable(name, value)
        return value

    def variable(self, name: str, value: str) -> str:
        free = next(each for each in _names(name) if self.names.setdefault(each, value) == value)
        return f"{{{free}}}"

    def uri(self, uri: str) -> str:
        path, question, query = uri.partition("?")
        pairs = [each.partition("=") for each in query.split("&")]
        shown = (
            f"{name}{equals}{self.hide(unquote(name), value)}" for name, equals, value in pairs
        )
        return f"{self.path(path)}{question}{'&'.join(shown)}"

    def path(self, path: str) -> str:
        return "/".join(self.hide("path", each) for each in path.split("/"))

    def header(self, name: str, value: str) -> str:
        hidden = self.hide(name, value)
        return self.uri(value) if hidden == value and "://" in value else hidden

    def subprotocols(self, offered: tuple[str, ...], agreed: str | None) -> Iterator[str]:
        before = ""
        for each in offered:
            guest = each != agreed and (len(each) > LONGEST_SUBPROTOCOL or _is_secret(before))
            yield self.variable(SUBPROTOCOL, each) if guest else self.subprotocol(each)
            before = each

    def subprotocol(self, name: str) -> str:
        random = _is_jwt(name) or _is_random(name)
        return self.variable(SUBPROTOCOL, name) if random else name


def _names(name: str) -> Iterator[str]:
    """Yield names for variables, from that of a header or of a value in a query."""
    fit = _unfit.sub("_", name.lower())
    first = fit if fit[:1].isalpha() else f"_{fit}"
    yield first
    yield from (f"{first}-{number}" for number in count(2))


def redacted(opening: Opening) -> Opening:
    """Return *opening* with variables, as {authorization}, in the place of its credentials.

    Those are the headers and the values in a query whose names say so; what is a JSON Web Token,
    wherever it stands; and subprotocols that look random, follow one whose name says so, or are
    longer than real ones are and were not agreed on.
    """
    hiding = _Hiding()
    agreed = opening.subprotocol
    return replace(
        opening,
        uri=hiding.uri(opening.uri),
        offered=tuple(hiding.subprotocols(opening.offered, agreed)),
        subprotocol=agreed and hiding.subprotocol(agreed),
        headers=tuple((name, hiding.header(name, value)) for name, value in opening.headers),
        redacted=tuple(hiding.names),
    )
