"""The poller manager as ws4py has it, over that of threads.

m = WebSocketManager(); m.start()          handshake_ok() -> m.add(self)
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

from geventws.adapters import threaded
from geventws.adapters.ws4py import format_addresses
from geventws.adapters.ws4py.messaging import BinaryMessage, Message, decoded, encoded
from geventws.adapters.ws4py.transports import ObjectTransport
from geventws.adapters.ws4py.websocket import WebSocket
from geventws.broadcasting import Result
from geventws.core.codes import GOING_AWAY

__all__ = ["EPollPoller", "KQueuePoller", "SelectPoller", "WebSocketManager"]

logger = logging.getLogger("geventws")

SHUTTING_DOWN: Final = "Server is shutting down"
GONE: Final = -1  # what a closed socket has for a descriptor
TIMEOUT: Final = 0.1  # seconds, as ws4py has it


class _Poller:
    """What ws4py's pollers do otherwise than those of threads: they tell of a descriptor again."""

    _poller: Any

    def register(self, fd: int) -> None:
        """Have poll() return *fd* whenever there is something to read, or the end."""
        self._poller.register(fd)

    def unregister(self, fd: int) -> None:
        """Forget *fd*."""
        self._poller.unregister(fd)

    def poll(self) -> list[int]:
        """Wait, at most the poller's timeout, and return the descriptors that are ready."""
        ready: list[int] = self._poller.poll(self.timeout)
        for fd in ready:
            self._poller.register(fd)
        return ready

    def release(self) -> None:
        """Give up what the poller holds of the operating system."""
        self._poller.release()

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout


class SelectPoller(_Poller):
    """Waits by select.select(): everywhere, for descriptors below 1024; ValueError for others."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        super().__init__(timeout)
        self._poller = threaded.SelectPoller()


class EPollPoller(_Poller):
    """Waits by select.epoll(), on Linux; OSError elsewhere."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        super().__init__(timeout)
        self._poller = threaded.EPollPoller()


class KQueuePoller(_Poller):
    """Waits by select.kqueue(), on BSD and macOS; OSError elsewhere."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        super().__init__(timeout)
        self._poller = threaded.KQueuePoller()


class _Once:
    """A poller with ws4py's methods, as the manager wants one: each descriptor is told of once."""

    immediate = False

    def __init__(self, poller: Any) -> None:
        self._poller = poller
        self.register = poller.register
        self.release = poller.release

    def unregister(self, fd: int) -> None:
        with suppress(OSError, KeyError, ValueError):  # it was told of, and so is forgotten already
            self._poller.unregister(fd)

    def poll(self, timeout: float | None = None) -> list[int]:
        ready = list(self._poller.poll())
        for fd in ready:
            self.unregister(fd)
        return ready


