"""The door for threads: the same WebSocket over plain sockets, without gevent.

Any number of threads may use one connection: its methods run inside the transport's monitor, where
one thread is at a time, and leave it to wait and to run code of the application. Outside a
WebSocketManager no thread of ours looks after a connection: pings are answered, and the peer is
watched, while some thread is in receive(), ping(), close() or run().
"""

from __future__ import annotations

from geventws.adapters.threaded.client import WebSocketClient as WebSocketClient
from geventws.adapters.threaded.client import connect as connect
from geventws.adapters.threaded.manager import WebSocketManager as WebSocketManager
from geventws.adapters.threaded.pollers import EPollPoller as EPollPoller
from geventws.adapters.threaded.pollers import KQueuePoller as KQueuePoller
from geventws.adapters.threaded.pollers import Poller as Poller
from geventws.adapters.threaded.pollers import PollPoller as PollPoller
from geventws.adapters.threaded.pollers import SelectPoller as SelectPoller
from geventws.adapters.threaded.pollers import best_poller as best_poller
from geventws.adapters.threaded.server import Server as Server
from geventws.adapters.threaded.server import serve as serve
from geventws.adapters.threaded.websocket import EchoWebSocket as EchoWebSocket
from geventws.adapters.threaded.websocket import ThreadedWebSocket as ThreadedWebSocket
from geventws.broadcasting import Result as Result
