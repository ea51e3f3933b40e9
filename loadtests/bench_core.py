"""What the core costs per message, in memory, as it is imported: `python loadtests/bench_core.py`.

Run it before and after `make build` to compare the interpreted and the compiled twins.
"""

from __future__ import annotations

from time import process_time

from geventws.core import frame
from geventws.core.codes import Side
from geventws.core.protocol import Protocol

SIZES = {16: 20_000, 125: 20_000, 1024: 10_000, 65536: 500}
ROUNDS = 5


def echo(client: Protocol, server: Protocol, message: bytes) -> None:
    """Send *message* from the client to the server and back."""
    for sender, receiver in ((client, server), (server, client)):
        sender.send_message(message)
        for data in sender.data_to_send():
            receiver.receive_data(data)
        receiver.frames_this_turn = sender.frames_this_turn = 0
        assert receiver.next_message() is not None


def microseconds(size: int, count: int) -> float:
    """Return the processor time of one echo of *size* bytes, the best of some rounds."""
    client, server = Protocol(Side.CLIENT), Protocol(Side.SERVER)
    best = float("inf")
    for _ in range(ROUNDS):
        start = process_time()
        for _ in range(count):
            echo(client, server, bytes(size))
        best = min(best, process_time() - start)
    return best / count * 1e6


if __name__ == "__main__":
    twin = "interpreted" if frame.__file__.endswith(".py") else "compiled"
    print(f"{twin}: microseconds per echo, both sides")
    for size, count in SIZES.items():
        print(f"{size:>8} bytes {microseconds(size, count):8.2f}")
