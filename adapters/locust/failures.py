"""What failed, in words: Locust counts failures by their text, so nothing in it may vary much."""

from __future__ import annotations

from geventws.failures import failure_text


class WebSocketFailure(Exception):
    """Why something measured failed, as Locust's tables show it.

    No text holds an address, an id, a close reason or anything else of the peer's making but codes.
    What was raised, with all details, is the __cause__; there is none where no reply came in time.
    """


def failure_of(error: BaseException) -> WebSocketFailure:
    """Return the failure that *error* means, raised by a connection or by opening one."""
    failure = WebSocketFailure(failure_text(error))
    failure.__cause__ = error
    return failure
