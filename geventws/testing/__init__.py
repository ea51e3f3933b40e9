"""What tests need: connections in memory, an application without a port, a network with faults.

pair() -> two WebSockets        connect(application, "/path") -> a WebSocket
Network(seed) -> a network in memory with delays and faults, in virtual time
transports() -> two ITransports        join(): two Protocols

    client, server = pair(server=EchoWebSocket)
    client.send("hello")
    assert client.receive() == "hello"

No sockets, no ports, no threads: bytes go from one end into a buffer of the other one, and a writer
waits when that is full. All else is the real thing, deadlines, keepalive and callbacks included.
The fixtures for pytest are in geventws.pytest_plugin.
"""

from __future__ import annotations

from geventws.memory import MemoryTransport as MemoryTransport
from geventws.memory import transports as transports
from geventws.testing.link import Link as Link
from geventws.testing.network import Network as Network
from geventws.testing.pairs import join as join
from geventws.testing.pairs import pair as pair
from geventws.testing.wsgi import connect as connect
