"""What a measured connection does and reports where all goes well."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.adapters.locust import MeasuredWebSocket, WebSocketUser
from geventws.server import serve
from geventws.websocket import EchoWebSocket
from tests.adapters.locust.scene import Scene, facing, visiting
from tests.rawpeer import PATIENCE
from tests.servers import accept, certified, trusting
from tests.servers import serving as serving_raw
from tests.serving import LOCAL, echo, running

CLOSE, PING, PONG = 8, 9, 10

pytestmark = pytest.mark.usefixtures("leaks_nothing")


# Opening and closing


def test_connection_is_reported_from_its_opening_to_its_end() -> None:
    with visiting() as scene:
        assert scene.ws.is_open
        scene.ws.close()
        scene.ws.close()
        assert not scene.ws.is_open
        assert scene.told == ["WS connect", "WSC close"]
        assert all(time > 0 for time in [*scene.times("WS"), *scene.times("WSC")])


def test_connection_has_the_name_it_is_given() -> None:
    with running(serve(echo, LOCAL)) as server:
        scene = Scene(int(server.address[1]))
        assert scene.ws.connect("/room?token=secret", name="room")
        scene.ws.close()
        assert scene.told == ["WS room", "WSC room"]
        assert scene.events[0]["url"] == f"{scene.user.host}/room?token=secret"


def test_connection_opens_once_at_a_time() -> None:
    with visiting() as scene:
        with pytest.raises(RuntimeError, match=r"the connection is open; close\(\) it first"):
            scene.ws.connect()
        scene.ws.close()
        assert scene.ws.connect()
        assert scene.ws.request("again").message == "again"
        assert scene.told == ["WS connect", "WSC close", "WS connect", "WSX message"]


def test_options_go_to_the_connection_those_of_the_call_first() -> None:
    heads: list[Any] = []

    def note(ws: Any) -> None:
        heads.append((ws.request.headers.get("X-Class"), ws.request.headers.get("X-Call")))

    options = {"headers": {"X-Class": "1"}, "max_size": 10}
    with visiting(note, ws_options=options) as scene:
        scene.ws.close()
        assert scene.ws.connect("/", headers={"X-Call": "2"})
        scene.ws.close()
    assert heads == [("1", None), (None, "2")]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"path": "ws://a b/"}, "space or control"),
        ({"compression": 7}, "compression"),
        ({"nonsense": 7}, "unexpected option"),
    ],
)
def test_wrong_arguments_are_the_callers_fault(arguments: Any, problem: str) -> None:
    scene = Scene(1)
    with pytest.raises((TypeError, ValueError), match=problem):
        scene.ws.connect(**arguments)
    assert scene.told == []


def test_close_takes_a_code_and_expects_it_back() -> None:
    codes: list[int] = []

    class Noting(EchoWebSocket):
        def closed(self, code: int, reason: str) -> None:
            codes.append(code)

    with visiting(Noting) as scene:
        with pytest.raises(ValueError, match="code"):
            scene.ws.close(1006)
        assert scene.ws.is_open
        scene.ws.close(4000, "enough")
        assert scene.told[1:] == ["WSC close"]
    assert codes == [4000]


def test_close_by_the_server_is_reported_at_once_while_the_user_thinks() -> None:
    with visiting(lambda ws: ws.close(1001)) as scene:
        assert scene.wait_until_told(2) == ["WS connect", "WSC close"]
        assert (scene.times("WSC"), scene.ws.is_open) == ([None], False)


def test_leaving_waits_for_nobody_and_says_1001() -> None:
    ended = Event()
    codes: list[Any] = []

    def serve_one(ws: Any) -> None:
        try:
            for _ in ws:
                pass
        finally:
            codes.append(ws.close_code)
            ended.set()

    with visiting(serve_one) as scene:
        scene.ws.leave()
        scene.ws.leave()
        assert (scene.told, scene.ws.is_open) == (["WS connect", "WSC close"], False)
        assert scene.times("WSC") == [None]
        assert ended.wait(PATIENCE)
    assert codes == [1001]


def test_what_the_user_cuts_off_is_not_reported() -> None:
    with visiting(lambda ws: list(ws)) as scene:
        waiting: list[Any] = [
            gevent.spawn(scene.ws.request, "x", match="never"),
            gevent.spawn(scene.ws.request, "x", match="never", catch_response=True),
        ]
        gevent.sleep(0)
        scene.ws.close()
        gevent.joinall(waiting, timeout=PATIENCE)
        assert [greenlet.value.ok for greenlet in waiting] == [False, False]
        with waiting[1].value as answer:
            assert not answer.ok
        assert scene.told == ["WS connect", "WSC close"]


# The time of opening


def test_opening_is_split_into_its_phases() -> None:
    with serving_raw(answer_close, context=certified("localhost")) as server:
        url = f"wss://localhost:{server.port}"
        scene = Scene(1, host=url, ws_options={"ssl": trusting()}, report_phases=True)
        assert scene.ws.connect()
        phases = scene.ws.timing
        assert all(passed > 0 for passed in phases)
        scene.ws.close()
        names = ["connect", "connect dns", "connect tcp", "connect tls", "connect upgrade"]
        assert scene.told == [*(f"WS {name}" for name in names), "WSC close"]
        whole, *parts = scene.times("WS")
        assert parts == list(phases)
        assert sum(parts) <= whole
        named = {f"{name}_ms": passed for name, passed in phases._asdict().items()}
        assert scene.events[0]["context"] == named


def answer_close(sock: Any) -> None:
    """Accept, and answer the close frame."""
    accept(sock).answer_close()


def test_phases_that_were_not_reached_have_no_time() -> None:
    with facing(lambda sock: None) as scene:
        assert not scene.ws.connect()
        assert scene.ws.timing.tls is None
        assert scene.ws.timing.upgrade > 0
    scene = Scene(1, host="ws://no-such-host.invalid")
    assert not scene.ws.connect()
    assert scene.ws.timing.dns > 0
    assert scene.ws.timing[1:] == (None, None, None)


# Messages


def test_messages_of_every_kind_go_and_come() -> None:
    with visiting() as scene:
        assert scene.ws.send("text", "a")
        assert scene.ws.send(b"bytes", "b")
        assert scene.ws.send({"a": 1}, "c")
        assert scene.ws.send_json("json", "d")
        came = [scene.ws.receive(name="r").message for _ in range(4)]
        assert came == ["text", b"bytes", '{"a": 1}', '"json"']
        sent = ["WSS a", "WSS b", "WSS c", "WSS d"]
        assert scene.told[1:] == [*sent, *["WSR r"] * 4]
        assert [event["response_length"] for event in scene.events[1:]] == [4, 5, 8, 6] * 2
        assert scene.times("WSS") + scene.times("WSR") == [None] * 8


@pytest.mark.parametrize("message", [7, None, object(), iter("ab")])
def test_message_that_cannot_be_sent_is_the_callers_fault(message: Any) -> None:
    with visiting() as scene:
        for send in (scene.ws.send, scene.ws.request):
            with pytest.raises(TypeError, match="message: str, bytes, dict or list"):
                send(message)
        with pytest.raises(UnicodeEncodeError):
            scene.ws.request("\ud800", match="never")
        assert (scene.told, scene.ws.request("x").ok) == (["WS connect"], True)


def test_names_are_those_of_classify_where_none_is_given() -> None:
    class Classifying(WebSocketUser):
        abstract = True

        def classify(self, message: str | bytes) -> str:
            return str(message)[:2]

    with visiting(kind=Classifying) as scene:
        scene.ws.send("ab1")
        scene.ws.receive()
        scene.ws.request("cd1")
        assert scene.told[1:] == ["WSS ab", "WSR ab", "WSX cd"]


def test_context_of_the_user_is_told_with_everything() -> None:
    class Contextual(WebSocketUser):
        abstract = True

        def context(self) -> dict[str, Any]:
            return {"who": "me"}

    with visiting(kind=Contextual) as scene:
        scene.ws.send("x")
        assert [event["context"]["who"] for event in scene.events] == ["me", "me"]
        assert len(scene.events[0]["context"]) == 5


def test_listening_stops_where_the_listener_wants() -> None:
    def chatter(ws: Any) -> None:
        ws.send("one")
        ws.send("two")
        ws.receive()

    with visiting(chatter) as scene:
        heard = []
        enough = gevent.Timeout(0.1)
        with suppress(gevent.Timeout):
            for message in scene.ws.listen("news"):
                heard.append(message)
                if message == "two":
                    enough.start()
        assert (heard, scene.told[1:]) == (["one", "two"], ["WSR news", "WSR news"])


def test_ping_takes_the_time_of_its_round_trip() -> None:
    with visiting() as scene:
        scene.ws.send("before")
        answer = scene.ws.ping("rtt")
        assert answer.ok
        assert answer.response_time > 0
        assert scene.told[1:] == ["WSS message", "WSP rtt"]
        assert scene.ws.receive().message == "before"


def test_measured_block_is_reported() -> None:
    with visiting() as scene:
        with scene.ws.measure("login"):
            scene.ws.request("x")
        with pytest.raises(KeyError), scene.ws.measure("login"):
            raise KeyError("no")
        with pytest.raises(GeneratorExit), scene.ws.measure("login"):
            raise GeneratorExit
        assert scene.told[1:] == ["WSX message", "WSM login", "WSM login: 'no'"]
        assert scene.times("WSM")[0] > scene.times("WSX")[0]


def test_user_can_have_several_connections() -> None:
    with visiting() as scene:
        other = MeasuredWebSocket(scene.user)
        assert other.connect(name="other")
        assert (scene.ws.request("a").message, other.request("b").message) == ("a", "b")
        scene.user._leave(None)
        assert [scene.ws.is_open, other.is_open] == [False, False]
        assert sorted(scene.told[-2:]) == ["WSC close", "WSC other"]


# While the user thinks


def test_pings_are_answered_while_the_user_thinks() -> None:
    pongs: list[Any] = []
    ponged = Event()

    def ping(sock: Any) -> None:
        peer: Any = accept(sock)
        for number in range(40):  # more messages than are kept, and than are read ahead
            peer.send(1, b"news")
            peer.send(PING, b"%d" % number)
        while len(pongs) < 40:
            pongs.append(peer.next().payload)
        ponged.set()
        peer.answer_close()

    with facing(ping) as scene:
        scene.ws.connect()
        assert ponged.wait(PATIENCE)
        assert pongs == [b"%d" % number for number in range(40)]
        assert scene.told == ["WS connect", *["WSR message"] * 24]
        assert [scene.ws.receive().message for _ in range(16)] == ["news"] * 16


def test_messages_that_come_while_the_user_thinks_go_to_on_message() -> None:
    heard: list[Any] = []

    class Hearing(WebSocketUser):
        abstract = True

        def on_message(self, ws: Any, message: str | bytes) -> None:
            heard.append((ws, message))

    def serve_one(ws: Any) -> None:
        ws.receive()
        ws.send("news")
        ws.receive()

    with visiting(serve_one, kind=Hearing) as scene:
        scene.ws.send("go")
        assert scene.wait_until_told(3)[1:] == ["WSS message", "WSR message"]
        gevent.sleep(0)
        assert heard == [(scene.ws, "news")]
