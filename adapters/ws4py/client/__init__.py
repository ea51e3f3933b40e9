"""The client as ws4py has it: connect() with hooks for every step of the opening handshake.

url -> connect() -> handshake_request -> process_response_line, process_handshake_header
    -> handshake_ok() -> whoever runs it
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from os import urandom
from ssl import CERT_NONE, SSLContext, create_default_context
from typing import Any, ClassVar, Final

from geventws.adapters.threaded.dial import dial, secure
from geventws.adapters.ws4py.exc import HandshakeError
from geventws.adapters.ws4py.streaming import Stream
from geventws.adapters.ws4py.websocket import AGREED_ON_NOTHING, WebSocket
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Opening
from geventws.core.headers import Headers, HeadReader, build_head, parse_headers, parse_status_line
from geventws.opening import PHASE, Reading, deadline_of, drive, left, log_head
from geventws.sockets import SocketTransport
from geventws.uri import URI, parse_uri

__all__ = ["WebSocketBaseClient"]

Items = Iterable[tuple[str, str]] | Mapping[str, str]

SWITCHING: Final = b"HTTP/1.1 101 Switching Protocols"
# of ssl.wrap_socket(), which is gone: a context decides on these better than a program could
PASSED_OVER: Final = {"ssl_version", "do_handshake_on_connect", "suppress_ragged_eofs"}
USED: Final = {"certfile", "keyfile", "password", "ca_certs", "cert_reqs", "ciphers"}


class WebSocketBaseClient(WebSocket):
    """A client that something else runs: a manager that its handshake_ok() adds it to, or run().

    After the end it may connect() again. What a handshake sends can be set before: *resource*,
    *key*, *protocols*, *extra_headers*; *bind_addr* is where to. *exclude_headers* are names, in
    lower case, of headers not to send. A *key* is for one connect(): when that has failed, or its
    connection is over, there is another one (RFC 6455 4.1). It is bytes; a str that is set will do.
    """

    _make_transport: ClassVar[Any] = SocketTransport  # of what _reach() returns

    def __init__(
        self,
        url: str,
        protocols: Sequence[str] | None = None,
        extensions: Sequence[str] | None = None,
        heartbeat_freq: float | None = None,
        ssl_options: Mapping[str, Any] | SSLContext | None = None,
        headers: Items | None = None,
        exclude_headers: Iterable[str] | None = None,
    ) -> None:
        """Take where to connect to; nothing is looked up or opened before connect().

        Args:
            url: ws://, wss://, or ws+unix:///path/of/socket[:/path], wss+unix.
            protocols: the subprotocols to offer, the most wanted first.
            extensions: what to offer: None is permessage-deflate, an empty list is nothing.
            heartbeat_freq: seconds between pings; None is no pings.
            ssl_options: an SSLContext; or of certfile, keyfile, password, ca_certs, ciphers,
                server_hostname and cert_reqs, which with CERT_NONE is the one way not to verify.
            headers: more headers for the request.
            exclude_headers: names of headers that are not to be sent.

        Raises:
            ValueError: *url* is no address of a WebSocket server.
        """
        super().__init__(None, protocols, extensions, None, heartbeat_freq)
        self.url = url
        self.ssl_options = ssl_options or {}
        self.extra_headers = headers or []
        self.exclude_headers = [name.lower() for name in exclude_headers or ()]
        self._where = parse_uri(url)
        self.scheme = url.partition(":")[0].lower()
        self.host = self._where.host
        self.unix_socket_path = self._where.path
        self.port = None if self.unix_socket_path else self._where.port
        self.resource = self._where.target
        self._bind_addr: Any = self.unix_socket_path or (self.host, self.port)
        self._offers = protocols, extensions  # once connected, those are what was agreed on
        self._accepted = AGREED_ON_NOTHING
        self.key = self._sent_key = b""
        self._renew_key()
        self._renew()

    # Where to, and what to ask

    @property
    def bind_addr(self) -> Any:
        """Where to connect to: a pair of host and port, or the path of a unix socket."""
        return self._bind_addr

    @bind_addr.setter
    def bind_addr(self, address: Any) -> None:
        self._bind_addr = address

    @property
    def handshake_headers(self) -> list[tuple[str, str]]:
        """The headers of the request. To be overridden, or added to.

        Raises:
            TypeError, ValueError: one of *extra_headers* cannot be sent, or is the handshake's own;
                or *key* is neither str nor bytes.
        """
        opening = self._opening()
        lines = opening.request().decode("latin-1").split("\r\n")[1:-2]
        pairs = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        ours = {"Sec-WebSocket-Key": opening.key}
        return [
            (name, ours.get(name, value))
            for name, value in pairs
            if name.lower() not in self.exclude_headers
        ]

    @property
    def handshake_request(self) -> bytes:
        """The request. To be overridden.

        Raises:
            TypeError, ValueError: a header, or *resource*, cannot be sent.
        """
        return build_head(f"GET {self.resource} HTTP/1.1", self.handshake_headers)

    def _opening(self) -> Opening:
        given = self.extra_headers
        pairs = given.items() if isinstance(given, Mapping) else list(given)
        names = {str(name).lower() for name, _ in pairs}
        with_origin = "origin" not in names and "origin" not in self.exclude_headers
        scheme = "https" if self._where.secure else "http"
        compresses = self.extensions is None or "permessage-deflate" in self.extensions
        opening = Opening(
            self._where.authority,
            self.resource,
            subprotocols=self.protocols or (),
            compression=self.options.compression if compresses else None,
            origin=f"{scheme}://{self._where.authority}" if with_origin else None,
            headers=given,
        )
        opening.key = _text(self.key)
        return opening

    # The opening handshake

    def connect(self) -> None:
        """Connect, make the opening handshake and call handshake_ok().

        The addresses of a name are tried in turn; all of it within open_timeout. Where a connection
        before was lost, or ended by close_connection(), its closed() is called first.

        Raises:
            HandshakeError: the server refused, or its answer breaks a rule.
            OSError: there is no such host, nobody listens, or TLS failed (ssl.SSLError).
            TimeoutError: open_timeout was up; it names the phase that took too long.
            TypeError, ValueError: a header or an option cannot be used; nothing was sent.
            RuntimeError: it is connected, or somebody runs it who has yet to see that it is over.
        """
        request = self._prepare()
        try:
            transport, rest = self._shake_hands(request)
        except BaseException:
            self._renew_key()
            raise
        self.begin(transport, self._accepted, rest)
        try:
            self.handshake_ok()
        except BaseException:
            self.terminate()
            raise

    def _shake_hands(self, request: bytes) -> tuple[Any, bytes]:
        deadline = deadline_of(self.options)
        self.sock = self._reach(self._target(), self._context(), deadline)
        transport = self._make_transport(self.sock)
        try:
            with transport.monitor:
                log_head(">", request)
                transport.write([request], left(deadline, PHASE))
                head, rest = drive(response_head(), transport, deadline)
            self._check_response(head, rest)
        except BaseException:
            transport.close()
            self.sock = None
            raise
        return transport, rest

    def _check_response(self, head: bytes, rest: bytes) -> None:
        line, _, headers = head.partition(b"\r\n")
        try:
            self.process_response_line(line)
            self.protocols, self.extensions = self.process_handshake_header(headers)
        except HandshakeError as error:
            if error.headers is None:
                error.headers, error.body = _readable(headers), rest
            raise

    def process_response_line(self, response_line: bytes) -> None:
        """Check the first line of the response. To be overridden.

        Raises:
            HandshakeError: it does not say 101.
        """
        try:
            _, status, _ = parse_status_line(response_line.decode("latin-1"))
        except InvalidHandshake as error:
            raise HandshakeError(str(error)) from None
        if status != 101:
            raise HandshakeError(f"the server answered {status}", status)

    def process_handshake_header(self, headers: bytes) -> tuple[list[str], list[str]]:
        """Check the headers of the response, and return the subprotocols and extensions agreed on.

        To be overridden.

        Raises:
            HandshakeError: they do not accept what was asked for (RFC 6455 4.1).
        """
        try:
            accepted = self._opening().check(SWITCHING + b"\r\n" + headers)
        except InvalidHandshake as error:
            raise HandshakeError(str(error)) from None
        self._accepted = accepted
        protocols = [] if accepted.subprotocol is None else [accepted.subprotocol]
        return protocols, [] if accepted.deflate is None else ["permessage-deflate"]

    def handshake_ok(self) -> None:
        """Called by connect() when the connection is open: calls opened(). To be overridden.

        Whoever overrides it sees to it that somebody runs the client.
        """
        self.open()

    # Of WebSocket

    def terminate(self) -> None:
        """Call closed(), once, and end the connection. See WebSocket."""
        self._renew_key()  # first, for somebody may wait to connect again
        super().terminate()

    def close_connection(self) -> None:
        """End the connection now, without a word. See WebSocket."""
        self._renew_key()
        super().close_connection()

    def _has_closed(self) -> bool:
        return self.client_terminated

    def _note_close(self) -> None:
        self.client_terminated = True

    # Of connect()

    def _prepare(self) -> bytes:
        """Return the request of the connection that is to begin."""
        if self._driver is not None:
            if not self.terminated:
                self._finish()
            self._renew()
        self._offers = self.protocols, self.extensions
        request = self.handshake_request
        self._sent_key = self.key
        return request

    def _finish(self) -> None:
        """Have the connection terminated, where it is over; RuntimeError where it is not."""
        if self._is_over():
            self._await_runner()
            if not self._driver.is_run:
                self.terminate()
        if not self.terminated:
            raise RuntimeError("the client is connected already")

    def _is_over(self) -> bool:
        """Return whether there was a connection, and it is over, terminated or not."""
        return self._driver is not None and self._driver.is_over

    def _await_runner(self) -> None:
        """Wait for whoever runs a connection that is over, where that is known."""

    def _renew_key(self) -> None:
        """Choose the next key, unless that was done after the last one had been sent."""
        if self.key == self._sent_key:
            self.key, self._sent_key = b64encode(urandom(16)), b""

    def _renew(self) -> None:
        """Be as before the first connect()."""
        self.stream = Stream(always_mask=True, expect_masking=False)
        self.client_terminated = self.server_terminated = False
        self._driver = None
        self._is_open = self._is_closed = False
        self.protocols, self.extensions = self._offers

    def _target(self) -> URI:
        """Return where to connect to."""
        address = self.bind_addr
        if isinstance(address, str):
            return self._where._replace(path=address)
        return self._where._replace(host=address[0], port=address[1], path=None)

    def _context(self) -> SSLContext | None:
        return context_of(self.ssl_options) if self._where.secure else None

    @property
    def _certified(self) -> str:
        """What the server's certificate has to name."""
        options = self.ssl_options
        name = None if isinstance(options, SSLContext) else options.get("server_hostname")
        return name or self._where.certified

    def _reach(self, where: URI, context: SSLContext | None, deadline: float | None) -> Any:
        """Return a socket that is connected to *where*."""
        connected = dial(where, deadline)
        if context is None:
            return connected
        return secure(connected, context, self._certified, deadline)


