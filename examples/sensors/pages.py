"""The two pages and what they need, as process_request of serve()."""

from __future__ import annotations

from pathlib import Path

import geventws

HERE = Path(__file__).parent
SOCKETS = ("/send", "/watch")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-cache"),
)


def page(name: str) -> geventws.Response:
    """Return the answer that is the file *name*."""
    path = HERE / name
    kind = ("Content-Type", f"{TYPES[path.suffix]}; charset=utf-8")
    return geventws.Response(200, (kind, *HEADERS), path.read_bytes())


PAGES = {f"/{path.name}": page(path.name) for path in HERE.iterdir() if path.suffix in TYPES}
PAGES |= {"/": page("index.html"), "/device": page("device.html")}
NOT_FOUND = geventws.Response(404, HEADERS, "not found\n")


def pages(request: geventws.Request) -> geventws.Response | None:
    """Answer a plain request; None lets those to the sockets go on to the upgrade."""
    return None if request.path in SOCKETS else PAGES.get(request.path, NOT_FOUND)
