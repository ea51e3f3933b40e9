"""Writing down what a server and its clients say: a relay before any server, a tap on ours.

client <-> Relay, or recorded() <-> server
               |
               v
        Recorder -> a session file for each connection
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Final, TextIO

import gevent
from gevent.local import local
from greenlet import getcurrent

from geventws.care import caretaker
from geventws.client import connect
from geventws.core.codes import GOING_AWAY, INTERNAL_ERROR, NORMAL_CLOSURE, Side, sendable
from geventws.core.errors import ConnectionClosed, HandshakeError, Rejected
from geventws.core.handshake import Accepted, Request, Response, check_request
from geventws.core.headers import parse_token_list
from geventws.handling import run_handler
from geventws.limits import SPARE_FILES, Limits, most_connections
from geventws.memory import transports
from geventws.options import Options
from geventws.server import WebSocketServer, serve
from geventws.sessions.files import CLIENT, SERVER, Sender, SessionWriter
from geventws.sessions.openings import MAX_SIZE, Opening, asking, worth_replaying
from geventws.sessions.redaction import redacted
from geventws.upgrader import Handler, is_callback_style
from geventws.uri import parse_uri
from geventws.websocket import WebSocket, establish
from geventws.workers import workers

FILES: Final = 3  # of a client of a relay: its socket, the one to the server, and the session's

# What one side hears when the other one is lost: a close frame cannot say 1006 (RFC 6455 7.4.1).
LOST: Final[dict[Sender, tuple[int, str]]] = {
    CLIENT: (GOING_AWAY, "the client is lost"),
    SERVER: (INTERNAL_ERROR, "the server is lost"),
}


class Recorder:
    """Begins a session file for each connection, which nobody else may read.

    Args:
        directory: where; it is made if it is missing.
        keep_credentials: write down what redacted() leaves out, too.

    Raises:
        OSError: there can be no such directory.
    """

    def __init__(self, directory: str | os.PathLike[str], keep_credentials: bool = False) -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._keep_credentials = keep_credentials
        self._prefix = f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
        self._numbers = count(1)

    def begin(self, uri: str, request: Request, subprotocol: str | None) -> SessionWriter:
        """Begin the file of a session at *uri* that *request* opened.

        Raises:
            OSError: it cannot be written.
        """
        opening = Opening(
            uri=uri,
            offered=tuple(offered_by(request)),
            subprotocol=subprotocol,
            headers=worth_replaying(request.headers.items()),
        )
        return SessionWriter(self._file(), opening if self._keep_credentials else redacted(opening))

    def _file(self) -> TextIO:
        while True:
            path = self.directory / f"{self._prefix}-{next(self._numbers)}.jsonl"
            with suppress(FileExistsError):  # as of another tap, or of the process that forked us
                return open(path, "x", encoding="utf-8", newline="\n", opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def offered_by(request: Request) -> list[str]:
    """Return the subprotocols that *request* offers.

    Raises:
        InvalidHandshake: the list is malformed.
    """
    return parse_token_list(request.headers.get("Sec-WebSocket-Protocol", ""))


# Passing on


def pass_both_ways(client: WebSocket, server: WebSocket, written: SessionWriter) -> None:
    """Pass messages and ends between *client* and *server* until both have ended.

    Where the caller is killed, or a message cannot be written down, both are dropped.

    Raises:
        OSError: that is so.
    """
    back = gevent.spawn(_pass_on, server, client, SERVER, written)
    try:
        _pass_on(client, server, CLIENT, written)
        back.get()
    finally:
        back.kill()
        written.close()


def _pass_on(source: WebSocket, sink: WebSocket, sender: Sender, written: SessionWriter) -> None:
    try:
        _pass_all(source, sink, sender, written)
    except BaseException:
        source.drop()
        sink.drop()
        raise


def _pass_all(source: WebSocket, sink: WebSocket, sender: Sender, written: SessionWriter) -> None:
    while True:
        try:
            message = source.receive()
        except ConnectionClosed as closed:
            written.end(sender, closed.code, closed.reason)
            sink.close(*passed_on(closed, sender))
            return
        written.message(sender, message)
        try:
            sink.send(message)
        except ConnectionClosed:
            return  # who receives from there passes that on


def passed_on(closed: ConnectionClosed, sender: Sender) -> tuple[int, str]:
    """Return the code and reason that say to one side how the other one, *sender*, has ended.

    1005 becomes 1000; a client that is lost 1001, and a server 1011 (RFC 6455 7.4.1).
    """
    if not closed.clean:
        return LOST[sender]
    return (closed.code, closed.reason) if sendable(closed.code) else (NORMAL_CLOSURE, "")


# In front of any server


class Relay:
    """Passes connections on to another server, unchanged, and has a Recorder write them down.

    What a client asks for, the path, query, subprotocols and headers, the other server is asked for
    in the same words, and what it refuses is refused; whose page may connect is its decision too.

    Args:
        upstream: the address of the other server. Where it has a path or query, all clients go
            there, whatever they ask for.
        recorder: what writes the sessions down.
        **arguments: of connect(), for the other server; headers, subprotocols and an origin among
            them are in place of the client's.

    Raises:
        InvalidURI: *upstream* is no address of a WebSocket server.
    """

    def __init__(self, upstream: str, recorder: Recorder, **arguments: Any) -> None:
        where = parse_uri(upstream)
        self._upstream = upstream
        self._fixed = where.target != "/"
        # the path of a unix socket ends with a colon, where another one follows it
        self._base = upstream.rstrip("/").rstrip(":") + ("" if where.path is None else ":")
        self._recorder = recorder
        self._arguments = arguments
        self._here = local()  # an opening asks three questions, all in the greenlet of its client

    def server(self, address: Any) -> WebSocketServer:
        """Return a server that does this at *address*: see serve()."""
        return serve(
            self._serve,
            address,
            process_request=self._reach,
            select_subprotocol=lambda offered: self._here.server.subprotocol,
            origins="*",
            max_size=MAX_SIZE,
            limits=Limits(max_connections=most_relayed()),
        )

    def uri_of(self, request: Request) -> str:
        """Return where *request* is passed on to."""
        return self._upstream if self._fixed else self._base + request.target

    def _reach(self, request: Request) -> Response | None:
        """Connect to the other server; where that cannot be, return the answer that says so."""
        check_request(request)
        try:
            headers = worth_replaying(request.headers.items())
            arguments = asking(self._arguments, headers, offered_by(request))
            server = connect(self.uri_of(request), **arguments)
        except Rejected as refused:
            return _refusal(refused)
        except (HandshakeError, OSError) as error:
            return Response(502, body=f"the server behind this relay: {error}\n")
        me: Any = getcurrent()
        me.link(lambda _: server.drop())  # for the client may have gone before its 101
        self._here.server = server
        return None

    def _serve(self, client: WebSocket) -> None:
        server: WebSocket = self._here.server
        request: Any = client.request
        written = self._recorder.begin(self.uri_of(request), request, server.subprotocol)
        pass_both_ways(client, server, written)


def most_relayed() -> int:
    """Return how many clients a relay takes, which opens FILES for each; one more is told 503."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return most_connections()
    return max(1, min(most_connections(), (files - SPARE_FILES) // FILES))


def _refusal(refused: Rejected) -> Response:
    return Response(refused.status, worth_replaying(refused.headers.items()), refused.body)


# In a server of ours


def recorded(
    handler: Handler, directory: str | os.PathLike[str], *, keep_credentials: bool = False
) -> Callable[[WebSocket], None]:
    """Return a handler for serve() that does what *handler* does, and has it written down.

    Between each client and *handler* stands a relay in memory, so that what a Manager broadcasts
    is written down too; both ends are real connections. *handler* finds the client's address in
    ws.request.remote_address, for ws.peer_address is the relay's.

    Args:
        handler: a callable or a subclass of WebSocket: see serve().
        directory: where the session files go: see Recorder.
        keep_credentials: write down what redacted() leaves out, too.

    Raises:
        TypeError: *handler* is neither.
        OSError: there can be no such directory.
    """
    callbacks = is_callback_style(handler)
    recorder = Recorder(directory, keep_credentials)
    given: Any = handler

    def record(client: WebSocket) -> None:
        request: Any = client.request
        uri = f"ws://{request.host}{request.target}"
        written = recorder.begin(uri, request, client.subprotocol)
        near, far = _joined(client, given if callbacks else WebSocket)
        serving = [] if callbacks else [gevent.spawn(run_handler, given, far)]
        try:
            pass_both_ways(client, near, written)
            gevent.joinall(serving)
        finally:
            gevent.killall(serving)

    return record


def _joined(client: WebSocket, make: type[WebSocket]) -> tuple[WebSocket, WebSocket]:
    """Return two ends that are joined in memory, the second one as *client* would be seen."""
    # whom the client's own connection has let through needs no second look
    options = Options(compression=None, max_size=None, ping_interval=None)
    agreed = Accepted(client.subprotocol, None, b"")
    ends: tuple[Any, Any] = transports()
    near, far = ends
    inner = establish(WebSocket, near, options, Side.CLIENT, agreed)
    outer = establish(make, far, options, Side.SERVER, agreed, request=client.request)
    outer.environ = client.environ
    caretaker().watch(inner, near)
    caretaker().watch(outer, far)
    if make is not WebSocket:
        workers().drive(outer, far)
    return inner, outer
