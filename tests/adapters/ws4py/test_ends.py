"""How a websocket ends where the application fails, or terminates it."""

from __future__ import annotations

from time import monotonic
from typing import ClassVar

import pytest

from geventws.adapters.ws4py.exc import StreamClosed
from geventws.options import Options
from tests.adapters.ws4py.scene import Recorder, ended, met
from tests.threads import PATIENCE, joined_threads


def test_opened_that_fails_ends_the_connection_and_passes() -> None:
    class Unwilling(Recorder):
        def opened(self) -> None:
            raise LookupError("so it goes")

    with joined_threads() as threads, met(Unwilling) as (ws, peer):
        running = threads.start(ws.run)
        assert peer.read_close()[0] == 1011
        peer.close()
        with pytest.raises(LookupError):
            running.result(PATIENCE)
        assert ended(ws) == (1006, "Going away")


@pytest.mark.parametrize("binary", [False, True])
def test_item_that_is_no_str_or_bytes_fails_the_connection(binary: bool) -> None:
    with met() as (ws, peer):
        with pytest.raises(TypeError):
            ws.send(["a", "b", 5], binary)
        with pytest.raises(StreamClosed):
            ws.send("more")
        assert peer.read_to_end().endswith(b"the message could not be finished")


def test_terminate_waits_for_the_peer_until_close_timeout() -> None:
    class Timed(Recorder):
        options: ClassVar[Options] = Options(ping_interval=None, close_timeout=0.3)

    with met(Timed) as (ws, _):
        ws.open()
        since = monotonic()
        ws.terminate()
        assert monotonic() - since >= 0.29
