"""A connected socket, plain or TLS, as a transport of an asyncio event loop; for doors.

The loop's own transports take no TLS socket of the standard library, and frameworks that brought a
connection this far have one.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from geventws.outbox import Outbox
from geventws.sockets import end_writing

CHUNK: Final = 256 * 1024  # bytes asked for at once
# Bytes that wait to leave: over the one a protocol is paused, under the other it goes on.
HIGH: Final = 64 * 1024
LOW: Final = 16 * 1024


class LoopedTransport(asyncio.Transport):
    """The transport of *connected*, which nobody else uses any more; it does not read yet.

    Args:
        connected: a socket, or an ssl.SSLSocket whose handshake is done.
        release: what closes it, called once.
    """

    def __init__(self, connected: socket.socket, release: Callable[[], None]) -> None:
        connected.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._socket = connected
        self._release = release
        self._tls = isinstance(connected, ssl.SSLSocket)
        self._protocol: Any = asyncio.Protocol()
        self._reading = False
        self._outbox = Outbox()
        self._paused = False  # the protocol is
        self._shut = False
        self._closing = False
        self._lost = False
        extra = {"socket": connected, "sockname": connected.getsockname()}
        with suppress(OSError):  # it may have gone away before we look
            extra["peername"] = connected.getpeername()
        super().__init__(extra)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have *protocol* called from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol that is called."""
        return self._protocol  # type: ignore[no-any-return]

    def is_closing(self) -> bool:
        """Return whether nothing more is read or taken to be written."""
        return self._closing

    # Reading

    def is_reading(self) -> bool:
        """Return whether bytes are handed on as they come."""
        return self._reading

    def resume_reading(self) -> None:
        """Hand bytes on as they come."""
        if not self._reading and not self._closing:
            self._reading = True
            self._loop.add_reader(self._socket.fileno(), self._read)
            if self._tls:  # it may hold bytes that the descriptor knows nothing of
                self._loop.call_soon(self._read)

    def pause_reading(self) -> None:
        """Leave bytes where they are."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._socket.fileno())

    def _read(self) -> None:
        if not self._reading:
            return
        try:
            data = self._socket.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self._lose(error)
            return
        if not data:
            self.pause_reading()
            if not self._protocol.eof_received():
                self.close()
            return
        self._protocol.data_received(data)
        if isinstance(self._socket, ssl.SSLSocket) and self._reading and self._socket.pending():
            self._loop.call_soon(self._read)

    # Writing

    def write(self, data: Any) -> None:
        """Send *data* as far as that goes at once; the rest follows by itself."""
        self.writelines([data])

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send all of it as far as that goes at once; the rest follows by itself."""
        if self._closing or self._shut:
            return
        blocked = self._outbox.size > 0
        self._outbox.put([b"".join(list_of_data)])
        if blocked:
            self._tell_room()
        else:
            self._send()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes have not left."""
        return self._outbox.size

    def _send(self) -> None:
        try:
            while self._outbox.size:
                self._outbox.leave(self._socket.send(self._outbox.head()))
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            self._loop.add_writer(self._socket.fileno(), self._send)
        except OSError as error:
            self._lose(error)
            return
        else:
            self._loop.remove_writer(self._socket.fileno())
            self._be_done()
        self._tell_room()

    def _tell_room(self) -> None:
        if not self._paused and self._outbox.size > HIGH:
            self._paused = True
            self._protocol.pause_writing()
        elif self._paused and self._outbox.size <= LOW:
            self._paused = False
            self._protocol.resume_writing()

    def _be_done(self) -> None:
        """Do what waited until all had left."""
        if self._closing:
            self._lose(None)
        elif self._shut:
            end_writing(self._socket)

    # Ending

    def can_write_eof(self) -> bool:
        """Return True."""
        return True

    def write_eof(self) -> None:
        """Tell the peer that nothing more will be written, once all that was has left.

        Over TLS nothing that the peer still sends is of use after that.
        """
        if not self._shut and not self._closing:
            self._shut = True
            if not self._outbox.size:
                end_writing(self._socket)

    def close(self) -> None:
        """Read no more, and drop the stream once all that was written has left."""
        self.pause_reading()
        if not self._closing:
            self._closing = True
            if not self._outbox.size:
                self._lose(None)

    def abort(self) -> None:
        """Drop the stream now."""
        self._lose(None)

    def _lose(self, error: OSError | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        self.pause_reading()
        self._loop.remove_writer(self._socket.fileno())
        self._outbox.clear()
        self._release()
        self._loop.call_soon(self._protocol.connection_lost, error)
