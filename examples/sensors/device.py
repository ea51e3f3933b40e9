"""A simulated device: somebody who walks and now and then stands, with a phone in the pocket.

python examples/sensors/device.py ws://127.0.0.1:9000/send [name]
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from math import pi, sin
from urllib.parse import quote

import gevent

import geventws

RATE = 50  # readings a second
PACE = 1.9  # steps a second


def walk() -> Iterator[tuple[float, float, float, float]]:
    """Give readings for ever: milliseconds, and m/s2 to the side, up and to the front."""
    dice, stride, phase, tick = random.Random(1), 0.0, 0.0, 0
    while True:
        at = tick / RATE
        stride += ((at % 12 < 9) - stride) / 20  # nine seconds of walking, three of standing
        phase += 2 * pi * PACE / RATE
        x = 0.4 + stride * 1.6 * sin(phase / 2)  # the hips sway once in two steps
        y = 9.4 + stride * (3.2 * sin(phase) + 1.1 * sin(2 * phase + 0.7))
        z = 2.7 + stride * (1.9 * sin(phase + 1.3) + 0.8 * sin(3 * phase))
        shake = 0.04 + 0.16 * stride
        x, y, z = (round(dice.gauss(value, shake), 2) for value in (x, y, z))
        yield 1000 * at, x, y, z
        tick += 1


def main(url: str, name: str = "walker") -> None:
    """Send what it measures, until the server is gone."""
    with suppress(geventws.ConnectionClosed), geventws.connect(f"{url}?name={quote(name)}") as ws:
        print(f"sending as {ws.receive()!s}", flush=True)
        start = time.monotonic()
        for reading in walk():
            gevent.sleep(max(0, start + reading[0] / 1000 - time.monotonic()))
            ws.send(json.dumps(reading))


if __name__ == "__main__":
    main(*sys.argv[1:])
