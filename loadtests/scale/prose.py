"""What docs/explanation/scale.md says around its figures."""

from __future__ import annotations

from typing import Final

HEAD: Final = """# How far it scales

What a node and a Redis pay for a message, measured; and what a hundred nodes would need of
Redis, reckoned from that. This page is written by `make scale` from what it found, never by
hand: {facts}.

Everything ran on one machine: two nodes, Redis and the crowd of clients shared its cores, and
the machine had other work (a load average of {load} at the beginning). So rates and latencies
say how it went there, and no more. Processor time per message depends far less on that;
contenders were measured in turns, and ratios are of one turn.
"""

MEASURED: Final = """## Two nodes over one Redis

500 clients at each of two nodes, in rooms of 10, 100 or 1,000, half of a room at either node.
Twenty clients of the first node say something, everybody in the room hears it. Beside ours, with
and without history, is python-socketio with its Redis manager, in gevent mode on [our
WebSockets](../howto/socketio.md), as it comes. Same clients, same messages, same Redis; {rounds}
rounds, medians.

*in/s* and *out/s* are messages said and heard with as many as go through, at most 64 under way.
*p50* and *p99* are from saying to hearing at 4,000 deliveries a second. *us* is processor time
of both nodes where as many as possible go through; *least* is that of the best round.

The two do not do the same. python-socketio hands a message to its own clients first and then to
Redis, in a greenlet for each: half of a room hears sooner, which shows in *p50* where rooms are
large; other nodes may hear messages in another order, and what Redis or a node misses is gone.
All its nodes hear all messages, whoever is in their rooms. Ours sends all through Redis, to
nodes that have members, in one order.
"""

NODE: Final = """### What a node pays

With history: {publish} us for each message that is published there, {receive} us for each that
Redis sends it, {deliver} us for each connection that gets it. These come from a line through the
medians above, of both sizes together: nothing is published at the second node.
"""

REDIS: Final = """### What Redis pays

One broker publishes to so many bare subscribers, each in the place of a node: one message after
the other, or 32 *at once*, which Redis then writes many at a time. The append-only file is
flushed every second.
"""

CHECK: Final = """\
For two nodes, the lines through this have {crowded} us where messages come at once and {alone} us
where each comes alone. The two nodes above took {measured} us for each message.
"""

STREAMS: Final = """## A million messages, accounted for

`python -m loadtests.scale stream`: 20 rooms, each with a member at each of two nodes and two
publishers that number what they publish. Members resume by themselves when cut off. At the end
each member's account is compared with what was published: what is *lost* did not come though
nobody was told; *told* did not come, and the member was; *unsure* came to nobody, after
`broadcast()` had raised ConnectionError; *doubled* came twice, *swapped* after a later one of
the same publisher. *orders* counts rooms whose members had different orders.

- *Redis killed and started again*: three times, kill -9, with an append-only file that is always
  flushed; all members are cut off just before.
- *a node killed*: kill -9; its members come back at the other node, and `presence()` is compared
  with who is there until it is right.
- *Redis stands still* for four seconds, with brokers that wait for one.
- *a node stands still* for a fifth of the stream, and its connection to Redis may hold 1 MB.
"""

FLEET: Final = """## A fleet

What {nodes} nodes with {connections} connections need of Redis, if people do as in these
profiles. Each profile is an assumption, and so is that messages and members come evenly, that a
Redis is used to half of its one core, half of 10 Gbit/s and 16 GiB of memory, and that
`presence_ttl` and `history_ttl` are as by default.
"""

SAYS: Final = """\
Servers are counted by the largest share of processor, traffic and memory. A Redis that is busy
writes many messages at once, so the truth about messages lies between the two rows; in the bars
a white mark is where they come at once, and an arrow is where a bar is cut.

Presence is {presence} of all that work, and {chat} in chat rooms, for those who come, go and look.
Who stays costs next to nothing: a process says for all its members at once that it lives, each
third of `presence_ttl`, for each of the 1,024 parts that a cluster's rooms are in; and it names
them anew every 20 minutes. A broadcast without a room has no presence, and costs Redis next to
nothing ({cores} cores here). What it costs is {big} cores of each node, for the deliveries.

A room is at one Redis. No number of servers makes a single room faster than one core of Redis.
"""

SPREAD: Final = """\
A message goes to those nodes alone that have members of its room. With members anywhere, a room
of n is at `N (1 - (1 - 1/N)^n)` of N nodes.
"""

CHANGES: Final = """\
Rooms are not all of one size. Placed at random instead, 20,000 rooms of sizes that differ
(log-normal, sigma 1), where members say equally much, messages go to more nodes than reckoned,
for more of them are in large rooms; and the busiest Redis has so many times the average. Half of
a core is there to spare for that.

### If it were otherwise

What one assumption changes, all others as they were: cores of Redis, and servers.
"""

LIMITS: Final = """## What this leaves out

- TLS, compression, proxies, and the network: two machines have latencies that loopback has not.
- What connections themselves cost nodes: handshakes, memory, pings.
  [Reliability](../reliability.md) and [Performance](../performance.md) have that.
- A whole fleet that comes back at once. Each join asks Redis for presence and history; ten
  million in a minute are 170,000 joins a second.
- Each node holds two connections to each Redis: 100 nodes and 60 servers are 120 at each node
  and 200 at each Redis, which is far from any limit.
- Nothing of this was tried with more than two nodes. It is arithmetic on measured prices.
"""
