from __future__ import annotations

import threading
from typing import Any

import pytest

from geventws.adapters.ws4py.client.threadedclient import WebSocketClient
from tests.adapters.ws4py.scene import Records, ended
from tests.threads import PATIENCE, joined_threads, serving, uri


class Client(Records, WebSocketClient):
    """A client that records."""


def test_callbacks_run_in_a_thread_of_the_clients_own() -> None:
    names: list[str] = []

    class Named(Client):
        def opened(self) -> None:
            super().opened()
            names.append(threading.current_thread().name)
            self.send("hello")

        def received_message(self, message: Any) -> None:
            super().received_message(message)
            self.close(4000, "bye")

    with serving() as server:
        client = Named(uri(server))
        client.connect()
        client.run_forever()
        assert client.terminated
        assert [str(each) for each in client.calls[1:-1]] == ["hello"]
        assert client.calls[-1] == (4000, "")
    assert names == ["WebSocketClient"]


@pytest.mark.parametrize("flag", [None, False, True])
def test_daemon_says_whether_the_interpreter_may_end(flag: bool | None) -> None:
    with serving() as server:
        client = Client(uri(server))
        if flag is not None:
            client.daemon = flag
        for _ in "12":
            client.connect()
            assert client.daemon == (flag is not False)
            client.close()
            client.run_forever()
        assert client.calls == ["opened", (1000, "")] * 2


def test_run_forever_waits_for_who_is_connected_only() -> None:
    Client("ws://localhost/").run_forever()
    with serving() as server, joined_threads() as threads:
        client = Client(uri(server))
        client.connect()
        waiting = threads.start(client.run_forever)
        assert not client.over.wait(0.05)
        assert not waiting.done()
        client.close()
        waiting.result(PATIENCE)
        assert ended(client) == (1000, "")
