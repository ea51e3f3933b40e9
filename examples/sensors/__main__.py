"""Plot motion live: the page at /, and at /device what a phone opens to send its own.

python examples/sensors          and where no phone is at hand, in another terminal:
python examples/sensors/device.py ws://127.0.0.1:9000/send

A phone's browser tells its motion to https pages only; README.md says how to make a certificate:
python examples/sensors --host 0.0.0.0 --certfile cert.pem --keyfile key.pem
"""

from __future__ import annotations

import argparse
import signal
import ssl

import gevent
from pages import pages
from relay import MAX_MESSAGE, Relay

import geventws


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="sensors", description="Plot the motion of phones live.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--certfile", help="for https: the certificate, PEM")
    parser.add_argument("--keyfile", help="for https: its key, PEM, if not in --certfile")
    options = parser.parse_args()
    context = None
    if options.certfile:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certfile, options.keyfile)
    relay, address = Relay(), (options.host, options.port)
    server = geventws.serve(
        relay, address, ssl=context, process_request=pages, max_size=MAX_MESSAGE
    )
    server.start()
    scheme = "https" if context else "http"
    print(f"listening on {scheme}://{options.host}:{server.server_port}", flush=True)
    gevent.spawn(relay.run)
    gevent.signal_handler(signal.SIGINT, server.drain)
    server.serve_forever()


if __name__ == "__main__":
    main()
