"""Fuzzing headers: heads in any cuts, and all that is read out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from geventws.core.errors import InvalidHandshake
from geventws.core.headers import (
    MAX_HEAD,
    Headers,
    HeadReader,
    build_head,
    is_token,
    parse_cookies,
    parse_extensions,
    parse_headers,
    parse_protocol_list,
    parse_request_line,
    parse_status_line,
    parse_token_list,
    split_target,
)
from tests.fuzz.given import failure, parts, split

T = TypeVar("T")

LONGEST: Final = MAX_HEAD + 8192
LINE: Final = "GET / HTTP/1.1"


def check(data: bytes) -> object:
    """Read heads whole and cut, then what stands in them.

    One byte of options: the square of it is how many each of the first five tildes stands for,
    so that a head over a limit is a short input still.
    """
    (stretch,), steps, payload = split(data, 1)
    payload = payload.replace(b"~", b"~" * (stretch * stretch or 1), 5)[:LONGEST]
    whole = _read([payload])
    assert whole == _read(parts(payload, steps))
    return whole, [_look_at(head) for head in whole[0]]


def tried(function: Callable[..., T], *arguments: object) -> T | str:
    """Return what a function returns, or a description of the InvalidHandshake it raises."""
    try:
        return function(*arguments)
    except InvalidHandshake as error:
        return failure(error)


def _read(cut: Iterable[bytes]) -> tuple[list[bytes], str]:
    """Return all heads, and then the error, or what is left over."""
    reader = HeadReader()
    heads: list[bytes] = []
    for part in cut:
        reader.feed(part)
        while (found := tried(reader.next_head)) is not None:
            if isinstance(found, str):
                assert tried(reader.next_head) == found, "an error stays"
                return heads, found
            heads.append(found)
        assert len(reader.rest()) <= MAX_HEAD
    return heads, f"left over: {reader.rest()!r}"


def _look_at(head: bytes) -> object:
    first, *lines = head.split(b"\r\n")
    line = first.decode("latin-1")
    request = tried(parse_request_line, line)
    target = "" if isinstance(request, str) else tried(split_target, request[1])
    headers = tried(parse_headers, lines)
    if isinstance(headers, str):
        return request, target, tried(parse_status_line, line), headers
    values = [_look_into(value) for _, value in headers.items()]
    assert _again(headers).items() == headers.items()
    assert _again(headers) == headers
    return request, target, tried(parse_status_line, line), headers, values


def _again(headers: Headers) -> Headers:
    """Return *headers* after they were written and read."""
    reader = HeadReader()
    reader.feed(build_head(LINE, headers.items()))
    head = reader.next_head()
    assert head is not None
    assert reader.rest() == b""
    return parse_headers(head.split(b"\r\n")[1:])


def _look_into(value: str) -> object:
    tokens = tried(parse_token_list, value)
    assert isinstance(tokens, str) or all(map(is_token, tokens))
    extensions = tried(parse_extensions, value)
    for name, parameters in [] if isinstance(extensions, str) else extensions:
        values = [text for _, text in parameters if text is not None]
        assert all(map(is_token, [name, *(name for name, _ in parameters), *values]))
    return tokens, extensions, tried(parse_protocol_list, value), parse_cookies(value)
