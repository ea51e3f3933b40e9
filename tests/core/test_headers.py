"""Headers, heads and the header grammar: what is accepted, and all that is not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.core.errors import InvalidHandshake
from geventws.core.headers import (
    MAX_HEAD,
    MAX_HEADERS,
    MAX_LINE,
    Headers,
    HeadReader,
    build_head,
    has_token,
    is_token,
    parse_cookies,
    parse_extensions,
    parse_headers,
    parse_protocol_list,
    parse_request_line,
    parse_status_line,
    parse_token_list,
    split_target,
    user_headers,
)

TCHARS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
TOKENS = st.text(TCHARS, min_size=1, max_size=12)
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]))


def test_headers_are_found_in_any_case() -> None:
    headers = Headers([("Host", "a"), ("X-Y", "b")])
    assert headers["host"] == headers["HOST"] == headers.get("hOsT") == "a"
    assert "x-y" in headers
    assert "X-Z" not in headers


def test_headers_miss_what_is_not_there() -> None:
    headers = Headers()
    assert headers.get("A") is None
    assert headers.get("A", "b") == "b"
    assert headers.get_all("A") == []
    assert 1 not in headers
    with pytest.raises(KeyError):
        headers["A"]


def test_headers_join_several_of_one_name_in_order() -> None:
    headers = Headers([("A", "1"), ("B", "2"), ("a", "3")])
    assert headers["a"] == headers.get("A") == "1, 3"
    assert headers.get_all("A") == ["1", "3"]


def test_headers_keep_order_and_spelling() -> None:
    pairs = [("b", "1"), ("A", "2"), ("B", "3")]
    headers = Headers(pairs)
    assert headers.items() == pairs
    assert (list(headers), len(headers)) == (["b", "A"], 2)


@pytest.mark.parametrize(
    "items",
    [{"A": "1", "B": "2"}, [("A", "1"), ("B", "2")], Headers([("A", "1"), ("B", "2")])],
    ids=["mapping", "pairs", "headers"],
)
def test_headers_are_made_of_a_mapping_of_pairs_or_of_headers(
    items: dict[str, str] | list[tuple[str, str]] | Headers,
) -> None:
    assert Headers(items).items() == [("A", "1"), ("B", "2")]


def test_headers_do_not_change_with_what_they_were_made_of_or_gave_away() -> None:
    pairs = [("A", "1")]
    headers = Headers(pairs)
    pairs.append(("B", "2"))
    headers.items().append(("C", "3"))
    headers.get_all("A").append("4")
    assert headers.items() == [("A", "1")]


def test_headers_are_equal_when_each_name_reads_the_same() -> None:
    headers = Headers([("A", "1"), ("B", "2")])
    assert headers == Headers([("b", "2"), ("a", "1")])
    assert hash(headers) == hash(Headers([("b", "2"), ("a", "1")]))
    assert headers != Headers([("A", "1"), ("B", "3")])
    assert headers != [("A", "1"), ("B", "2")]


def test_headers_show_their_pairs() -> None:
    assert repr(Headers([("A", "1")])) == "Headers([('A', '1')])"


def test_reader_returns_a_head_without_its_empty_line_and_keeps_the_rest() -> None:
    reader = HeadReader()
    reader.feed(b"GET / HTTP/1.1\r\nA: b\r\n\r\n\x81\x00")
    assert reader.next_head() == b"GET / HTTP/1.1\r\nA: b"
    assert reader.rest() == b"\x81\x00"


def test_reader_waits_for_a_head_that_comes_byte_by_byte() -> None:
    reader = HeadReader()
    for byte in b"GET / HTTP/1.1\r\nA: b\r\n\r":
        reader.feed(bytes([byte]))
        assert reader.next_head() is None
    reader.feed(b"\n\r\n")
    assert reader.next_head() == b"GET / HTTP/1.1\r\nA: b"
    assert reader.rest() == b"\r\n"


@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (b"x\ny\r\n\r\n", 400, "NUL or a line break other than CRLF"),
        (b"\r\nx\r\n\r\n", 400, "empty line in front of the head"),
        (b"x" * (MAX_LINE + 1), 414, "first line over 8192 bytes"),
        (b"x\r\n" + b"y" * (MAX_LINE + 1), 431, "header line over 8192 bytes"),
        (b"x\r\n" * (MAX_HEADERS + 2), 431, "too many headers, over 100"),
        ((b"x" * 8000 + b"\r\n") * 5, 431, f"head over {MAX_HEAD} bytes"),
    ],
)
def test_reader_refuses_what_is_no_head_or_over_a_limit(
    data: bytes, status: int, text: str
) -> None:
    reader = HeadReader()
    reader.feed(data)
    with pytest.raises(InvalidHandshake, match=text) as caught:
        reader.next_head()
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET / HTTP/1.1", ("GET", "/", "HTTP/1.1")),
        ("get /a?b=%20&c HTTP/1.0", ("get", "/a?b=%20&c", "HTTP/1.0")),
        ("GET http://a:1/b?c HTTP/1.9", ("GET", "http://a:1/b?c", "HTTP/1.9")),
        ("OPTIONS * HTTP/1.1", ("OPTIONS", "*", "HTTP/1.1")),
        ('M-SEARCH /"|{}~ HTTP/1.1', ("M-SEARCH", '/"|{}~', "HTTP/1.1")),
    ],
)
def test_request_line_is_split(line: str, expected: tuple[str, str, str]) -> None:
    assert parse_request_line(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        *("", "GET", "GET /", "GET  / HTTP/1.1", "GET /  HTTP/1.1", " GET / HTTP/1.1"),
        *("GET / HTTP/1.1 ", "GET / HTTP/1.1\n", "GET\t/ HTTP/1.1", "GET /a b HTTP/1.1"),
        *("GET /#a HTTP/1.1", "GET /\x7f HTTP/1.1", "GET /\xe9 HTTP/1.1", "GET /\0 HTTP/1.1"),
        *("G(T / HTTP/1.1", "GET / http/1.1", "GET / HTTP/1", "GET / HTTP/1.10", "GET / HTTP/11.1"),
        *("GET / HTTP/1.\u0661", "GET / HTTPS/1.1"),
    ],
)
def test_malformed_request_line_is_refused(line: str) -> None:
    with pytest.raises(InvalidHandshake, match="malformed request line") as caught:
        parse_request_line(line)
    assert caught.value.status == 400


@pytest.mark.parametrize("version", ["HTTP/0.9", "HTTP/2.0", "HTTP/3.0"])
def test_request_line_of_another_http_is_refused_505(version: str) -> None:
    with pytest.raises(InvalidHandshake, match=r"HTTP version is not 1\.1") as caught:
        parse_request_line(f"GET / {version}")
    assert caught.value.status == 505


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("HTTP/1.1 101 Switching Protocols", ("HTTP/1.1", 101, "Switching Protocols")),
        ("HTTP/1.0 200 ", ("HTTP/1.0", 200, "")),
        ("HTTP/1.1 404 \xe9\t.", ("HTTP/1.1", 404, "\xe9\t.")),
        ("HTTP/1.1 599 x", ("HTTP/1.1", 599, "x")),
    ],
)
def test_status_line_is_split(line: str, expected: tuple[str, int, str]) -> None:
    assert parse_status_line(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        *("", "HTTP/1.1", "HTTP/1.1 101", "HTTP/1.1  101 x", "HTTP/1.1 1001 x", "HTTP/1.1 +10 x"),
        *("HTTP/1.1 1_0 x", "HTTP/1.1 10\u0661 x", "HTTP/1.1 099 x", "HTTP/1.1 600 x"),
        *("HTTP/2.0 200 x", "HTTP/1.1 200 a\nb", "HTTP/1.1 200 a\n", "HTTP/1.1 200 \0"),
        *(" HTTP/1.1 200 x", "ICY 200 OK"),
    ],
)
def test_malformed_status_line_is_refused(line: str) -> None:
    with pytest.raises(InvalidHandshake, match="malformed status line"):
        parse_status_line(line)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        *(("/", ("", "/", "")), ("/a/b?c=d?e", ("", "/a/b", "c=d?e"))),
        *(("//a/b", ("", "//a/b", "")), ("http://a:80/b?c", ("a:80", "/b", "c"))),
        *(("HTTPS://a", ("a", "/", "")), ("http://a?b", ("a", "/", "b"))),
    ],
)
def test_target_is_split(target: str, expected: tuple[str, str, str]) -> None:
    assert split_target(target) == expected


@pytest.mark.parametrize("target", ["", "*", "a", "a:80", "ws://a/", "http:///", "http:a", "?a"])
def test_target_that_is_no_path_and_no_http_uri_is_refused(target: str) -> None:
    with pytest.raises(InvalidHandshake, match="neither a path nor an http URI"):
        split_target(target)


def test_header_lines_are_parsed_from_bytes_and_text() -> None:
    headers = parse_headers([b"A: b", "C:d", b"a:\t e f \t"])
    assert headers.items() == [("A", "b"), ("C", "d"), ("a", "e f")]


def test_header_values_are_latin_1_and_may_be_empty() -> None:
    assert parse_headers([b"A: \xe9\t\xff", b"B:", b"C: : "]).items() == [
        ("A", "\xe9\t\xff"),
        ("B", ""),
        ("C", ":"),
    ]


def test_header_values_keep_space_that_is_not_ascii() -> None:
    assert parse_headers([b"A: \xa0b\xa0"])["A"] == "\xa0b\xa0"


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"a", b": b", b" a: b", b"\ta: b", b"a : b", b"a\t: b", b"a b: c", b"a\xe9: b"),
        *(b"(a): b", b"a: b\rc", b"a: b\nc", b"a: b\n", b"a: b\r\nc: d", b"a: \0", b"a: \x01"),
        *(b"a: \x1b[0m", b"a: \x7f", "a: \u0100", "\u212a: a"),
    ],
)
def test_malformed_header_line_is_refused(line: bytes | str) -> None:
    with pytest.raises(InvalidHandshake, match="malformed or folded header line") as caught:
        parse_headers([b"A: b", line])
    assert caught.value.status == 400


def test_head_is_written_with_an_empty_line_at_its_end() -> None:
    assert build_head("GET / HTTP/1.1", []) == b"GET / HTTP/1.1\r\n\r\n"
    head = build_head("HTTP/1.1 200 OK", [("A", "b"), ("C", "\xe9\t"), ("D", "")])
    assert head == b"HTTP/1.1 200 OK\r\nA: b\r\nC: \xe9\t\r\nD: \r\n\r\n"


@pytest.mark.parametrize("bad", ["\r", "\n", "\r\n", "\0", "\x7f", "\u20ac", "\n "])
def test_value_that_would_break_the_head_is_not_written(bad: str) -> None:
    with pytest.raises(ValueError, match=r"^header X-Secret has a character") as caught:
        build_head("GET / HTTP/1.1", [("A", "b"), ("X-Secret", f"hidden{bad}")])
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "A:", "A b", "A\r\nB", "A\n", "\xe9", "\0", "A\t"])
def test_name_that_is_no_token_is_not_written(name: str) -> None:
    with pytest.raises(ValueError, match=r"^header name .* is not a token"):
        build_head("GET / HTTP/1.1", [(name, "b")])


@pytest.mark.parametrize("line", ["GET /\r\nA: b", "GET /\n", "GET /\0", "GET /\u20ac"])
def test_first_line_that_would_break_the_head_is_not_written(line: str) -> None:
    with pytest.raises(ValueError, match="the first line has a character"):
        build_head(line, [])


@given(st.lists(st.tuples(TOKENS, VALUES)))
def test_written_head_is_read_back(pairs: list[tuple[str, str]]) -> None:
    reader = HeadReader()
    reader.feed(build_head("GET / HTTP/1.1", pairs))
    head = reader.next_head()
    assert head is not None
    first_line, *lines = head.split(b"\r\n")
    assert parse_request_line(first_line.decode()) == ("GET", "/", "HTTP/1.1")
    assert parse_headers(lines).items() == [(name, value.strip(" ")) for name, value in pairs]


def test_user_headers_are_kept() -> None:
    assert user_headers({"A": "b"}, re.compile("c")) == Headers({"A": "b"})
    assert user_headers({"Hosts": "b"}, re.compile("host")) == Headers({"Hosts": "b"})


def test_user_headers_that_are_reserved_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^header HOST is written by the handshake itself$"):
        user_headers([("A", "b"), ("HOST", "c")], re.compile("host"))


@pytest.mark.parametrize("items", [5, "abc", [("A",)], [5], {5: "a"}, {b"A": "a"}, {"C": 5}])
def test_user_headers_that_are_no_pairs_of_str_are_refused(items: Any) -> None:
    with pytest.raises(TypeError, match=r"^(headers: a mapping or pairs, of|header C: a) str"):
        build_head("GET / HTTP/1.1", user_headers(items, re.compile("host")).items())


def test_tokens_are_visible_ascii_without_delimiters() -> None:
    assert {character for character in map(chr, range(0x200)) if is_token(character)} == set(TCHARS)
    assert is_token(TCHARS)


@pytest.mark.parametrize("text", ["", " ", "a ", "a\n", "a b", "a,b", "\u0661", "\u212a"])
def test_text_with_anything_else_is_no_token(text: str) -> None:
    assert not is_token(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(("", []), ("a", ["a"]), ("b,a", ["b", "a"]), (" \ta ,\tb\t", ["a", "b"])),
        *((",, a ,,b, ,", ["a", "b"]), ("a, a, A", ["a", "a", "A"])),
    ],
)
def test_token_list_is_split(value: str, expected: list[str]) -> None:
    assert parse_token_list(value) == expected


@pytest.mark.parametrize("value", ["a b", 'a, "b"', "a/b", "a\xa0", "\xe9", "a;b", "a,\0", "a\n"])
def test_malformed_token_list_is_refused(value: str) -> None:
    with pytest.raises(InvalidHandshake, match="malformed list in a header") as caught:
        parse_token_list(value)
    assert caught.value.status == 400


def test_token_is_found_in_a_list_in_any_case_and_only_whole() -> None:
    assert has_token("keep-alive, UpGrade", "upgrade")
    assert not has_token("keep-alive, upgraded", "upgrade")
    assert not has_token("", "upgrade")
    with pytest.raises(InvalidHandshake):
        has_token("upgrade, keep alive", "upgrade")


def test_protocol_list_is_split() -> None:
    assert parse_protocol_list("websocket, HTTP/2.0,, x") == ["websocket", "HTTP/2.0", "x"]
    assert parse_protocol_list("") == []


@pytest.mark.parametrize("value", ["a/", "/a", "a/b/c", "a b", "a /b", "websocket, \xe9"])
def test_malformed_protocol_list_is_refused(value: str) -> None:
    with pytest.raises(InvalidHandshake, match="malformed list in a header"):
        parse_protocol_list(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(("", []), (" , ,", []), ("a", [("a", [])]), ("a, b", [("a", []), ("b", [])])),
        ("a; b; c=d", [("a", [("b", None), ("c", "d")])]),
        ("a;b=1;b=2,a", [("a", [("b", "1"), ("b", "2")]), ("a", [])]),
        (' a\t;\tb = "c" ,, d ', [("a", [("b", "c")]), ("d", [])]),
        ('a; b="\\c\\d"', [("a", [("b", "cd")])]),
    ],
)
def test_extensions_are_split(
    value: str, expected: list[tuple[str, list[tuple[str, str | None]]]]
) -> None:
    assert parse_extensions(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(";", "a;", "a;;b", "=", "a=b", "a; =b", "a; b=", "a; b=c d", "a; b=c=d", "a b"),
        *('a; b=""', 'a; b="', 'a; b="cde', 'a; b=cde"', 'a; b="c"d', 'a; b="c\\"', 'a; b="\\\\"'),
        *('a; b="c d"', 'a; b="c,d"', 'a; b="c;d"', 'a; b="c=d"', 'a; b="\\,"', 'a; b="c\\\n"'),
        *('"a"', "a; b='c'; \xe9", "a; \xa0b", "a\n"),
    ],
)
def test_malformed_extensions_are_refused(value: str) -> None:
    with pytest.raises(InvalidHandshake, match="malformed list in a header"):
        parse_extensions(value)


@given(st.lists(st.tuples(TOKENS, st.lists(st.tuples(TOKENS, st.none() | TOKENS)))))
def test_extensions_read_what_was_written(
    extensions: list[tuple[str, list[tuple[str, str | None]]]],
) -> None:
    written = ", ".join(
        "; ".join([name, *(key if value is None else f"{key}={value}" for key, value in params)])
        for name, params in extensions
    )
    assert parse_extensions(written) == extensions


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(("", {}), ("a=b", {"a": "b"}), ("a=b; c=d;e=f", {"a": "b", "c": "d", "e": "f"})),
        *(("a=b=c; d=", {"a": "b=c", "d": ""}), ("a=1; a=2", {"a": "1"})),
        *((" a = b ; junk; =c; ;", {"a": "b"}), ('a="b"', {"a": '"b"'})),
    ],
)
def test_cookies_are_split_and_others_left_out(value: str, expected: dict[str, str]) -> None:
    assert parse_cookies(value) == expected
