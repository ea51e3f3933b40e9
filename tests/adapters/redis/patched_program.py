"""A process patched from its very start that publishes and hears itself: URL."""

from __future__ import annotations

import sys

from gevent.queue import Queue

from geventws.adapters.redis import RedisBroker
from geventws.broker import Publication

if __name__ == "__main__":
    broker = RedisBroker(sys.argv[1], prefix="patched:")
    came: Queue[Publication] = Queue()
    broker.subscribe("tea", came.put)
    broker.publish("tea", "hot")
    print(came.get(timeout=10).message)
    broker.close()
