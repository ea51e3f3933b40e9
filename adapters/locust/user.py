"""WebSocketUser: a Locust user whose attribute ws is a measured connection."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from time import perf_counter
from typing import Any, ClassVar, Final

from locust import User

from geventws.adapters.locust.matching import Message
from geventws.adapters.locust.websocket import MeasuredWebSocket
from geventws.core.codes import GOING_AWAY, NO_STATUS_RECEIVED, NORMAL_CLOSURE

SCHEMES: Final = {"http:": "ws:", "https:": "wss:"}


class WebSocketUser(User):
    """A user that talks over WebSockets; its tasks use self.ws, a MeasuredWebSocket.

    It mixes with others: class Both(WebSocketUser, FastHttpUser). However a user ends, what it has
    open then is closed with 1001, after its on_stop().

    Attributes:
        host: as for every user; of an http address the WebSocket's is made.
        ws_host: where WebSockets are, if that is not the host.
        ws_options: what connect() passes to geventws.connect(), as headers, subprotocols or ssl.
        expected_close_codes: with which a server may close by itself; any other is a failure.
        unread_limit: how many messages that nobody waited for are kept on each connection for who
            waits next; of more the oldest is reported as WSR.
        reply_timeout: the seconds that are waited for a message or a pong.
        report_phases: whether each phase of an opening is reported too, as WS "connect dns",
            "connect tcp", "connect tls" and "connect upgrade".
        ws: the connection, not open yet.
        used_websockets: those of this user that are open, or keep messages.
    """

    abstract = True

    ws_host: ClassVar[str | None] = None
    ws_options: ClassVar[Mapping[str, Any]] = {}
    expected_close_codes: ClassVar[Collection[int]] = {
        NORMAL_CLOSURE,
        GOING_AWAY,
        NO_STATUS_RECEIVED,
    }
    unread_limit: ClassVar[int] = 16
    reply_timeout: ClassVar[float] = 10.0
    report_phases: ClassVar[bool] = False

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.due: float | None = None  # when the running task was, where there is a constant_rate()
        self.last_due: float | None = None
        self.used_websockets: list[MeasuredWebSocket] = []
        self.ws = MeasuredWebSocket(self)

    def classify(self, message: Message) -> str:
        """Return the name of *message* in the statistics, for who gave none; one of a few."""
        return "message"

    def correlate(self, message: Message) -> Hashable:
        """Return the key that tells which request *message* answers; None for other messages.

        Called with each message while requests with a key are in flight. What it raises is reported
        as an error of the user, and the message taken for another one.
        """
        return None

    def on_message(self, ws: MeasuredWebSocket, message: Message) -> None:
        """Called with each message that nobody waits for, after it was reported as WSR.

        Where this is overridden that is as soon as it comes, and none is kept for later. It may
        block; other messages are handed on meanwhile. What it raises is reported as an error of the
        user.
        """

    def messages_to_keep(self) -> int:
        """Return the unread_limit, or 0 where on_message() is overridden."""
        return self.unread_limit if type(self).on_message is WebSocketUser.on_message else 0

    def address_of(self, path: str) -> str:
        """Return the address of *path* at this user's host; a whole address is returned as it is.

        Raises:
            ValueError: there is no host.
        """
        if path.startswith(("ws:", "wss:", "ws+unix:", "wss+unix:")):
            return path
        host = self.ws_host or self.host
        if not host:
            raise ValueError("host: none is set, in the class or by --host")
        scheme, colon, rest = host.partition(":")
        base = SCHEMES.get(scheme + colon, scheme + colon) + rest
        return base.rstrip("/") + "/" + path.lstrip("/")

    def take_due(self) -> float:
        """Return, on the clock of perf_counter(), when the request that now begins was due."""
        due, self.due = self.due, None
        now = perf_counter()
        return now if due is None else min(due, now)

    def start(self, group: Any) -> Any:
        """Start the user, as Locust does, and see to it that its connections end with it."""
        greenlet: Any = super().start(group)
        greenlet.link(self._leave)
        return greenlet

    def _leave(self, greenlet: object) -> None:
        for websocket in list(self.used_websockets):
            websocket.leave()
