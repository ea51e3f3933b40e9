"""Heads and headers under attack: every limit at its byte, garbage, and the worst of inputs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.core.errors import InvalidHandshake
from geventws.core.headers import (
    MAX_HEAD,
    MAX_HEADERS,
    MAX_LINE,
    HeadReader,
    parse_cookies,
    parse_extensions,
    parse_headers,
    parse_protocol_list,
    parse_request_line,
    parse_status_line,
    parse_token_list,
    split_target,
)
from tests.core.linear import SMALL, TIMES, is_linear


def read_whole(data: bytes) -> tuple[bytes | None, bytes] | tuple[str, int]:
    reader = HeadReader()
    reader.feed(data)
    try:
        return reader.next_head(), reader.rest()
    except InvalidHandshake as error:
        return str(error), error.status


def read_portions(data: bytes, size: int) -> tuple[bytes | None, bytes] | tuple[str, int]:
    reader = HeadReader()
    try:
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])
            head = reader.next_head()
            if head is not None:
                return head, reader.rest() + data[start + size :]
    except InvalidHandshake as error:
        return str(error), error.status
    return None, reader.rest()


def verdict(data: bytes) -> tuple[bytes | None, bytes] | tuple[str, int]:
    whole = read_whole(data)
    assert read_portions(data, 1) == whole
    assert read_portions(data, 1000) == whole
    return whole


def test_reader_returns_the_head_without_its_empty_line() -> None:
    assert verdict(b"GET / HTTP/1.1\r\nA: b\r\n\r\n") == (b"GET / HTTP/1.1\r\nA: b", b"")


def test_reader_returns_a_head_without_headers() -> None:
    assert verdict(b"GET / HTTP/1.1\r\n\r\n") == (b"GET / HTTP/1.1", b"")


def test_reader_keeps_what_comes_after_the_head() -> None:
    assert verdict(b"x\r\n\r\n\x81\x00\r\n\0") == (b"x", b"\x81\x00\r\n\0")


@pytest.mark.parametrize("data", [b"", b"G", b"x\r", b"x\r\n", b"x\r\n\r", b"x\r\na: b\r\n\r"])
def test_reader_waits_for_the_rest_of_a_head(data: bytes) -> None:
    assert verdict(data) == (None, data)


def test_reader_reads_one_head_after_the_other() -> None:
    reader = HeadReader()
    reader.feed(b"one\r\nA: b\r\n\r\ntwo\r\n\r\nrest")
    assert reader.next_head() == b"one\r\nA: b"
    assert reader.next_head() == b"two"
    assert reader.next_head() is None
    assert reader.rest() == b"rest"


def test_reader_reads_a_second_head_that_comes_in_portions() -> None:
    reader = HeadReader()
    reader.feed(b"o")
    assert reader.next_head() is None
    reader.feed(b"ne\r\nA: b\r\n\r\ntw")
    assert reader.next_head() == b"one\r\nA: b"
    assert reader.next_head() is None
    reader.feed(b"o\r\n\r\n")
    assert reader.next_head() == b"two"


@pytest.mark.parametrize("data", [bytearray(b"x\r\n\r\n"), memoryview(b"x\r\n\r\n")])
def test_reader_takes_any_kind_of_bytes(data: bytearray | memoryview) -> None:
    reader = HeadReader()
    reader.feed(data)
    assert reader.next_head() == b"x"


@pytest.mark.parametrize(
    "data",
    [
        *(b"x\ny\r\n\r\n", b"x\n\n", b"\nx\r\n\r\n", b"x\ry\r\n\r\n", b"x\r\r\n\r\n"),
        *(b"x\r\na: b\rc\r\n\r\n", b"x\r\na: b\n\r\n\r\n", b"x\r\na: b\rc\nd\r\n\r\n"),
        *(b"x\r\na: \0\r\n\r\n", b"\0", b"x\r\n\n"),
    ],
)
def test_reader_refuses_nul_and_every_line_break_but_crlf(data: bytes) -> None:
    assert verdict(data) == ("NUL or a line break other than CRLF (RFC 9112 2.2)", 400)


@pytest.mark.parametrize("data", [b"\r\n", b"\r\n\r\n", b"\r\nGET / HTTP/1.1\r\n\r\n"])
def test_reader_refuses_an_empty_line_in_front(data: bytes) -> None:
    assert verdict(data) == ("empty line in front of the head (RFC 9112 2.1)", 400)


def test_reader_takes_a_first_line_of_the_limit() -> None:
    line = b"x" * MAX_LINE
    assert verdict(line + b"\r\n\r\n") == (line, b"")


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n", b"\n", b"\0", b"x" * MAX_HEAD])
def test_reader_refuses_a_first_line_over_the_limit_at_once(end: bytes) -> None:
    expected = ("first line over 8192 bytes (RFC 9112 3)", 414)
    assert verdict(b"x" * (MAX_LINE + 1) + end) == expected


def test_reader_takes_a_header_line_of_the_limit() -> None:
    head = b"x\r\n" + b"a:".ljust(MAX_LINE, b"b")
    assert verdict(head + b"\r\n\r\n") == (head, b"")


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n", b"\n", b"\r"])
def test_reader_refuses_a_header_line_over_the_limit_at_once(end: bytes) -> None:
    expected = ("header line over 8192 bytes (RFC 6585 5)", 431)
    assert verdict(b"x\r\n" + b"a:".ljust(MAX_LINE + 1, b"b") + end) == expected


def test_reader_takes_as_many_headers_as_the_limit() -> None:
    head = b"x" + b"\r\na: b" * MAX_HEADERS
    assert verdict(head + b"\r\n\r\n") == (head, b"")


@pytest.mark.parametrize("end", [b"\r\n", b"\r\n\r\n"])
def test_reader_refuses_more_headers_at_once(end: bytes) -> None:
    expected = ("too many headers, over 100 (RFC 6585 5)", 431)
    assert verdict(b"x" + b"\r\na: b" * (MAX_HEADERS + 1) + end) == expected


def test_reader_counts_the_headers_of_each_head_on_its_own() -> None:
    head = b"x" + b"\r\na: b" * MAX_HEADERS
    reader = HeadReader()
    for portion in (head, b"\r\n\r\n", head, b"\r\n\r\n"):
        assert reader.next_head() in (None, head)
        reader.feed(portion)
    assert reader.next_head() == head


def head_of(size: int) -> bytes:
    """Return a head of *size* bytes, the empty line included, whose lines are long but allowed."""
    line = b"\r\na:".ljust(8000, b"b")
    return b"x".ljust(size - 4 * len(line) - 4, b"x") + line * 4


def test_reader_takes_a_head_of_the_limit() -> None:
    head = head_of(MAX_HEAD)
    assert verdict(head + b"\r\n\r\n" + b"frames") == (head, b"frames")


@pytest.mark.parametrize(
    "data",
    [
        head_of(MAX_HEAD + 1) + b"\r\n\r\n",
        head_of(MAX_HEAD + 3) + b"\r\n\r\n",
        head_of(MAX_HEAD) + b"x" * 5,
        head_of(MAX_HEAD) + b"\r\na: b",
        head_of(MAX_HEAD) + b"\r\n\rx",
    ],
)
def test_reader_refuses_a_head_over_the_limit_at_once(data: bytes) -> None:
    whole = verdict(data)
    assert whole == verdict(data[: MAX_HEAD + 1])
    assert whole in (
        ("head over 32768 bytes (RFC 6585 5)", 431),
        ("NUL or a line break other than CRLF (RFC 9112 2.2)", 400),
    )


def test_reader_waits_at_exactly_the_limit_of_a_head() -> None:
    data = head_of(MAX_HEAD) + b"xxxx"
    assert verdict(data) == (None, data)
    assert verdict(data + b"x") == ("head over 32768 bytes (RFC 6585 5)", 431)


@pytest.mark.parametrize("data", [b"\n", b"x" * 9000, b"x\r\n" * 200, b"\r\n", b"x\0"])
def test_reader_stays_with_its_verdict(data: bytes) -> None:
    reader = HeadReader()
    reader.feed(data)
    with pytest.raises(InvalidHandshake) as first:
        reader.next_head()
    reader.feed(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(InvalidHandshake) as second:
        reader.next_head()
    assert str(first.value) == str(second.value)
    assert first.value.status == second.value.status


@given(
    st.lists(
        st.sampled_from([b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b"x", b"a: b", b"y" * 4095])
        | st.binary(max_size=4),
        max_size=24,
    ).map(b"".join)
)
def test_reader_comes_to_one_verdict_however_bytes_arrive(data: bytes) -> None:
    verdict(data)


GARBAGE = st.text() | st.text('aG/ ,;="\\\t:HTP1.\r\n\0\xe9')


@pytest.mark.parametrize(
    "parse",
    [
        parse_request_line,
        parse_status_line,
        split_target,
        parse_token_list,
        parse_protocol_list,
        parse_extensions,
        parse_cookies,
        lambda text: parse_headers([text]),
        lambda text: parse_headers([text.encode()]),
    ],
)
@given(text=GARBAGE)
def test_garbage_gives_invalid_handshake_and_nothing_else(
    parse: Callable[[str], object], text: str
) -> None:
    with suppress(InvalidHandshake):
        parse(text)


@pytest.mark.parametrize(
    "parse", [parse_request_line, parse_status_line, split_target, parse_extensions]
)
@given(text=GARBAGE)
def test_no_error_repeats_what_the_peer_sent(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(InvalidHandshake) as caught:
        parse(f"(S3CRET){text}")
    assert "S3CRET" not in str(caught.value)
    assert len(str(caught.value).encode("ascii")) <= 123


def feed_by_byte(data: bytes) -> None:
    reader = HeadReader()
    for start in range(len(data)):
        reader.feed(data[start : start + 1])
        assert reader.next_head() is None


WORST = {
    "name": (parse_headers, "", "a", "\0"),
    "value of space": (parse_headers, "a:", " ", "\0"),
    "value": (parse_headers, "a:", "b", "\0"),
    "value of colons": (parse_headers, "a", ":", "\n"),
    "method": (parse_request_line, "", "a", "\0"),
    "target": (parse_request_line, "GET ", "/", "\0"),
    "spaces": (parse_request_line, "GET /", " ", "\0"),
    "authority": (split_target, "http://", "a", "\n"),
    "schemes": (split_target, "", "http://", "\n"),
    "reason": (parse_status_line, "HTTP/1.1 200 ", " ", "\0"),
    "commas": (parse_token_list, "", ",", "\0"),
    "space": (parse_token_list, "a", " ", "b"),
    "tokens": (parse_token_list, "", "a,", "\0"),
    "slashes": (parse_protocol_list, "", "/", "\0"),
    "extensions": (parse_extensions, "", "a,", "\0"),
    "parameters": (parse_extensions, "a", ";b", "\0"),
    "equals": (parse_extensions, "a;b", "=", "\0"),
    "escapes": (parse_extensions, 'a;b="', "\\", '"'),
    "escaped": (parse_extensions, 'a;b="', "\\a", '"'),
    "quotes": (parse_extensions, "a;b=", '"', "\0"),
    "cookies": (parse_cookies, "", "a=b;", "\0"),
    "cookie space": (parse_cookies, "a=b", " ", ";"),
}


@pytest.mark.parametrize(("parse", "start", "unit", "end"), WORST.values(), ids=WORST)
def test_worst_input_takes_linear_time(
    parse: Callable[[object], object], start: str, unit: str, end: str
) -> None:
    def work(size: int) -> None:
        text = start + unit * (size // len(unit)) + end
        with suppress(InvalidHandshake):
            parse([text] if parse is parse_headers else text)

    assert is_linear(work)


def test_many_headers_of_one_name_take_linear_time() -> None:
    assert is_linear(lambda size: parse_headers(["a: b"] * (size // 64)))


@pytest.mark.parametrize(
    "line", [b"x" * 8000, b"a: b\r\n" * 90 + b"a: b"], ids=["long line", "many lines"]
)
def test_reader_takes_linear_time_however_finely_bytes_arrive(line: bytes) -> None:
    data = (line + b"\r\na: ".ljust(8000, b"x") * 4)[:MAX_HEAD]
    assert is_linear(lambda size: feed_by_byte(data[: size * len(data) // (TIMES * SMALL)]))
