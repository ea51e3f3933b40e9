"""Fuzzing handshake: any request, any response, and a client's any wishes against a server."""

from __future__ import annotations

import re
from typing import Any, Final

from geventws.core.deflate import Deflate
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import (
    Accepted,
    Opening,
    Origins,
    Request,
    accept_key,
    check_origin,
    check_request,
    negotiate,
    parse_response,
    refusal,
)
from geventws.core.headers import HeadReader
from tests.fuzz.given import failure, split
from tests.fuzz.headers import tried

ORIGINS: Final[list[Origins]] = [
    *(None, "*", "http://example.org", ["https://example.org"], re.compile(r"https?://\w+")),
    lambda origin, request: origin is None or request.host in origin,
]
SUBPROTOCOLS: Final = [(), ("chat",), ("superchat", "chat")]
# what a response has in place of the Sec-WebSocket-Accept that fits the client's key
ACCEPT: Final = b"$ACCEPT"


def check(data: bytes) -> object:
    """Let a server, a client or both do what the bytes say.

    Of the first byte of options, the remainder by 3 says which; then come three bytes of settings
    for the server, and three for the client. There are no cuts: whole heads come here.
    """
    options, _, payload = split(data, 7)
    ours, theirs = _deflate(options[1], options[2]), _deflate(options[4], options[5])
    which = options[0] % 3
    if which == 0:
        return _serve(payload, ours, options[3], ORIGINS[options[0] // 3 % len(ORIGINS)])[0]
    if which == 1:
        return _ask(payload, theirs, options[6])
    return _meet(payload, (ours, options[3]), theirs)


def _deflate(first: int, second: int) -> Deflate | None:
    """Return no wishes for compression, or those that two bytes say."""
    if first & 128:
        return None
    return Deflate(
        server_max_window_bits=9 + first % 7,
        client_max_window_bits=9 + second % 7,
        server_no_context_takeover=bool(second & 64),
        client_no_context_takeover=bool(second & 128),
    )


def _head(data: bytes) -> bytes | str:
    """Return *data* as a head, or a description of why it is none."""
    reader = HeadReader()
    reader.feed(data + b"\r\n\r\n")
    head = tried(reader.next_head)
    assert head is not None
    return head


def _serve(
    data: bytes, deflate: Deflate | None, choice: int, origins: Origins
) -> tuple[object, Accepted | None]:
    head = _head(data)
    if isinstance(head, str):
        return head, None
    request = Request(head)
    try:
        key = check_request(request)
        seen = request.path, request.query, request.cookies, request.origin, request.host
        check_origin(request, origins, (None, True, False)[choice % 3])
        ours: dict[str, Any] = {"subprotocols": SUBPROTOCOLS[choice // 3 % 3]}
        if choice & 128:
            ours["select_subprotocol"] = lambda offered: offered[-1] if offered else None
        accepted = negotiate(request, compression=deflate, **ours)
    except InvalidHandshake as error:
        return _refused(error), None
    status, _, headers = parse_response(_only_head(accepted.response))
    assert status == 101
    assert headers["Sec-WebSocket-Accept"] == accept_key(key)
    return (seen, accepted), accepted


def _refused(error: InvalidHandshake) -> str:
    head, _, body = refusal(error).to_bytes().partition(b"\r\n\r\n")
    status, _, headers = parse_response(head)
    assert status == error.status
    assert headers["Content-Length"] == str(len(body))
    return failure(error)


def _only_head(data: bytes) -> bytes:
    assert data.endswith(b"\r\n\r\n")
    assert data.count(b"\r\n\r\n") == 1
    return data[:-4]


def _ask(data: bytes, deflate: Deflate | None, choice: int) -> object:
    opening = Opening(
        "example.org", "/", subprotocols=SUBPROTOCOLS[choice % 3], compression=deflate
    )
    head = _head(data.replace(ACCEPT, accept_key(opening.key).encode()))
    return head if isinstance(head, str) else tried(opening.check, head)


def _meet(data: bytes, ours: tuple[Deflate | None, int], theirs: Deflate | None) -> object:
    """Let a server answer what a client asks for whose user wishes what is on the lines."""
    lines = data.decode("latin-1").split("\n")
    host, target, origin, subprotocols, *headers = lines + [""] * (4 - len(lines))
    pairs = [(name, value) for name, _, value in (line.partition(":") for line in headers)]
    try:
        opening = Opening(
            *(host, target),
            subprotocols=[name for name in subprotocols.split(",") if name],
            compression=theirs,
            origin=origin or None,
            headers=pairs,
        )
    except ValueError as error:
        return f"ValueError: {error}"
    described, accepted = _serve(_only_head(opening.request()), *ours, "*")
    assert accepted is not None, described
    _check_agreement(accepted, opening.check(_only_head(accepted.response)))
    return accepted.subprotocol, accepted.deflate


def _check_agreement(server: Accepted, client: Accepted) -> None:
    """Check that what either side sends the other can inflate."""
    assert server.subprotocol == client.subprotocol
    if server.deflate is None or client.deflate is None:
        assert server.deflate is client.deflate is None
        return
    assert server.deflate.server_max_window_bits <= client.deflate.server_max_window_bits
    assert client.deflate.client_max_window_bits <= server.deflate.client_max_window_bits
    assert server.deflate.server_no_context_takeover >= client.deflate.server_no_context_takeover
    assert client.deflate.client_no_context_takeover >= server.deflate.client_no_context_takeover
