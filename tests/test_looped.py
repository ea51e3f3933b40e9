"""A socket, plain or TLS, as a transport of an event loop: what asyncio's own do, this does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from geventws.looped import HIGH, LOW, LoopedTransport
from geventws.sockets import end_writing
from tests.loops import SMALL, looped, turns
from tests.threads import BIG, PATIENCE, Kind, both_securities, tcp, tls


class Noting(asyncio.Protocol):
    """Takes note of what its transport tells it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.calls: list[Any] = []
        self.keeps_open = False
        self.news = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Gather *data*."""
        self.data += data
        self.news.set()

    def eof_received(self) -> bool:
        """Note it."""
        self._note("eof")
        return self.keeps_open

    def connection_lost(self, error: Exception | None) -> None:
        """Note it."""
        self._note(type(error))

    def pause_writing(self) -> None:
        """Note it."""
        self._note("pause")

    def resume_writing(self) -> None:
        """Note it."""
        self._note("resume")

    def _note(self, what: Any) -> None:
        self.calls.append(what)
        self.news.set()

    async def until(self, what: Any) -> None:
        """Wait for a call, or for so many bytes."""
        while not (len(self.data) >= what if isinstance(what, int) else what in self.calls):
            await self.news.wait()
            self.news.clear()


class Ends(NamedTuple):
    """A transport with its protocol, and the bare socket at its other end."""

    transport: LoopedTransport
    protocol: Noting
    peer: Any

    async def get(self, size: int) -> bytes:
        """Read *size* bytes at the other end, in a thread; fewer where the stream ends."""
        return await asyncio.get_running_loop().run_in_executor(None, self._get, size)

    def _get(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size and (got := self.peer.recv(65536)):
            data += got
        return bytes(data)


@asynccontextmanager
async def ends(kind: Kind, reads: bool = True) -> AsyncIterator[Ends]:
    """Give a transport over sockets of *kind*; both ends are closed at last."""
    far, near = kind()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    far.settimeout(PATIENCE)
    transport = LoopedTransport(near, near.close)
    protocol = Noting()
    transport.set_protocol(protocol)
    if reads:
        transport.resume_reading()
    try:
        yield Ends(transport, protocol, far)
    finally:
        transport.abort()
        far.close()
        await turns(2)
    assert near.fileno() == -1


# Reading


@both_securities
@looped
async def test_bytes_are_handed_on_as_they_come(kind: Kind) -> None:
    async with ends(kind) as (transport, protocol, peer):
        loop = asyncio.get_running_loop()
        sending = loop.run_in_executor(None, peer.sendall, BIG)
        await protocol.until(len(BIG))
        await sending
        assert protocol.data == BIG
        assert transport.is_reading()
        assert transport.get_protocol() is protocol


@both_securities
@looped
async def test_nothing_is_read_while_reading_is_paused(kind: Kind) -> None:
    async with ends(kind, reads=False) as (transport, protocol, peer):
        peer.sendall(b"x" * 10_000)
        await turns()
        assert not protocol.data
        transport.resume_reading()
        transport.resume_reading()
        await protocol.until(1)
        transport.pause_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        transport.resume_reading()
        await protocol.until(10_000)
        assert protocol.data == b"x" * 10_000


@looped
async def test_bytes_that_tls_holds_are_not_forgotten() -> None:
    async with ends(tls, reads=False) as (transport, protocol, peer):
        peer.sendall(b"x" * 1000)
        transport._socket.setblocking(True)
        assert transport._socket.recv(1) == b"x"  # the rest of the record is out of the kernel
        transport._socket.setblocking(False)
        transport.resume_reading()
        transport.pause_reading()
        await turns()
        assert not protocol.data
        transport.resume_reading()
        await protocol.until(999)


@both_securities
@looped
async def test_end_of_the_peer_closes_unless_the_protocol_wants_to_say_more(kind: Kind) -> None:
    async with ends(kind) as (transport, protocol, peer):
        peer.settimeout(0.0)  # the transport's own notice, which TLS has, is not waited for
        end_writing(peer)
        await protocol.until(type(None))
        assert protocol.calls == ["eof", type(None)]
        assert transport.is_closing()


@looped
async def test_peer_that_says_no_more_can_be_written_to() -> None:
    async with ends(tcp) as met:
        met.protocol.keeps_open = True
        met.peer.shutdown(socket.SHUT_WR)
        await met.protocol.until("eof")
        met.transport.write(b"still")
        met.transport.write_eof()
        assert await met.get(100) == b"still"
        assert not met.transport.is_closing()


@looped
async def test_reset_is_told_as_an_error() -> None:
    async with ends(tcp) as (transport, protocol, peer):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        await protocol.until(ConnectionResetError)
        assert transport.is_closing()


# Writing


@both_securities
@looped
async def test_protocol_is_paused_while_the_peer_takes_nothing(kind: Kind) -> None:
    async with ends(kind) as met:
        met.transport.writelines([BIG[:1000], b"", BIG[1000:]])
        assert met.protocol.calls == ["pause"]
        assert HIGH < met.transport.get_write_buffer_size() <= len(BIG)
        assert await met.get(len(BIG)) == BIG
        await met.protocol.until("resume")
        assert met.protocol.calls == ["pause", "resume"]
        assert met.transport.get_write_buffer_size() <= LOW


@both_securities
@looped
async def test_order_is_kept_while_bytes_wait(kind: Kind) -> None:
    async with ends(kind) as met:
        parts = [bytes([number]) * 30_000 for number in range(40)]
        for part in parts:
            met.transport.write(part)
        assert met.protocol.calls == ["pause"]
        assert await met.get(40 * 30_000) == b"".join(parts)


@looped
async def test_peer_that_is_lost_while_bytes_wait_is_an_error() -> None:
    async with ends(tcp, reads=False) as (transport, protocol, peer):
        transport.write(BIG)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        while protocol.calls[-1] == "pause":
            await protocol.news.wait()
            protocol.news.clear()
        assert issubclass(protocol.calls[-1], OSError)
        assert transport.get_write_buffer_size() == 0


# Ending


@both_securities
@looped
async def test_end_follows_what_was_written(kind: Kind) -> None:
    async with ends(kind) as met:
        assert met.transport.can_write_eof()
        met.transport.write(BIG)
        met.transport.write_eof()
        met.transport.write_eof()
        met.transport.write(b"too late")
        assert await met.get(len(BIG) + 1) == BIG
        assert not met.transport.is_closing()
        met.peer.close()
        await met.protocol.until("eof")


@both_securities
@looped
async def test_end_goes_out_at_once_where_nothing_waits(kind: Kind) -> None:
    async with ends(kind) as met:
        met.transport.write_eof()
        assert await met.get(1) == b""


@both_securities
@looped
async def test_close_sends_what_was_written_first(kind: Kind) -> None:
    async with ends(kind) as met:
        met.transport.write(BIG)
        met.transport.close()
        met.transport.close()
        met.transport.write(b"too late")
        assert met.transport.is_closing()
        met.transport.resume_reading()
        assert not met.transport.is_reading()
        assert await met.get(len(BIG) + 1) == BIG
        await met.protocol.until(type(None))


@both_securities
@looped
async def test_abort_waits_for_nothing(kind: Kind) -> None:
    async with ends(kind) as (transport, protocol, _):
        transport.write(BIG)
        transport.abort()
        transport.abort()
        assert transport.get_write_buffer_size() == 0
        await turns(2)
        assert protocol.calls == ["pause", type(None)]


@looped
async def test_addresses_are_known_even_when_the_peer_went_away() -> None:
    async with ends(tcp) as (transport, _, peer):
        assert transport.get_extra_info("sockname") == peer.getpeername()
        assert transport.get_extra_info("peername") == peer.getsockname()
        assert transport.get_extra_info("cipher", "none") == "none"
    far, near = tcp()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()
    with pytest.raises(ConnectionResetError):
        near.recv(1)
    lost = LoopedTransport(near, near.close)
    assert lost.get_extra_info("peername") is None
    lost.abort()
