"""Receivers of broadcasts in a process of their own.

python -m loadtests.soak.hearing '{"uri": ..., "count": 1000, "messages": 200}'
"""

from __future__ import annotations

import json
import sys
from time import monotonic

import gevent
from gevent.pool import Pool

import geventws
from geventws.benchmarking.histogram import Histogram
from loadtests.soak.processes import allow_files, say, told

AT_ONCE = 64  # may be opening


def hear(ws: geventws.WebSocket, messages: int, times: Histogram) -> int:
    """Receive numbered broadcasts; return how many are lost or out of order."""
    right = 0
    try:
        for message in ws:
            number, sent, _ = str(message).split(" ", 2)
            times.add(max(0.0, monotonic() - float(sent)))
            right += int(number) == right
            if int(number) == messages - 1:
                break
    except geventws.ConnectionClosed:
        return messages - right
    return messages - right


def main(uri: str, count: int, messages: int) -> None:
    """Connect, say so, hear all, and say what was found."""
    allow_files()
    pool = Pool(AT_ONCE)
    connections = pool.map(lambda _: geventws.connect(uri, max_size=None), range(count))
    times = Histogram()
    hearing = [gevent.spawn(hear, ws, messages, times) for ws in connections]
    say(open=len(connections))
    gevent.joinall(hearing)
    lost = sum(each.get() for each in hearing)
    say(lost=lost, p50=times.percentile(50), p99=times.percentile(99), most=times.most)
    told()  # until the scenario is over
    for ws in connections:
        ws.drop()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
