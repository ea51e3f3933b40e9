from __future__ import annotations

import socket

from geventws.adapters.ws4py import compat


def test_names_are_those_of_python_3() -> None:
    assert compat.py3k
    assert isinstance("text", compat.basestring)
    assert isinstance(b"bytes", compat.basestring)
    assert compat.unicode("text") == "text"
    assert list(compat.range(2)) == [0, 1]
    assert compat.urlsplit("ws://host/path").path == "/path"


def test_ord_takes_bytes_that_are_numbers_already() -> None:
    assert [compat.ord(each) for each in ("a", b"a", 97)] == [97, 97, 97]


def test_connection_is_found_under_a_file_and_survives_it() -> None:
    near, far = socket.socketpair()
    with near, far:
        reader = near.makefile("rb")
        assert compat.get_connection(reader) is near
        compat.detach_connection(reader)
        near.sendall(b"still open")
        assert far.recv(64) == b"still open"
