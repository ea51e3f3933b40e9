"""A bare gevent socket, against a server that sends back what comes."""

from __future__ import annotations

from gevent import socket

from loadtests.bench.clients import Plan
from loadtests.bench.clients.greenlets import measure


def _talk(plan: Plan, index: int) -> None:
    with socket.create_connection(("127.0.0.1", plan.port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            sock.sendall(plan.message)
            left = len(plan.message)
            while left:
                left -= len(sock.recv(65536))
            plan.counts[index] += 1


def main(plan: Plan) -> None:
    """Make round trips."""
    measure(_talk, plan)
