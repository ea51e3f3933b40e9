"""Other people's servers, each in a thread of its own, so that ours cannot help them along.

They do as the path says: /echo sends messages back, /cut does so in fragments, /listen notes how it
ended too, /close closes as it is told, /ping pings, /refuse refuses.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from queue import Queue
from typing import Any, ClassVar

from geventws.core.deflate import Deflate
from tests.interop.scenes import HOST, IN_TIME, server_context


class TheirServer:
    """A server in a thread.

    Attributes:
        name: what people call it.
        package: what it is installed as.
        asks: the parameters of permessage-deflate that it can be told to answer.
        fails: the ones that it gets wrong where a client offers them, and how.
        closes: how the conversations of /listen ended for it: (code, reason).
    """

    name: str
    package: str
    can_fragment = True
    can_compress = True
    asks: tuple[str, ...] = ()
    fails: ClassVar[Mapping[str, str]] = {}

    def __init__(self, secure: bool, compression: Deflate | None) -> None:
        self.context = server_context() if secure else None
        self.compression = compression
        self.closes: Queue[tuple[int | None, str | None]] = Queue()
        self._started: Queue[int | BaseException] = Queue()
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()
        port = self._started.get(timeout=IN_TIME)
        if isinstance(port, BaseException):
            raise port
        self.uri = f"{'wss' if secure else 'ws'}://{HOST}:{port}"

    @classmethod
    def version(cls) -> str:
        """Return the version installed."""
        return version(cls.package)

    def stop(self) -> None:
        self._end()
        self._thread.join(IN_TIME)
        assert not self._thread.is_alive()

    def _main(self) -> None:
        try:
            self._run(self._started.put)
        except BaseException as error:
            self._started.put(error)
            raise

    def _run(self, started: Callable[[int], None]) -> None:
        """Serve on a free port, tell which, and return after _end()."""
        raise AssertionError("each kind has its own")

    def _end(self) -> None:
        raise AssertionError("each kind has its own")


class AsyncioServer(TheirServer):
    """One on an event loop."""

    _loop: asyncio.AbstractEventLoop
    _ended: asyncio.Event

    def _run(self, started: Callable[[int], None]) -> None:
        asyncio.run(self._until_end(started))

    async def _until_end(self, started: Callable[[int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        await self._serve(started, self._ended.wait)

    async def _serve(
        self, started: Callable[[int], None], ended: Callable[[], Awaitable[Any]]
    ) -> None:
        raise AssertionError("each kind has its own")

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
