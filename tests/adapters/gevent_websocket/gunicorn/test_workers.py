"""The README's gunicorn command, as a real process."""

from __future__ import annotations

from tests.adapters.gunicorns import IN_TIME, gunicorn
from tests.rawpeer import TEXT, frame, head

WORKER = "geventws.adapters.gevent_websocket.gunicorn.workers.GeventWebSocketWorker"
APP = "tests.adapters.gevent_websocket.program:websocket_app"


def test_application_talks_under_gunicorn() -> None:
    with gunicorn(WORKER, "--access-logfile", "-", app=APP) as server:
        with server.connect("/echo") as ws:
            ws.send("hi")
            assert ws.receive(IN_TIME) == "hi"
        with server.peer() as peer:
            peer.send(
                head("GET /echo HTTP/1.1", Sec_WebSocket_Protocol="spoken"), frame(TEXT, b"x")
            )
            reply = peer.read_head()
            assert (reply.status, reply.headers["sec-websocket-protocol"]) == (101, "spoken")
            assert peer.read_frame() == (TEXT, b"x")
        assert server.page() == "no websocket"
        log = server.end()
    assert log.count('"GET /echo HTTP/1.1" 101 ') == 2
    assert "Traceback" not in log
