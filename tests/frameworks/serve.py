"""Serve tests.frameworks.site without gunicorn, on a free port, until it is told to end.

python -m tests.frameworks.serve geventws|gevent
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402
import sys  # noqa: E402

import gevent  # noqa: E402
from gevent import pywsgi  # noqa: E402

import geventws  # noqa: E402
from tests.frameworks.site import application  # noqa: E402

CLASSES = {"geventws": geventws.WSGIServer, "gevent": pywsgi.WSGIServer}


def main(name: str) -> None:
    """Serve until SIGTERM."""
    server = CLASSES[name](("127.0.0.1", 0), application, log=None)
    server.start()
    gevent.signal_handler(signal.SIGTERM, server.stop)
    print(f"Listening at: {server.server_port}", flush=True)
    server.serve_forever()


main(sys.argv[1])
