"""What docs/performance.md says around its figures."""

from __future__ import annotations

from typing import Final

HEAD: Final = """# Performance

This page is written by `make bench` from what it found, never by hand:

{facts}

What a message costs the processor, here and elsewhere, measured side by side; where the time goes;
and what you can do about it. For gevent processor time per message is the figure that counts: one
process has one core, and what a message does not use is there for your application.

## How it is measured

`make bench` builds a load generator in C, starts each server on one core and loads it from another,
and reads the processor time that the server's processes used, user and system, per message. Servers
take turns within each round, for the machine's mood changes from second to second; a ratio is the
median of the ratios within each round. Every reply is compared with what was sent. Absolute figures
say more about the machine than about the code, so compare rows, not pages: `make bench QUICK=1`
tells in three minutes what yours does.

Each contender is the smallest program that its documentation suggests. "raw gevent" is a bare
gevent socket that sends back what it receives, without any protocol, "raw C" the same in C, and "C"
a WebSocket server in C: the limits. picows on uvloop is the fastest WebSocket server for Python
that is known to us; it echoes frames as they are, and neither decodes text nor puts fragments
together, which is why those two are compared with others. "interpreted" is geventws as it is where
nothing could be compiled.
"""
STANDING: Final = """
Each target is a ratio to the best of others within the same run, or a figure. {met} of {all} that
were measured are met, judged by medians; the ratio of the cheapest rounds stands beside them.
"""
BARS: Final = """
A bar is the median of the rounds, the mark in it the cheapest of them; less is better. A bar with
an arrow is cut: it would be far longer than the others.
"""
DOORS: Final = """
The same server programs behind each door. Doors with threads pay for switching them, and the
frameworks for what they do around a message, not for WebSocket.
"""
GROWTH: Final = """
Cost is linear in bytes and in connections: what one byte, one message or one connection costs does
not grow with their number. Below some KiB the cost of a message, not of its bytes, is what is seen.
With one connection alone the process sleeps and wakes for each message, which is dearer than all
that is done for it. The processor's caches are too small for thousands of connections and for
messages of many MiB, which everybody pays for. Memory is counted in pages of 4 KiB, so the smallest
crowds tell least.
"""
NOISE: Final = """
Two programs of which one is a twentieth cheaper cannot be told apart here, and none should be
chosen for it. What a round costs depends on what else the machine and its host do, on clock rates,
and on how many messages happen to be there when the process wakes: the fuller the core, the cheaper
each message. That is why contenders take turns, and why minima, which noise only ever raises, stand
beside medians. Where both agree about a target, believe them.
"""
SPREAD: Final = """In the middle, the dearest round of a contender cost {middle} times its cheapest;
of one in ten it cost {worst} times as much or more.
"""
TIME: Final = """## Where the time goes

Of an echo of 32 bytes more than half is the kernel's: one `send`, one `recv`, and a share of an
`epoll_wait`. A process in plain C that does nothing else pays that too. The rest is, in this order:
waking a greenlet by way of the hub, our own code, and the handler. `recv` and `send` themselves are
called from C.

What keeps it small:

- **Nothing per message but the message.** No queue, lock, timer, Timeout object or greenlet is made
  for one. Who receives reads the socket itself.
- **Wait first.** A `recv` that finds nothing costs as much as being woken, so none is tried before
  the hub says that bytes are there.
- **Corked replies.** While a server answers messages that came together, the replies are kept and
  leave in one call of the kernel: when 64 KiB are full, or at the hub's next turn. The last reply
  goes at once, so a single one is never held back.
- **Replies in a row.** While other connections can go on, the replies of up to eight of them are
  kept, and leave one right after the other. A reply wakes the process that it is for, where that is
  on the same machine, as a proxy in front often is; so it is woken once, and not each time.
- **Typed code.** The modules between the socket and the handler are plain Python with their C types
  beside them. `geventws doctor` tells whether they are compiled.
- **One frame for many.** A broadcast is framed once; where peers compress, it is deflated once for
  all that have the same window.

## What you can do

- **See that it is compiled**: `geventws doctor`. Interpreted, install `geventws[wsaccel]`.
- **Reply in a loop** over `receive()`, without waiting for something else between two messages:
  that is what corking needs.
- **Callbacks for idle crowds.** A connection in the callback style holds no greenlet while nothing
  happens, and takes a fraction of the memory of one that waits in `receive()`.
- **Let go of messages.** `message = ws.receive()` keeps the last one alive while it waits for the
  next; `del message` when you are done, or iterate.
- **Turn compression off** with `compression=None` where the network is fast: to deflate a message
  costs more than all else that is done for it. Messages under 64 bytes are never compressed.
- **Broadcast with a Manager**, not in a loop of `send()`.
- **More processes for more cores.** One process uses one core.
"""
ALL: Final = """
Every scenario that was measured, the cheapest first. Who could not do it is there with the reason.
Who masks byte by byte in Python takes no part from 1 MiB on, where a message takes a tenth of a
second. Our other doors take part in those scenarios alone that have a plot of every door, and in
echoes of 32 B with 16 in flight and of 16 KiB.
"""
VERSIONS: Final = """
What was measured last.
"""
