"""Relays and taps: what passes, what is written down, and how ends are passed on."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event as Signal

from geventws.client import connect
from geventws.core.errors import Rejected
from geventws.core.handshake import Response
from geventws.manager import Manager
from geventws.server import serve
from geventws.sessions.files import SessionWriter, read_session
from geventws.sessions.openings import Opening
from geventws.sessions.recording import Recorder, Relay, pass_both_ways, recorded
from geventws.testing import pair
from geventws.websocket import EchoWebSocket, WebSocket
from tests.rawpeer import PATIENCE, RawPeer, frame
from tests.relays import end_of, relayed, relaying, said, tapped
from tests.servers import accept, serving
from tests.serving import LOCAL, echo, in_time, running, wait_for


def vanish(sock: Any) -> None:
    """Accept a WebSocket, and end without a word."""
    accept(sock)


BOTH = pytest.mark.parametrize("recording", [relayed, tapped])
Recording = Callable[..., Any]


@BOTH
@pytest.mark.parametrize("handler", [echo, EchoWebSocket])
def test_messages_pass_and_are_written_down(
    recording: Recording, handler: Any, tmp_path: Path
) -> None:
    with (
        recording(handler, tmp_path) as place,
        connect(f"{place.uri}/a%20b?c=d", origin=None) as ws,
    ):
        for message in ("caf\u00e9", b"\x00\xff", "", b"", "x" * 300_000):
            ws.send(message)
            assert ws.receive(timeout=PATIENCE) == message
    (session,) = place.sessions()
    assert session.opening.uri.endswith("/a%20b?c=d")
    messages = ["caf\u00e9", b"\x00\xff", "", b"", "x" * 300_000]
    both = [(sender, each) for each in messages for sender in ("client", "server")]
    assert said(session) == [*both, ("client", 1000)]


def test_two_taps_share_a_directory(tmp_path: Path) -> None:
    taps = {f"/{name}": recorded(echo, tmp_path) for name in "ab"}

    def handler(ws: Any) -> None:
        taps[ws.request.target](ws)

    with running(serve(handler, LOCAL)) as server:
        for path in taps:
            with connect(f"ws://127.0.0.1:{server.address[1]}{path}") as ws:
                ws.send(path)
                assert ws.receive(timeout=PATIENCE) == path
    sessions = [read_session(path) for path in tmp_path.iterdir()]
    assert {session.opening.uri[-2:] for session in sessions} == set(taps)


@BOTH
def test_many_connections_have_a_file_each_that_others_cannot_read(
    recording: Recording, tmp_path: Path
) -> None:
    with recording(echo, tmp_path) as place:
        for number in range(3):
            with connect(place.uri) as ws:
                ws.send(str(number))
                ws.receive(timeout=PATIENCE)
    assert [said(each)[0] for each in place.sessions()] == [("client", each) for each in "012"]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()]
    assert modes == [0o600] * 3


@BOTH
@pytest.mark.parametrize(
    ("code", "reason"), [(1000, "bye"), (1001, ""), (1011, "oops"), (4000, "caf\u00e9")]
)
def test_end_by_the_server_is_passed_on(
    recording: Recording, code: int, reason: str, tmp_path: Path
) -> None:
    with recording(lambda ws: ws.close(code, reason), tmp_path) as place, connect(place.uri) as ws:
        assert end_of(ws) == (code, reason, True)
    (session,) = place.sessions()
    assert [each[1:] for each in session.events] == [("server", None, code, reason)]


def noting() -> tuple[list[Any], Signal, Callable[[WebSocket], None]]:
    """Return a handler, the ends that it has noted, and what is set when there is one."""
    ends: list[Any] = []
    done = Signal()

    def note(ws: WebSocket) -> None:
        ends.append(end_of(ws))
        done.set()

    return ends, done, note


@BOTH
def test_end_by_the_client_is_passed_on(recording: Recording, tmp_path: Path) -> None:
    ends, done, note = noting()
    with recording(note, tmp_path) as place:
        connect(place.uri).close(4321, "enough")
        wait_for(done)
    assert ends == [(4321, "enough", True)]
    assert said(place.sessions()[0]) == [("client", 4321)]


@BOTH
def test_client_without_a_code_is_passed_on_as_1000(recording: Recording, tmp_path: Path) -> None:
    ends = []
    with recording(lambda ws: ends.append(end_of(ws)), tmp_path) as place:
        port = int(place.uri.rpartition(":")[2])
        with RawPeer.to(("127.0.0.1", port)) as peer:
            peer.upgrade()
            peer.send(frame(8))
            assert peer.read_frame() == (8, b"")
            assert peer.read_to_end() == b""
    assert ends == [(1000, "", True)]
    assert said(place.sessions()[0]) == [("client", 1005)]


@BOTH
def test_lost_client_is_passed_on_as_1001(recording: Recording, tmp_path: Path) -> None:
    ends, done, note = noting()
    with recording(note, tmp_path) as place:
        port = int(place.uri.rpartition(":")[2])
        with RawPeer.to(("127.0.0.1", port)) as peer:
            peer.upgrade()
        wait_for(done)
    assert ends == [(1001, "the client is lost", True)]
    assert said(place.sessions()[0]) == [("client", 1006)]


def test_lost_server_is_passed_on_as_1011(tmp_path: Path) -> None:
    with (
        serving(vanish) as lost,
        relaying(f"ws://127.0.0.1:{lost.port}", tmp_path) as place,
        connect(place.uri) as ws,
    ):
        assert end_of(ws) == (1011, "the server is lost", True)
    assert said(place.sessions()[0]) == [("server", 1006)]


@BOTH
def test_end_while_the_other_side_sends_is_no_error(recording: Recording, tmp_path: Path) -> None:
    done = Signal()

    def flood(ws: WebSocket) -> None:
        try:
            while True:
                ws.send("x" * 10_000)
        finally:
            done.set()

    with recording(flood, tmp_path) as place:
        ws = connect(place.uri)
        ws.receive(timeout=PATIENCE)
        ws.close(4000)
        wait_for(done)
    *messages, end = said(place.sessions()[0])
    assert set(messages) == {("server", "x" * 10_000)}
    assert end == ("client", 4000)


# What is asked for, and agreed


def test_server_is_asked_what_the_client_asks(tmp_path: Path) -> None:
    asked = []

    def note(request: Any) -> Response:
        asked.append(request)
        return Response(404, {"X-Why": "nobody", "Content-Type": "text/x"}, "not here")

    headers = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Own": "1"}
    with relayed(echo, tmp_path, process_request=note) as place, pytest.raises(Rejected) as caught:
        connect(
            f"{place.uri}/deep?token=x",
            subprotocols=["a", "b"],
            headers=headers,
            origin="http://elsewhere",
        )
    refused = caught.value
    assert (refused.status, refused.body) == (404, b"not here")
    assert (refused.headers["X-Why"], refused.headers["Content-Type"]) == ("nobody", "text/x")
    (request,) = asked
    assert request.target == "/deep?token=x"
    assert request.origin == "http://elsewhere"
    assert request.headers["Sec-WebSocket-Protocol"] == "a, b"
    assert {name: request.headers[name] for name in headers} == headers
    assert not list(tmp_path.iterdir())


@BOTH
def test_subprotocol_is_the_one_that_the_server_chose(recording: Recording, tmp_path: Path) -> None:
    with recording(echo, tmp_path, subprotocols=["b"]) as place:
        with connect(place.uri, subprotocols=["a", "b"]) as ws:
            assert ws.subprotocol == "b"
        with connect(place.uri, subprotocols=["c"]) as ws:
            assert ws.subprotocol is None
    openings = [each.opening for each in place.sessions()]
    assert [each.offered for each in openings] == [("a", "b"), ("c",)]
    assert [each.subprotocol for each in openings] == ["b", None]


@BOTH
def test_credentials_are_left_out(recording: Recording, tmp_path: Path) -> None:
    with recording(echo, tmp_path) as place:
        connect(f"{place.uri}/?token=x", headers={"Cookie": "a=b", "X-Own": "1"}).close()
    opening = place.sessions()[0].opening
    assert opening.headers == (("Cookie", "{cookie}"), ("X-Own", "1"))
    assert opening.uri.endswith("/?token={token}")
    assert opening.redacted == ("token", "cookie")


def test_credentials_can_be_kept(tmp_path: Path) -> None:
    handler = recorded(echo, tmp_path, keep_credentials=True)
    with running(serve(handler, LOCAL)) as server:
        connect(f"ws://127.0.0.1:{server.address[1]}", headers={"Cookie": "a=b"}).close()
    (path,) = tmp_path.iterdir()
    assert read_session(path).opening.headers == (("Cookie", "a=b"),)


# In a server of ours


def test_handler_sees_the_client(tmp_path: Path) -> None:
    seen = []

    def look(ws: Any) -> None:
        seen.append((ws.request.path, ws.request.remote_address[0], ws.subprotocol, ws.environ))

    with tapped(look, tmp_path, subprotocols=["a"]) as place:
        end_of(connect(f"{place.uri}/here", subprotocols=["a"]))
    assert seen == [("/here", "127.0.0.1", "a", None)]


def test_broadcasts_are_written_down(tmp_path: Path) -> None:
    manager = Manager()

    def join(ws: WebSocket) -> None:
        manager.add(ws)
        for _ in ws:
            manager.broadcast("news")

    with tapped(join, tmp_path) as place, connect(place.uri) as ws:
        ws.send("go")
        assert ws.receive(timeout=PATIENCE) == "news"
    assert said(place.sessions()[0])[:2] == [("client", "go"), ("server", "news")]


def test_server_that_stops_ends_tapped_handlers(tmp_path: Path) -> None:
    ends = []

    def stay(ws: WebSocket) -> None:
        ends.append(end_of(ws)[0])

    with tapped(stay, tmp_path) as place:
        ws = connect(place.uri)
        reading = gevent.spawn(end_of, ws)
        with connect(place.uri):
            pass
    assert in_time(reading.get)[0] == 1001
    assert sorted(ends) == [1000, 1001]
    assert [said(each) for each in place.sessions()] == [[("client", 1001)], [("client", 1000)]]


def test_handler_that_stays_after_the_end_is_killed_with_its_server(tmp_path: Path) -> None:
    ended = Signal()

    def stay(ws: WebSocket) -> None:
        try:
            Signal().wait()
        finally:
            ended.set()

    with tapped(stay, tmp_path) as place:
        connect(place.uri).close()
        place.server.stop(timeout=0.05)
        assert ended.is_set()


def test_relay_that_is_killed_drops_both_sides(tmp_path: Path) -> None:
    theirs, client = pair()
    server, far = pair()
    written = SessionWriter((tmp_path / "a").open("x"), Opening(uri="ws://a/"))
    relaying = gevent.spawn(pass_both_ways, client, server, written)
    theirs.send("hello")
    assert far.receive(timeout=PATIENCE) == "hello"
    relaying.kill()
    assert [end_of(each)[0] for each in (theirs, far)] == [1001, 1001]


def test_session_that_cannot_be_written_ends_its_connection(tmp_path: Path) -> None:
    theirs, client = pair()
    server, far = pair()
    written = SessionWriter((tmp_path / "a").open("x"), Opening(uri="ws://a/"))
    written.close()
    relaying = gevent.spawn(pass_both_ways, client, server, written)
    far.send("hello")
    assert [end_of(each)[0] for each in (theirs, far)] == [1001, 1001]
    with pytest.raises(ValueError, match="closed file"):
        relaying.get(timeout=PATIENCE)


def test_recorder_needs_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "file")
    with pytest.raises(TypeError, match="handler: "):
        recorded(5, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="url: a scheme other than"):
        Relay("http://a", Recorder(tmp_path / "new" / "one"))
    assert (tmp_path / "new" / "one").is_dir()
