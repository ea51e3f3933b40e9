"""One application for each framework, below a path of its name, and what they have left behind.

Those of Pyramid, Bottle and Falcon are the ones that their pages in docs/howto show.

gunicorn tests.frameworks.site:application
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator
from typing import Any

from geventws.websocket import WebSocket
from setup import ROOT
from tests.frameworks.django_site import application as django
from tests.frameworks.flask_site import application as flask
from tests.frameworks.plain_site import application as plain
from tests.leaks import census

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def application_of(page: str) -> Any:
    """Return the application that the first blocks of docs/howto/*page*.md make."""
    names: dict[str, Any] = {"__name__": page}
    for block in BLOCK.findall((ROOT / "docs" / "howto" / f"{page}.md").read_text("utf-8")):
        exec(block, names)
        if "application" in names:
            break
    return names["application"]


def count(environ: Any, start_response: Any) -> list[bytes]:
    """Say what there is in this process now: greenlets, descriptors, watchers, connections."""
    gc.collect()
    connections = sum(isinstance(each, WebSocket) for each in gc.get_objects())
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([*census(), connections]).encode()]


def lazy(environ: Any, start_response: Any) -> Iterator[bytes]:
    """Answer as the plain application, when the server asks for the body."""
    yield from plain(environ, start_response)


SITES = {
    **{"plain": plain, "lazy": lazy, "flask": flask, "django": django, "count": count},
    **{page: application_of(page) for page in ("pyramid", "bottle", "falcon")},
}


def application(environ: Any, start_response: Any) -> Any:
    """Have the framework answer that the path begins with."""
    _, name, rest = environ["PATH_INFO"].split("/", 2)
    environ["SCRIPT_NAME"], environ["PATH_INFO"] = f"/{name}", f"/{rest}"
    return SITES[name](environ, start_response)
