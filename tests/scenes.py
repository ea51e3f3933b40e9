"""One case of the model in docs/explanation/drivers.md, brought about over memory."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, Final, NamedTuple

import gevent

from geventws.core.codes import CLOSE, PING, PONG, TEXT, Side
from geventws.options import Options
from geventws.websocket import WebSocket
from geventws.workers import workers
from tests.core.helpers import Raw
from tests.ends import caught, closing, meet, run

# The words of the page

STATES: Final = ("OPEN", "CLOSING", "CLOSED")
AHEAD: Final = {"empty": 0, "holding": 2, "full": 16}  # messages
READERS: Final = ("receive()", "ping()", "close()", "the driver", "the caretaker")
PEER: Final = (
    *("message", "fragment", "ping", "pong"),
    *("close frame", "violation", "end of stream"),
)
CALLS: Final = ("receive()", "send()", "ping()", "close()")
WAITING: Final = "ping_timeout while bytes wait"
DEADLINES: Final = ("ping_timeout", WAITING, "close_timeout", "send_timeout")

ENDS: Final = {"close frame": 4001, "violation": 1002, "end of stream": 1006}  # and their codes
CODE: Final = 4000  # of the peer's close frame where the state is CLOSED to begin with
VIOLATION: Final = 3  # a reserved opcode
CAPACITY: Final = 4096

INTERVAL: Final = 20.0
WATCHFUL: Final = Options(ping_interval=INTERVAL, ping_timeout=INTERVAL, close_timeout=1000.0)
OPTIONS: Final = {
    "close_timeout": Options(ping_interval=None, close_timeout=5.0),
    "send_timeout": Options(ping_interval=None, send_timeout=0.005),
}


class Case(NamedTuple):
    """One word for each column of a table."""

    state: str
    event: str
    who: str
    ahead: str


class Recorder(WebSocket):
    """Keeps what its callbacks are called with."""

    __slots__ = ("log",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.log: list[Any] = []

    def received_message(self, message: str | bytes) -> None:
        self.log.append(message)

    def closed(self, code: int, reason: str) -> None:
        self.log.append(code)


class Scene:
    """A connection in its state, with its reader and its read-ahead; time is the scene's own."""

    def __init__(self, side: Side, case: Case) -> None:
        self.side = side
        self.state, self.event, self.who, self.ahead = case
        self.queued = AHEAD[self.ahead]
        options = OPTIONS.get(self.event, WATCHFUL)
        self.ws, self.transport, self.partner, _ = meet(side, options, CAPACITY, Recorder)
        self.now = monotonic()
        self.left: float | None = None  # what attend() returned when something fell due
        self.heard: list[Raw] = []
        self.waiting: dict[str, Any] = {}  # greenlets by what they wait for
        self._fill()
        if options is WATCHFUL:
            self.now += INTERVAL
            self.ws.attend(self.now)  # sends a ping
        if self.event == "send_timeout":
            self.begin("send()", self.ws.send, b"x" * 2 * CAPACITY)
        self._enter()
        self.hear()

    def _fill(self) -> None:
        for number in range(self.queued):
            self.partner.say(TEXT, b"%d" % number)
        self.ws.attend(self.now)

    def _enter(self) -> None:
        transport: Any = self.transport
        if self.who in ("receive()", "ping()"):
            self.begin(self.who, getattr(self.ws, self.who[:-2]))
        elif self.who == "the driver":
            workers().drive(self.ws, transport)
            run()
        if self.state != "OPEN":
            if self.who == "close()":
                self.begin(self.who, self.ws.close)
            else:
                self.ws.begin_close()
        if self.state == "CLOSED":
            self.partner.say(CLOSE, closing(CODE))
            run()
            self.ws.attend(self.now)

    # What the tests use

    def begin(self, name: str, call: Callable[..., Any], *args: Any) -> None:
        """Have *call* made by somebody else."""
        self.waiting[name] = gevent.spawn(caught, call, *args)
        run()

    def result(self, name: str) -> Any:
        """Return what a call has returned or raised; None while it waits."""
        greenlet = self.waiting[name]
        return greenlet.value if greenlet.ready() else None

    def hear(self) -> list[Raw]:
        """Return what has left since the last time."""
        if self.event == "send_timeout":
            return []  # for the send stays blocked
        frames = self.partner.hear()
        self.heard += frames
        return frames

    def raw(self, opcode: int, payload: bytes) -> Raw:
        """Return a frame as this side sends it."""
        return Raw(opcode, payload, masked=self.side == Side.CLIENT)

    def act(self) -> None:
        """Let those run who are there."""
        if self.who == "the caretaker":
            self.ws.attend(self.now)
        run()

    def receive_ahead(self) -> None:
        """Receive what was read ahead to begin with."""
        for number in range(self.queued):
            assert self.ws.receive(timeout=0) == str(number)

    def peer_does(self) -> None:
        """Have the peer do what the case says."""
        say = self.partner.say
        if self.event == "end of stream":
            self.partner.transport.shutdown()
        elif self.event == "violation":
            say(VIOLATION)
        elif self.event == "close frame":
            say(CLOSE, closing(ENDS["close frame"]))
        elif self.event == "pong":
            say(PONG, self._pinged())
        elif self.event == "ping":
            say(PING, b"there?")
        else:
            say(TEXT, b"news", fin=self.event == "message")
        self.act()

    def call(self) -> None:
        """Have the application call what the case says."""
        arguments = ["hello"] if self.event == "send()" else []
        self.begin("the call", getattr(self.ws, self.event[:-2]), *arguments)

    def fall_due(self) -> None:
        """Let the time of the case come."""
        if self.event == WAITING:
            self.partner.say(PING, b"here!")
        if self.event == "send_timeout":
            gevent.joinall([self.waiting["send()"]], timeout=5)
        else:
            self.now += INTERVAL + 1  # more than close_timeout too
            self.left = self.ws.attend(self.now)
        run()

    def satisfy(self) -> None:
        """Have the peer do what the call waits for."""
        if self.event == "ping()":
            self.partner.say(PONG, self._pinged())
        elif self.event == "receive()" and self.state == "OPEN":
            self.partner.say(TEXT, b"news")
        else:
            if self.state != "CLOSED":
                self.partner.say(CLOSE, closing(ENDS["close frame"]))
            self.partner.transport.shutdown()
        run()

    def drop(self) -> None:
        """End the connection; whoever waits must wake, and nothing follow a close frame."""
        self.ws.drop()
        gevent.joinall(list(self.waiting.values()), timeout=5)
        run()
        assert all(greenlet.ready() for greenlet in self.waiting.values())
        self.hear()
        closes = [index for index, frame in enumerate(self.heard) if frame.opcode == CLOSE]
        assert closes in ([], [len(self.heard) - 1])
        codes = [each for each in self.ws.log if isinstance(each, int)]
        assert len(codes) == (self.who == "the driver")

    def _pinged(self) -> bytes:
        """Return the payload of the last ping that the peer heard."""
        return [frame.payload for frame in self.heard if frame.opcode == PING][-1]
