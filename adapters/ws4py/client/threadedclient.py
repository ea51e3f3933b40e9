"""The client with a thread of its own, as ws4py has it."""

from __future__ import annotations

from threading import current_thread
from typing import Any

from geventws.adapters.threaded.runner import Runner
from geventws.adapters.ws4py.client import WebSocketBaseClient

__all__ = ["WebSocketClient"]


class WebSocketClient(WebSocketBaseClient):
    """A client whose callbacks run in a thread that connect() starts, opened() first."""

    def __init__(
        self,
        url: str,
        protocols: Any = None,
        extensions: Any = None,
        heartbeat_freq: float | None = None,
        ssl_options: Any = None,
        headers: Any = None,
        exclude_headers: Any = None,
    ) -> None:
        super().__init__(
            url, protocols, extensions, heartbeat_freq, ssl_options, headers, exclude_headers
        )
        self._th = self._thread(daemon=True)

    @property
    def daemon(self) -> bool:
        """Whether the interpreter may end while the client is connected; true unless set."""
        return self._th.daemon

    @daemon.setter
    def daemon(self, flag: bool) -> None:
        self._th.daemon = flag

    def run_forever(self) -> None:
        """Wait until the connection is over and closed() has returned.

        Who was interrupted, as by Ctrl-C, may call it again. RuntimeError in a callback.
        """
        if self._th.ident is not None:
            self._th.join()

    def handshake_ok(self) -> None:
        """Start the thread. See WebSocketBaseClient."""
        # one that ran cannot be started again, and from Python 3.13 on one that failed to start
        self._th = self._thread(self._th.daemon)
        self._th.start()

    def _await_runner(self) -> None:
        if self._th.is_alive() and self._th is not current_thread():
            self._th.join(self.options.open_timeout)

    def _thread(self, daemon: bool) -> Runner:
        return Runner(self.run, daemon)
