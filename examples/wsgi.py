"""A WSGI application with a page and a clock: the page at /, the clock's WebSocket at /clock."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import gevent

import geventws

PAGE = b"""<!doctype html><title>clock</title><h1>...</h1><script>
const clock = new WebSocket(`ws://${location.host}/clock`);
clock.onmessage = event => document.querySelector("h1").textContent = event.data;
</script>"""


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer one request."""
    if environ["PATH_INFO"] == "/clock":
        tell_the_time(geventws.upgrade(environ, start_response))
        return []
    start_response("200 OK", [("Content-Type", "text/html")])
    return [PAGE]


def tell_the_time(ws: geventws.WebSocket) -> None:
    """Send the time each second, until the page is gone."""
    while ws.close_code is None:
        ws.send(time.strftime("%H:%M:%S"))
        try:
            ws.receive(timeout=1)
        except TimeoutError:
            continue
        except geventws.ConnectionClosed:
            return


def main(port: int = 9000) -> None:
    """Serve until Ctrl-C."""
    server = geventws.WSGIServer(("127.0.0.1", port), application)
    server.start()
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    gevent.signal_handler(signal.SIGINT, server.drain)
    server.serve_forever()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
