"""Other people's clients with one face. They block, so they belong into a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from importlib.metadata import version
from typing import Any, ClassVar, TypeVar

from geventws.core.deflate import Deflate
from tests.interop.scenes import IN_TIME, SUBPROTOCOL, Message, client_context

T = TypeVar("T")


class Refused(Exception):
    """The server answered with a status other than 101."""

    def __init__(self, status: int, headers: Any, body: Any) -> None:
        super().__init__(status, headers, body)
        self.status = status
        self.headers = headers
        self.body = body


class TheirClient:
    """An open connection.

    Attributes:
        name: what people call it.
        package: what it is installed as.
        asks: the parameters of permessage-deflate that it can be told to offer.
        fails: the ones that it gets wrong where a server answers them, and how.
        subprotocol: the one agreed on.
        compressed: whether permessage-deflate was agreed on.
    """

    name: str
    package: str
    can_compress = True
    can_fragment = True
    asks: tuple[str, ...] = ()
    fails: ClassVar[Mapping[str, str]] = {}
    subprotocol: str | None
    compressed: bool

    def __init__(self, uri: str, compression: Deflate | None, offers: bool = False) -> None:
        """Connect; Refused where the server does not want that."""
        self.uri = uri
        self.context = client_context() if uri.startswith("wss") else None
        self.compression = compression
        self.offers = [SUBPROTOCOL] if offers else []
        self.connect()

    @classmethod
    def version(cls) -> str:
        """Return the version installed."""
        return version(cls.package)

    def connect(self) -> None:
        raise AssertionError("each kind has its own")

    def send(self, message: Message) -> None:
        raise AssertionError("each kind has its own")

    def send_fragments(self, fragments: list[Message]) -> None:
        raise AssertionError("each kind has its own")

    def receive(self) -> Message:
        raise AssertionError("each kind has its own")

    def ping(self) -> None:
        """Send a ping and wait for its pong."""
        raise AssertionError("each kind has its own")

    def close(self, code: int = 1000, reason: str = "") -> None:
        raise AssertionError("each kind has its own")

    def closed(self) -> tuple[int, str]:
        """Wait until the server closes; return what it says."""
        raise AssertionError("each kind has its own")


class AsyncioClient(TheirClient):
    """One on an event loop, which runs only while something is awaited."""

    def __init__(self, uri: str, compression: Deflate | None, offers: bool = False) -> None:
        self._runner = asyncio.Runner()
        try:
            super().__init__(uri, compression, offers)
        except BaseException:
            self._runner.close()
            raise

    def _await(self, awaitable: Awaitable[T]) -> T:
        async def bounded() -> T:
            return await asyncio.wait_for(awaitable, IN_TIME)

        return self._runner.run(bounded())