class WebSocketManager:
    """A thread, and a few workers, that run any number of websockets; see threaded.

    An idle websocket costs no thread, and a callback that blocks holds up no other websocket. One
    that is over leaves by itself.

    Args:
        poller: who waits: one of those here, or any object with their four methods; None is the
            best there is here.
    """

    _stopped = False

    def __init__(self, poller: Any = None) -> None:
        self.poller = poller
        self._inner = threaded.WebSocketManager(None if poller is None else _Once(poller))

    @classmethod
    def around(cls, inner: threaded.WebSocketManager) -> WebSocketManager:
        """Return a manager whose members are run by *inner*."""
        manager = cls.__new__(cls)
        manager.poller = None
        manager._inner = inner
        return manager

    # The thread

    def start(self) -> None:
        """Start the thread, a daemon; RuntimeError where it was started before."""
        self._inner.start()

    def run(self) -> None:
        """Do what the thread does, in this one, until stop() is called."""
        self._inner.run()

    def stop(self) -> None:
        """Have the thread end, and drop whoever is still here; returns at once."""
        self._stopped = True
        self._inner.stop()

    def join(self, timeout: float | None = None) -> None:
        """Wait until stop() was called, every websocket is over, and the thread has ended.

        Returns when *timeout* seconds are up before that; is_alive() tells which it was.

        Raises:
            RuntimeError: neither start(), run() nor stop() was called.
        """
        if not self._inner._driver.has_begun:
            raise RuntimeError("the manager was not started")
        self._inner._driver.join_run(timeout)

    def is_alive(self) -> bool:
        """Return whether the thread is at work."""
        return self._inner.is_alive()

    @property
    def running(self) -> bool:
        """Whether the thread is at work, and is to go on."""
        return self.is_alive() and not self._stopped

    # Members

    @property
    def websockets(self) -> dict[int, WebSocket]:
        """The websockets that are here now, each by its descriptor; a copy."""
        by_fd = {_descriptor(ws): ws for ws in self}
        by_fd.pop(GONE, None)
        return by_fd

    def __len__(self) -> int:
        return len(self._inner)

    def __iter__(self) -> Iterator[WebSocket]:
        return iter([_owner(driver) for driver in self._inner])

    def __contains__(self, ws: Any) -> bool:
        return ws._driver in self._inner

    def add(self, websocket: Any) -> None:
        """Call opened(), and run *websocket* from now on, unless it is here or over.

        Raises:
            ValueError: it is not connected, or is in another manager, or its sock is no socket,
                which cannot be polled.
        """
        ws = _owner(websocket)
        if ws.driver is None:
            raise ValueError("websocket: not connected, or over")
        if isinstance(ws.driver._transport, ObjectTransport):
            raise ValueError("websocket: its sock is no socket, so it cannot be polled; use run()")
        if ws in self or ws.terminated:
            return
        logger.info("Managing websocket %s", format_addresses(ws))
        ws.driver.polled = True
        try:
            ws.open()
            self._inner.add(ws.driver)
        except BaseException:
            ws.close_connection()
            ws.terminate()
            raise
        if ws not in self:  # opened() has dropped it
            ws.terminate()

    def remove(self, websocket: Any) -> None:
        """Let *websocket* go, if it is here, without closing it; somebody else may run it then."""
        ws = _owner(websocket)
        if ws in self:
            logger.info("Removing websocket %s", format_addresses(ws))
            self._inner.remove(ws._driver)
            ws._driver.polled = False

    def drain(self, timeout: float | None = None) -> bool:
        """Have every websocket close(), wait for the last, then stop() and wait for the thread.

        Each of both waits takes at most *timeout* seconds. Returns whether all was done in time.
        """
        self.close_all()
        in_time = self._inner.join(timeout)
        self.stop()
        return self._inner.join(timeout) and in_time

    def close_all(self, code: int = GOING_AWAY, message: str = SHUTTING_DOWN) -> None:
        """Have every websocket close(); waits for none of them."""
        logger.info("Closing all websockets with [%d] %r", code, message)
        for ws in self:
            try:
                ws.close(code, message)
            except Exception:  # an override's: the others are to be closed all the same
                logger.exception("%r: close() failed", ws)

    def broadcast(self, message: Any, binary: bool = False) -> Result[Any]:
        """Send *message* to all; waits for none of them, and fails for none.

        Returns which got it, which will when they take more, and which were too slow or gone.
        """
        if isinstance(message, Message):
            message, binary = message.data, isinstance(message, BinaryMessage)
        result = self._inner.broadcast(encoded(message) if binary else decoded(message))
        sent, buffered, dropped, closed = map(_owners, result[:4])
        return Result(sent, buffered, dropped, closed)


def _owner(ws: Any) -> Any:
    """Return the websocket, also where its Driver was given."""
    return getattr(ws, "owner", ws)


def _descriptor(ws: WebSocket) -> int:
    sock = ws.sock  # another thread may take it away
    fd: int = GONE if sock is None else sock.fileno()
    return fd


def _owners(drivers: Iterable[Any]) -> list[Any]:
    return [driver.owner for driver in drivers]
