"""Cross-site WebSocket hijacking, tried by a page in a real browser (RFC 6455 10.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gevent

from geventws.core.handshake import Request, Response
from geventws.server import WebSocketServer, serve
from geventws.websocket import WebSocket
from tests.chromium import chromium
from tests.serving import LOCAL, running

OPEN = """
const [url, done] = arguments;
const ws = new WebSocket(url);
ws.onmessage = event => { done(event.data); ws.onclose = null; ws.close(); };
ws.onclose = event => done("closed " + event.code);
"""


class Bank:
    """A server that knows its customers by a cookie, and who asked it to open a WebSocket."""

    def __init__(self, **options: Any) -> None:
        self.asked: list[tuple[str | None, str | None]] = []
        self.server = serve(self._tell, LOCAL, process_request=self._look, **options)

    def _look(self, request: Request) -> Response | None:
        if "Upgrade" not in request.headers:
            return page(request)
        self.asked.append((request.origin, request.cookies.get("customer")))
        return None

    def _tell(self, ws: WebSocket) -> None:
        assert ws.request is not None
        ws.send(f"the account of {ws.request.cookies['customer']}")


def page(request: Request) -> Response:
    """Return a page that logs whoever opens it in as alice."""
    cookie = {"Set-Cookie": "customer=alice", "Content-Type": "text/html"}
    return Response(200, cookie if request.path == "/" else {"Content-Type": "text/html"})


def attack(profile: Path, bank: Bank, lax: Bank, evil: WebSocketServer) -> dict[str, Any]:
    """Log in to both banks; return what their own pages and another site's page get of them."""
    ports = {
        name: server.server_port
        for name, server in (("bank", bank.server), ("lax", lax.server), ("evil", evil))
    }
    with chromium(profile) as browser:

        def get(page: str, target: str) -> Any:
            # a cookie knows no ports, so to the browser all of these are the same site
            path = "" if page != "evil" else "evil"
            browser.get(f"http://localhost:{ports[page]}/{path}")
            return browser.execute_async_script(OPEN, f"ws://localhost:{ports[target]}/")

        found = [("bank", "bank"), ("lax", "lax"), ("evil", "lax"), ("evil", "bank")]
        return {f"{page} of {target}": get(page, target) for page, target in found}


def test_page_of_another_site_gets_nothing_with_the_cookies_of_its_visitor(tmp_path: Path) -> None:
    bank, lax = Bank(), Bank(origins="*")
    evil = serve(lambda ws: None, LOCAL, process_request=page)
    with running(bank.server), running(lax.server), running(evil):
        threadpool = gevent.get_hub().threadpool
        got = threadpool.apply(attack, (tmp_path, bank, lax, evil))
    assert got == {
        "bank of bank": "the account of alice",
        "lax of lax": "the account of alice",
        "evil of lax": "the account of alice",  # this is what the default prevents
        "evil of bank": "closed 1006",
    }
    assert [customer for _, customer in bank.asked] == ["alice", "alice"]
    own, others = [origin for origin, _ in bank.asked]
    assert own != others
