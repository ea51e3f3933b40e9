"""The client for greenlets, as ws4py has it; nothing needs to be patched for it."""

from __future__ import annotations

from ssl import SSLContext
from typing import Any, Final

import gevent
from gevent.queue import Queue

from geventws.adapters.ws4py.client import WebSocketBaseClient
from geventws.adapters.ws4py.hub import GreenTransport
from geventws.dial import dial, look_up, unix_address
from geventws.opening import late, left
from geventws.tls import wrap
from geventws.uri import URI

__all__ = ["WebSocketClient"]

REACHING: Final = "the name lookup, the TCP or the TLS handshake"


class WebSocketClient(WebSocketBaseClient):
    """A client that a greenlet of its own runs; receive() returns what has come.

    Attributes:
        messages: the queue of messages that nobody has received; it has no bound.
    """

    _make_transport = GreenTransport

    def __init__(
        self,
        url: str,
        protocols: Any = None,
        extensions: Any = None,
        heartbeat_freq: float | None = None,
        ssl_options: Any = None,
        headers: Any = None,
        exclude_headers: Any = None,
    ) -> None:
        super().__init__(
            url, protocols, extensions, heartbeat_freq, ssl_options, headers, exclude_headers
        )
        self.messages: Any = Queue()
        self._receiving = 0  # greenlets that wait in receive()
        self._th: Any = None  # the greenlet that runs the connection

    def handshake_ok(self) -> None:
        """Start the greenlet. See WebSocketBaseClient."""
        if self._th is not None:  # there was a connection before
            self.messages = Queue()
        self._th = gevent.spawn(self.run)

    def _await_runner(self) -> None:
        if self._th is not None and self._th is not gevent.getcurrent():
            self._th.join(self.options.open_timeout)

    def received_message(self, message: Any) -> None:
        """Put *message* into the queue, and let who waits for it run before anything else."""
        self.messages.put(message)
        if self._receiving:
            gevent.sleep(0)  # or what stands behind it on the wire would take effect before it

    def closed(self, code: int, reason: str | None = None) -> None:
        """Tell who receives that no more will come."""
        self.messages.put(StopIteration)

    def receive(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the next message, waiting for it; None once all were returned and none will come.

        Any number of greenlets may receive; at the end each gets None.

        Raises:
            gevent.queue.Empty: there is none now and *block* is false, or none came within
                *timeout* seconds.
        """
        self._receiving += 1
        try:
            message = self.messages.get(block, timeout)
        finally:
            self._receiving -= 1
        if message is StopIteration:
            self.messages.put(StopIteration)  # for the others who wait, and for whoever asks again
            return None
        return message

    def _reach(self, where: URI, context: SSLContext | None, deadline: float | None) -> Any:
        """Return a gevent socket that is connected to *where*."""
        connected: Any = None
        limit = gevent.Timeout(left(deadline, REACHING))
        try:
            with limit:
                if where.path is None:
                    connected = dial(look_up(where.host, where.port))
                else:
                    connected = dial([unix_address(where.path)])
                if context is not None:
                    connected = wrap(connected, context, server_hostname=self._certified)
                    connected.do_handshake()
                return connected
        except BaseException as error:
            if connected is not None:
                connected.close()
            if error is limit:
                raise late(REACHING) from None
            raise
