"""Connections of an event loop, each in the task of its handler; for servers.

handler(connection) in a task -> closed up after, all of them together when the server ends
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from geventws.awaiting import AsyncWebSocket
from geventws.core.codes import GOING_AWAY
from geventws.core.errors import ConnectionClosed

Handler: TypeAlias = Callable[[AsyncWebSocket], Awaitable[object]]
AnyTask: TypeAlias = "asyncio.Task[Any] | None"

logger = logging.getLogger("geventws")


class Tasks:
    """Open connections that end together."""

    def __init__(self) -> None:
        self._members: dict[AnyTask, AsyncWebSocket] = {}

    def __len__(self) -> int:
        return len(self._members)

    async def run(
        self,
        handler: Handler,
        ws: AsyncWebSocket,
        report: Callable[[Exception], None] | None = None,
    ) -> None:
        """Have *handler* use *ws* in this task, and close that up after.

        With 1000, or with 1011 where it fails, which *report* is told, or else the log. Where the
        task is cancelled the connection is dropped.
        """
        task = asyncio.current_task()  # which nobody can tell once the loop has stopped
        self._members[task] = ws
        try:
            async with ws:
                await handler(ws)
        except ConnectionClosed as closed:
            logger.debug("%r: %r", ws, closed)
        except Exception as error:
            if report is None:
                logger.error("%r: the handler failed", ws, exc_info=error)
            else:
                report(error)
        finally:
            del self._members[task]

    def close(self) -> None:
        """Begin to close all with 1001."""
        for ws in self._members.values():
            ws.begin_close(GOING_AWAY)

    async def wait_closed(self, seconds: float) -> None:
        """Wait until their tasks have ended; those left after *seconds* are cancelled."""
        await ended(self._members, seconds)


async def ended(tasks: Iterable[AnyTask], seconds: float) -> None:
    """Wait until *tasks* but this one have ended; those left after *seconds* are cancelled."""
    others = {task for task in tasks if task not in (None, asyncio.current_task())}
    if others:
        _, left = await asyncio.wait(others, timeout=seconds)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
