"""HTTP/1.1 heads and the header grammar, as strict as a handshake has to be (RFC 9112, RFC 9110 5).

bytes -> HeadReader.feed -> next_head -> lines -> parse_request_line, parse_headers -> Headers
Headers -> build_head -> bytes

Whatever a peer sends, these functions return or raise InvalidHandshake, in linear time: no pattern
here has a repeat inside a repeat, or two neighbours that can match the same character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias, overload

from geventws.core.errors import InvalidHandshake

# RFC 9112 3 asks for a line of 8000 at least; nginx has 8 KiB, HAProxy 101 headers, Envoy 100
MAX_LINE: Final = 8192
MAX_HEADERS: Final = 100
MAX_HEAD: Final = 32768

_TCHAR: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
# RFC 9110 5.5: VCHAR, obs-text, SP and HTAB; other controls are attacks or mistakes
_VALUE: Final = r"[\t\x20-\x7e\x80-\xff]*"

_match_token = re.compile(rf"{_TCHAR}+").fullmatch
_match_value = re.compile(_VALUE).fullmatch
_match_field = re.compile(rf"{_TCHAR}+:{_VALUE}").fullmatch
_match_protocol = re.compile(rf"{_TCHAR}+(?:/{_TCHAR}+)?").fullmatch
# RFC 6455 3: a target has no fragment, so "#" is the one visible character that cannot be there
_match_request = re.compile(rf"({_TCHAR}+) ([!\"$-~]+) (HTTP/([0-9])\.[0-9])").fullmatch
_match_status = re.compile(rf"(HTTP/1\.[0-9]) ([1-5][0-9][0-9]) ({_VALUE})").fullmatch
_match_absolute = re.compile(r"(?ai:https?)://([^/?]+)").match
# every line of a head but the first, at once
_find_fields = re.compile(rf"\r\n({_TCHAR}++):[\t ]*+({_VALUE}+)(?=\r\n|\Z)").findall
_find_break = re.compile(rb"[\r\n\0]").search
# a whole head in which nothing is wrong
_match_plain = re.compile(rb"[^\r\n\0]++(?:\r\n[^\r\n\0]++){0,%d}+\r\n\r\n" % MAX_HEADERS).match
_replace_pairs = re.compile(r"\\(.)").sub

_BAD_FIELD: Final = "malformed or folded header line (RFC 9112 5)"
_BAD_LIST: Final = "malformed list in a header (RFC 9110 5.6)"

HeaderItems: TypeAlias = "Headers | Mapping[str, str] | Iterable[tuple[str, str]]"


class Headers:
    """The headers of one head: immutable, names in any case, order and spelling kept.

    Several of one name read as one, joined by commas; iterating gives each name once, items()
    every pair. Two are equal when each name reads the same in both (RFC 9110 5.3).
    """

    __slots__ = ("_items", "_values")

    def __init__(self, items: HeaderItems = ()) -> None:
        pairs = items.items() if isinstance(items, (Headers, Mapping)) else items
        self._items: tuple[tuple[str, str], ...] = tuple(pairs)
        self._values: dict[str, str] = {name.lower(): value for name, value in self._items}
        if len(self._values) < len(self._items):
            self._values = _joined(self._items)

    @overload
    def get(self, name: str) -> str | None: ...

    @overload
    def get(self, name: str, default: str) -> str: ...

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of *name*, several joined by commas; *default* where it is missing."""
        return self._values.get(name.lower(), default)

    def get_all(self, name: str) -> list[str]:
        """Return every value of *name* in order; an empty list where it is missing."""
        key = name.lower()
        return [value for name, value in self._items if name.lower() == key]

    def items(self) -> list[tuple[str, str]]:
        """Return every (name, value) pair as it came."""
        return list(self._items)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        first = {name.lower(): name for name, _ in reversed(self._items)}
        return iter([first[key] for key in self._values])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._values == other._values

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"Headers({list(self._items)!r})"


