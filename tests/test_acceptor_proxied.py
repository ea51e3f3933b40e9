"""Behind proxies: whose address counts, whose scheme, and who is not believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geventws.acceptor import Acceptor
from geventws.limits import RESERVE, Limits
from geventws.pywsgi import WSGIServer
from geventws.server import serve
from geventws.websocket import WebSocket
from geventws.wsgi import WebSocketWSGIApplication
from tests.crowds import crowd, until
from tests.rawpeer import TEXT, RawPeer, Reply, head
from tests.servers import certified, trusting
from tests.serving import LOCAL, running, visiting

US = ["127.0.0.0/8"]
CLIENT = "192.0.2.1"
OTHER = "192.0.2.2"


def tell(ws: WebSocket) -> None:
    """Tell the client its address."""
    assert ws.request is not None
    ws.send(json.dumps(ws.request.remote_address))
    for _ in ws:
        pass


def native(address: Any = LOCAL, **arguments: Any) -> Acceptor:
    """Return a native server."""
    return serve(tell, address, **arguments)


def wsgi(address: Any = LOCAL, **arguments: Any) -> Acceptor:
    """Return a WSGI server."""
    return WSGIServer(address, WebSocketWSGIApplication(handler=tell), log=None, **arguments)


each_server = pytest.mark.parametrize("make", [native, wsgi])


def told(peer: RawPeer, **headers: Any) -> Any:
    """Open a WebSocket and return the address that the server takes its client to have."""
    peer.upgrade(**headers)
    opcode, payload = peer.read_frame()
    assert opcode == TEXT
    return json.loads(payload)


def asked(peer: RawPeer, **headers: Any) -> Reply:
    """Ask for a WebSocket and return what is answered."""
    peer.send(head(**headers))
    return peer.read_head()


@each_server
def test_client_of_a_trusted_proxy_is_whom_that_names(make: Any) -> None:
    with visiting(make(trusted_proxies=US)) as peer:
        assert told(peer, X_Forwarded_For=f"spoofed, {CLIENT}") == [CLIENT, 0]


@each_server
def test_client_of_a_proxy_on_a_unix_socket_is_whom_that_names(make: Any, tmp_path: Path) -> None:
    with visiting(make(f"unix:{tmp_path / 'socket'}", trusted_proxies=["unix"])) as peer:
        assert told(peer, X_Forwarded_For=CLIENT) == [CLIENT, 0]


@each_server
@pytest.mark.parametrize("trusted", [[], ["192.0.2.0/24", "unix"]])
def test_nobody_else_is_believed(make: Any, trusted: list[str]) -> None:
    with visiting(make(trusted_proxies=trusted)) as peer:
        assert told(peer, X_Forwarded_For=CLIENT)[0] == "127.0.0.1"


@each_server
def test_proxy_that_names_nobody_is_the_client(make: Any) -> None:
    with visiting(make(trusted_proxies=US)) as peer:
        assert told(peer)[0] == "127.0.0.1"


@each_server
def test_addresses_behind_a_proxy_are_limited_each(make: Any) -> None:
    limits = Limits(per_address=1)
    server = make(trusted_proxies=US, limits=limits)
    with running(server), crowd(server.address, 4) as peers:
        told(peers[0], X_Forwarded_For=CLIENT)
        assert asked(peers[1], X_Forwarded_For=CLIENT).status == 429
        peers[1].close()
        told(peers[2], X_Forwarded_For=OTHER)
        peers[0].end()
        peers[0].close()
        until(lambda: CLIENT not in server._admission._addresses)
        told(peers[3], X_Forwarded_For=CLIENT)


@each_server
def test_proxy_itself_is_no_crowd(make: Any) -> None:
    server = make(trusted_proxies=US, limits=Limits(per_address=1))
    with running(server), crowd(server.address, RESERVE + 5) as peers:
        told(peers[-1], X_Forwarded_For=CLIENT)


@each_server
def test_openings_too_fast_are_answered_429_with_the_time_to_wait(make: Any) -> None:
    limits = Limits(handshake_rate=(0.001, 2))
    server = make(trusted_proxies=US, limits=limits)
    with running(server), crowd(server.address, 4) as peers:
        for peer in peers[:2]:
            told(peer, X_Forwarded_For=CLIENT)
        reply = asked(peers[2], X_Forwarded_For=CLIENT)
        assert reply.status == 429
        assert 900 < int(reply.headers["retry-after"]) <= 1000
        told(peers[3], X_Forwarded_For=OTHER)


@each_server
@pytest.mark.parametrize(
    ("trusted", "scheme", "origin", "status"),
    [
        (US, "https", "https://example.org", 403),  # its port is 443, and Host has none
        (US, "https", "http://example.org", 403),
        (US, "http", "http://example.org", 101),
        ([], "https", "http://example.org", 101),
        (US, None, "http://example.org", 101),
    ],
)
def test_scheme_is_compared_where_a_trusted_proxy_tells_it(
    make: Any, trusted: list[str], scheme: str | None, origin: str, status: int
) -> None:
    with visiting(make(trusted_proxies=trusted)) as peer:
        reply = asked(peer, Origin=origin, X_Forwarded_Proto=scheme, Host="example.org:80")
        assert reply.status == status


@each_server
def test_scheme_of_a_proxy_comes_before_that_of_its_own_connection(make: Any) -> None:
    server = make(trusted_proxies=["127.0.0.1"], ssl=certified("localhost"))
    with visiting(server, trusting()) as peer:
        reply = asked(peer, Origin="http://example.org", X_Forwarded_Proto="http")
        assert reply.status == 101


def test_view_sees_the_client_of_each_request() -> None:
    seen: list[Any] = []

    def view(environ: Any, start_response: Any) -> list[bytes]:
        seen.append((environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]))
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    limits = Limits(per_address=1)
    server = WSGIServer(LOCAL, view, log=None, trusted_proxies=US, limits=limits)
    with visiting(server) as peer:
        for client, scheme in ((CLIENT, "https"), (OTHER, "http"), (OTHER, None)):
            forwarded: dict[str, Any] = {"X_Forwarded_For": client, "X_Forwarded_Proto": scheme}
            peer.send(head(**forwarded, Upgrade=None, Connection=None))
            assert peer.read_response().status == 200
        with RawPeer.to(server.address) as second:
            second.send(head(X_Forwarded_For=OTHER, Upgrade=None))
            assert second.read_response().status == 429
    assert seen == [(CLIENT, "https"), (OTHER, "http"), (OTHER, "http")]


@each_server
def test_server_says_what_it_takes(make: Any) -> None:
    limits = Limits(per_address=1)
    assert make(limits=limits).limits is limits
    assert make().limits == Limits()


@each_server
@pytest.mark.parametrize("given", ["127.0.0.1", [5]])
def test_trusted_proxies_are_a_list_of_networks(make: Any, given: Any) -> None:
    with pytest.raises(TypeError, match=r"^trusted_proxies: "):
        make(trusted_proxies=given)
