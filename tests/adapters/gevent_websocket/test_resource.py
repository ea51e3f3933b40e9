"""Applications by path, and those that talk."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from gevent.queue import Queue

from geventws.adapters.gevent_websocket import Resource, WebSocketApplication, WebSocketServer
from geventws.adapters.gevent_websocket.protocols.base import BaseProtocol
from tests.rawpeer import TEXT, RawPeer, close_frame, frame, head
from tests.serving import LOCAL, in_time, visiting

Events = Queue[Any]


def visit(resource: Resource, **arguments: Any) -> Any:
    """Have a server run *resource*, and connect to it."""
    return visiting(WebSocketServer(LOCAL, resource, **arguments))


def telling(events: Events) -> Any:
    """Return an application that says what happens to it."""

    class Telling(WebSocketApplication):
        def on_open(self) -> None:
            events.put("open")

        def on_message(self, message: Any) -> None:
            events.put(message)
            if message == "close":
                self.ws.close(4000, "enough")
            if message == "fail":
                raise ValueError("the application fails")
            self.ws.send(message)

        def on_close(self, reason: Any) -> None:
            events.put(("closed", reason))

    return Telling


def said(events: Events, count: int) -> list[Any]:
    return [in_time(events.get) for _ in range(count)]


def test_application_hears_of_its_connection_from_beginning_to_end() -> None:
    events: Events = Queue()
    with visit(Resource({"/": telling(events)})) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"), close_frame(1000, "bye"))
        assert peer.read_frame() == (TEXT, b"hi")
        assert peer.read_close()[0] == 1000
        assert said(events, 3) == ["open", "hi", ("closed", "bye")]
    assert not events.qsize()


def test_application_may_close() -> None:
    events: Events = Queue()
    with visit(Resource([("/", telling(events))])) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"close"))
        assert peer.read_close() == (4000, "enough")
        peer.send(close_frame(4000))
        assert said(events, 2) == ["open", "close"]
        assert said(events, 1)[0][0] == "closed"


def test_application_that_fails_hears_of_the_end() -> None:
    events: Events = Queue()
    with visit(Resource({"/": telling(events)})) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"fail"))
        assert peer.read_close()[0] == 1011
        assert said(events, 3) == ["open", "fail", ("closed", None)]


def test_application_echoes_unless_it_says_otherwise() -> None:
    with visit(Resource({"/": WebSocketApplication})) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"))
        assert peer.read_frame() == (TEXT, b"hi")
        peer.end()


def page(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with the path."""
    body = environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


class Spoken(WebSocketApplication):
    """Speaks a subprotocol."""

    class protocol_class(BaseProtocol):
        """The subprotocol."""

        PROTOCOL_NAME = "spoken"


def test_resource_chooses_by_path_and_by_kind() -> None:
    apps = OrderedDict({"/chat": WebSocketApplication, "/spoken": Spoken, "/": page})
    with visit(Resource(apps), origins="*") as peer:
        peer.send(b"GET /chat HTTP/1.1\r\nHost: example.org\r\n\r\n")
        assert peer.read_response().body == b"/chat"
        reply = peer.upgrade("GET /spoken HTTP/1.1", Sec_WebSocket_Protocol="other, spoken")
        assert reply.headers["sec-websocket-protocol"] == "spoken"
        peer.end()


@pytest.mark.parametrize("request_of", [head, lambda: head(Upgrade=None, Connection=None)])
def test_resource_answers_404_where_it_has_nothing(request_of: Any) -> None:
    with visit(Resource()) as peer:
        peer.send(request_of())
        assert peer.read_head().status == 404
        peer.close()


def test_resource_has_a_page_answer_where_nothing_talks() -> None:
    with visit(Resource({"/": page})) as peer:
        assert isinstance(peer, RawPeer)
        peer.send(head("GET /page HTTP/1.1"))
        assert peer.read_response().body == b"/page"