def _joined(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in items:
        values.setdefault(name.lower(), []).append(value)
    return {key: ", ".join(several) for key, several in values.items()}


class HeadReader:
    """Cuts heads out of bytes that arrive in any portions; what is over a limit is never awaited.

    The verdict depends on the bytes alone, not on their portions, and after an error it stays.
    """

    __slots__ = ("_buffer", "_lines", "_seen", "_start")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = 0  # where the unfinished line starts
        self._seen = 0  # no line break before this
        self._lines = 0  # finished ones

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what came from the peer."""
        self._buffer += data

    def next_head(self) -> bytes | None:
        """Return the next head without the empty line that ends it; None while more is needed.

        Its lines are joined by CRLF; the last one has none.

        Raises:
            InvalidHandshake: 414 for a first line over MAX_LINE; 431 for a header line over it, for
                more than MAX_HEADERS and for more than MAX_HEAD bytes; 400 for anything but CRLF
                as a line's end, for NUL and for an empty line in front.
        """
        end = self._plain_end()
        if end < 0:
            end = self._checked_end()
        if end < 0:
            return None
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        self._start = self._seen = self._lines = 0
        return head

    def rest(self) -> bytes:
        """Return what came after the heads that next_head() returned."""
        return bytes(self._buffer)

    def _plain_end(self) -> int:
        """Return where a whole and flawless head ends; -1 where only _checked_end() can tell."""
        # nearly every head comes whole and within the limit of a line; a walk takes far longer
        if self._seen:
            return -1
        plain = _match_plain(self._buffer, 0, MAX_LINE)
        return plain.end() - 4 if plain else -1

    def _checked_end(self) -> int:
        """Return where the head ends, -1 where that has not come yet; check line by line."""
        while (end := self._line_end()) >= 0:
            if end == self._start:
                return self._empty_line()
            if self._lines > MAX_HEADERS:
                raise InvalidHandshake(f"too many headers, over {MAX_HEADERS} (RFC 6585 5)", 431)
            self._lines += 1
            self._start = self._seen = end + 2
        if len(self._buffer) > MAX_HEAD:
            raise InvalidHandshake(f"head over {MAX_HEAD} bytes (RFC 6585 5)", 431)
        return -1

    def _empty_line(self) -> int:
        # RFC 9112 2.2 would have it skipped, for the sake of old POST clients; ours send no bodies
        if not self._lines:
            raise InvalidHandshake("empty line in front of the head (RFC 9112 2.1)")
        return self._start - 2

    def _line_end(self) -> int:
        """Return where the unfinished line ends, -1 where that has not come yet."""
        available = min(len(self._buffer), MAX_HEAD)
        found = _find_break(self._buffer, self._seen, available)
        self._seen = found.start() if found else available
        if self._seen - self._start > MAX_LINE:
            raise self._too_long()
        line_break = self._buffer[self._seen : min(self._seen + 2, available)]
        if line_break == b"\r" or not line_break:
            return -1
        if line_break != b"\r\n":
            raise InvalidHandshake("NUL or a line break other than CRLF (RFC 9112 2.2)")
        return self._seen

    def _too_long(self) -> InvalidHandshake:
        if self._lines:
            return InvalidHandshake(f"header line over {MAX_LINE} bytes (RFC 6585 5)", 431)
        return InvalidHandshake(f"first line over {MAX_LINE} bytes (RFC 9112 3)", 414)


def parse_request_line(line: str) -> tuple[str, str, str]:
    """Split a request line into method, target and version ("HTTP/1.1") (RFC 9112 3).

    Raises:
        InvalidHandshake: 505 where the major version is not 1; 400 for all else that is wrong.
    """
    match = _match_request(line)
    if match is None:
        raise InvalidHandshake("malformed request line (RFC 9112 3)")
    method, target, version, major = match.groups()
    if major != "1":
        raise InvalidHandshake("HTTP version is not 1.1 (RFC 9110 15.6.6)", 505)
    return method, target, version


def parse_status_line(line: str) -> tuple[str, int, str]:
    """Split a status line into version, status and reason, which may be empty (RFC 9112 4).

    Raises:
        InvalidHandshake: the line is malformed, or not of HTTP/1.
    """
    match = _match_status(line)
    if match is None:
        raise InvalidHandshake("malformed status line (RFC 9112 4)")
    version, status, reason = match.groups()
    return version, int(status), reason


def split_target(target: str) -> tuple[str, str, str]:
    """Split a request target into authority, path and query; a path alone has authority "".

    Raises:
        InvalidHandshake: it is neither a path nor an http URI.
    """
    authority = ""
    if not target.startswith("/"):
        # RFC 9112 3.2.2: a server MUST accept the absolute form too
        match = _match_absolute(target)
        if match is None:
            raise InvalidHandshake("target is neither a path nor an http URI (RFC 9112 3.2)")
        authority, target = match[1], target[match.end() :]
    path, _, query = target.partition("?")
    return authority, path or "/", query


def parse_headers(lines: Iterable[bytes | str]) -> Headers:
    """Parse header lines, each without its CRLF; bytes are read as latin-1 (RFC 9112 5).

    Raises:
        InvalidHandshake: a name is no token, a line is folded or has space before its colon, or a
            value has a control character.
    """
    texts = [line if isinstance(line, str) else line.decode("latin-1") for line in lines]
    if not all(map(_match_field, texts)):
        raise InvalidHandshake(_BAD_FIELD)
    return parse_fields("\r\n".join(["", *texts]))


def parse_fields(head: str) -> Headers:
    """Parse the header lines of a *head*: what follows its first CRLF. See parse_headers()."""
    fields = _find_fields(head)
    if len(fields) < head.count("\r\n"):  # one of them is none
        raise InvalidHandshake(_BAD_FIELD)
    return Headers([(name, value.rstrip(" \t")) for name, value in fields])


def build_head(first_line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Write a head and the empty line that ends it; the one place where heads are written.

    Raises:
        TypeError: a value is no str.
        ValueError: a name is no token; a value or the first line has a control character, as CR or
            LF, or a character that is not latin-1. The text names the header, never its value.
    """
    if not _match_value(first_line):
        raise ValueError("the first line has a character that no head may have (RFC 9112 2.2)")
    lines = [first_line]
    for name, value in headers:
        if not _match_token(name):
            raise ValueError(f"header name {name!r} is not a token (RFC 9110 5.1)")
        if not isinstance(value, str):
            raise TypeError(f"header {name}: a str, not {type(value).__name__}")
        if not _match_value(value):
            raise ValueError(f"header {name} has a character that no value may have (RFC 9110 5.5)")
        lines.append(f"{name}: {value}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1")


def user_headers(items: HeaderItems, reserved: re.Pattern[str]) -> Headers:
    """Return the *items* that a user gave as Headers.

    Raises:
        TypeError: *items* are neither a mapping nor pairs.
        ValueError: one is not for users: *reserved* matches the whole of its name in lower case.
    """
    try:
        headers = Headers(items)
        taken = next((name for name in headers if reserved.fullmatch(name.lower())), None)
    except (AttributeError, TypeError, ValueError):
        raise TypeError("headers: a mapping or pairs, of str") from None
    if taken is not None:
        raise ValueError(f"header {taken} is written by the handshake itself")
    return headers


def is_token(text: str) -> bool:
    """Return whether *text* is a token: visible ASCII without delimiters (RFC 9110 5.6.2)."""
    return _match_token(text) is not None


def parse_token_list(value: str) -> list[str]:
    """Return the tokens of a comma-separated list in order (RFC 9110 5.6.1).

    Empty elements count for nothing, so the result may be empty.

    Raises:
        InvalidHandshake: an element is not a token.
    """
    return _checked(_elements(value), _match_token) if value else []


def has_token(value: str, token: str) -> bool:
    """Return whether *token*, in lower case, is in a comma-separated list, there in any case.

    Raises:
        InvalidHandshake: an element is not a token.
    """
    return value.lower() == token or token in map(str.lower, parse_token_list(value))


def parse_protocol_list(value: str) -> list[str]:
    """Return the elements of an Upgrade header, as "websocket", "HTTP/2.0" (RFC 9110 7.8).

    Raises:
        InvalidHandshake: an element is not a protocol name with or without a version.
    """
    return _checked(_elements(value), _match_protocol) if value else []


def parse_extensions(value: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Return each extension of the list with its parameters, in order (RFC 6455 9.1).

    A parameter without a value has None. Repetitions are kept: they are the extension's to judge.

    Raises:
        InvalidHandshake: the list breaks the grammar.
    """
    # a quoted value must be a token too, so a delimiter inside quotes is an error however it is cut
    return [_parse_extension(element) for element in _elements(value)] if value else []


def parse_cookies(value: str) -> dict[str, str]:
    """Return the cookies of a Cookie header by name; malformed ones are passed over (RFC 6265 5.4).

    The first of one name counts: the one for the closest path.
    """
    cookies: dict[str, str] = {}
    for pair in value.split(";"):
        name, equals, text = (part.strip(" \t") for part in pair.partition("="))
        if name and equals:
            cookies.setdefault(name, text)
    return cookies


def _elements(value: str) -> list[str]:
    # RFC 9110 5.6.1.2: a recipient MUST parse and ignore a reasonable number of empty list elements
    return [element for part in value.split(",") if (element := part.strip(" \t"))]


def _checked(elements: list[str], match: Callable[[str], re.Match[str] | None]) -> list[str]:
    if not all(map(match, elements)):
        raise InvalidHandshake(_BAD_LIST)
    return elements


def _parse_extension(element: str) -> tuple[str, list[tuple[str, str | None]]]:
    name, *parameters = element.split(";")
    return _token(name), [_parse_parameter(parameter) for parameter in parameters]


def _parse_parameter(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return _token(name), _token(_unquote(value.strip(" \t"))) if equals else None


def _token(text: str) -> str:
    token = text.strip(" \t")
    if not _match_token(token):
        raise InvalidHandshake(_BAD_LIST)
    return token


def _unquote(text: str) -> str:
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        return _replace_pairs(r"\1", text[1 : len(text) - 1])
    return text
