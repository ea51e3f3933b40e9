"""A process that is in the room "tea" until it is killed: URL PREFIX TTL."""

from __future__ import annotations

import sys

import gevent

from geventws.adapters.redis import RedisBroker

if __name__ == "__main__":
    url, prefix, ttl = sys.argv[1:]
    broker = RedisBroker(url, prefix=prefix, presence_ttl=float(ttl))
    broker.enter("tea", "other-1", {"pid": True})
    assert broker.presence("tea")
    print("here", flush=True)
    gevent.sleep(3600)
