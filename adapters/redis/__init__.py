"""The door to Redis, and to Valkey: one broker for all processes, over redis-py.

publish() -> pipe -> a script: history and PUBLISH at once -> subscriber -> track -> deliver()

Works unpatched and monkey-patched: the connections are redis-py's, their sockets gevent's.
"""

from __future__ import annotations

from geventws.adapters.redis.broker import Counts as Counts
from geventws.adapters.redis.broker import RedisBroker as RedisBroker
from geventws.adapters.redis.filling import Unrecovered as Unrecovered
