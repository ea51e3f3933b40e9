"""Response: what came of one exchange, and how it is reported to Locust."""

from __future__ import annotations

import json
from typing import Any, Final

from locust.exception import (
    CatchResponseError,
    InterruptTaskSet,
    LocustError,
    RescheduleTask,
    RescheduleTaskImmediately,
    ResponseError,
    StopTest,
    StopUser,
)

from geventws.adapters.locust.matching import Message

# What a task raises to say how to go on.
TURNS: Final = (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser)


def size_of(message: Message) -> int:
    """Return how many bytes the payload of *message* has."""
    if isinstance(message, str) and not message.isascii():
        return len(message.encode())
    return len(message)


class Response:
    """What came of a request(), expect(), receive() or ping(); it never raises by itself.

    With catch_response=True it is a context manager that reports when its block ends, as those of
    Locust's HTTP clients are: as a success unless failure() was called, it came as a failure
    already and success() was not called, or the block raised.

    Attributes:
        message: the answer, str or bytes; None where there is none.
        error: the WebSocketFailure; None where all went well.
        response_time: in milliseconds; None for a message that nobody had asked for.
    """

    __slots__ = ("_held", "_result", "error", "message", "response_time")

    def __init__(
        self, message: Message | None, error: Exception | None, response_time: float | None
    ) -> None:
        self.message = message
        self.error = error
        self.response_time = response_time
        self._held: tuple[Any, dict[str, Any]] | None = None  # what is fired when the block ends
        self._result: Exception | bool | None = None  # None outside of a block

    def hold(
        self,
        event: Any,
        kind: str,
        name: str,
        size: int,
        context: dict[str, Any],
        start: float,
        url: str,
    ) -> None:
        """Fire *event*, unless it is None, when the block ends; for who made this."""
        self._held = (
            event,
            {
                "request_type": kind,
                "name": name,
                "response_time": self.response_time,
                "response_length": size,
                "context": context,
                "start_time": start,
                "url": url,
            },
        )

    @property
    def ok(self) -> bool:
        """Whether it is no failure."""
        return self.error is None

    def json(self) -> Any:
        """Return what the message is in JSON.

        Raises:
            ValueError: it is no JSON, or there is none.
        """
        return json.loads("" if self.message is None else self.message)

    def success(self) -> None:
        """Have this reported as a success, whatever came.

        Raises:
            LocustError: outside a with block.
        """
        self._decide(True)

    def failure(self, error: Exception | str) -> None:
        """Have this reported as a failure with *error*, of few different texts.

        Raises:
            LocustError: outside a with block.
        """
        self._decide(error if isinstance(error, Exception) else CatchResponseError(error))

    def _decide(self, result: Exception | bool) -> None:
        if self._result is None:
            raise LocustError("a response is judged in a with block, with catch_response=True")
        self._result = result

    def __enter__(self) -> Response:
        if self._held is None:
            raise LocustError("a with block needs catch_response=True")
        self._result = False
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if error is not None and not isinstance(error, Exception):
            return False  # the user is killed
        if self._result:
            self.error = None if self._result is True else self._result
        elif error is not None and not isinstance(error, TURNS):
            self.error = error
        if self._held is not None and self._held[0] is not None:
            event, meta = self._held
            event.fire(exception=self.error, response=self, **meta)
        return isinstance(error, ResponseError)