def context_of(options: Mapping[str, Any] | SSLContext) -> SSLContext:
    """Return the context that ws4py's *ssl_options* ask for; it verifies unless they say CERT_NONE.

    Raises:
        TypeError: there is no such option.
        OSError: a file cannot be read; ssl.SSLError: it is not what it should be.
    """
    if isinstance(options, SSLContext):
        return options
    unknown = options.keys() - USED - PASSED_OVER - {"server_hostname"}
    if unknown:
        raise TypeError(f"ssl_options: no option {min(unknown)}")
    context = create_default_context(cafile=options.get("ca_certs"))
    if options.get("cert_reqs") == CERT_NONE and "cert_reqs" in options:
        context.check_hostname = False
        context.verify_mode = CERT_NONE
    if options.get("certfile"):
        context.load_cert_chain(
            options["certfile"], options.get("keyfile"), options.get("password")
        )
    if options.get("ciphers"):
        context.set_ciphers(options["ciphers"])
    return context


def response_head() -> Reading[tuple[bytes, bytes]]:
    """Return the head of a response that is no interim one, and the bytes behind it.

    Raises:
        HandshakeError: it breaks a rule, is too long or cut short.
    """
    reader = HeadReader()
    try:
        while True:
            while (head := reader.next_head()) is None:
                data = yield
                if not data:
                    raise HandshakeError("the stream ends before the head does (RFC 9112 8)")
                reader.feed(data)
            log_head("<", head)
            if not _is_interim(head):
                return head, reader.rest()
    except InvalidHandshake as error:
        raise HandshakeError(str(error)) from None


def _text(key: object) -> str:
    if isinstance(key, bytes):
        return key.decode("latin-1")
    if not isinstance(key, str):
        raise TypeError(f"key: str or bytes, not {type(key).__name__}")
    return key


def _readable(headers: bytes) -> Headers:
    """Return the *headers* of a refusal; none where they break the rules."""
    try:
        return parse_headers(headers.decode("latin-1").split("\r\n") if headers else ())
    except InvalidHandshake:
        return Headers()


def _is_interim(head: bytes) -> bool:
    """Return whether the answer is yet to come, as after 103 Early Hints (RFC 9110 15.2)."""
    _, status, _ = parse_status_line(head.partition(b"\r\n")[0].decode("latin-1"))
    return status < 200 and status != 101
