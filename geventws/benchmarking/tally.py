"""What was sent, what came back and what failed, on all connections of one target."""

from __future__ import annotations

from collections import Counter

from geventws.benchmarking.histogram import Histogram


class Tally:
    """What one round found, or all rounds of a target together.

    Attributes:
        seconds: how long it was measured.
        ran: the same with warm-up, and with the wait for the last answers.
        processor: seconds of processor time that this process used in that time.
        latencies: of the answers, from when their messages were due (open loop) or sent.
        late: by how much messages were sent later than asked for, where another greenlet sends.
        received: bytes of the answers, before compression.
        unanswered: messages whose connection ended before their answers came.
        failures: how often each thing failed, by its text.
    """

    __slots__ = (
        "failures",
        "late",
        "latencies",
        "processor",
        "ran",
        "received",
        "seconds",
        "unanswered",
    )

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ran = 0.0
        self.processor = 0.0
        self.latencies = Histogram()
        self.late = Histogram()
        self.received = 0
        self.unanswered = 0
        self.failures: Counter[str] = Counter()

    @property
    def messages(self) -> int:
        """How many messages were answered."""
        return self.latencies.count

    @property
    def rate(self) -> float:
        """How many messages were answered a second."""
        return self.messages / self.seconds if self.seconds > 0 else 0.0

    @property
    def busy(self) -> float:
        """How much of one processor this process used; what comes near 1 measures itself."""
        return self.processor / self.ran if self.ran > 0 else 0.0

    def update(self, other: Tally) -> None:
        """Add what *other* found."""
        self.seconds += other.seconds
        self.ran += other.ran
        self.processor += other.processor
        self.latencies.update(other.latencies)
        self.late.update(other.late)
        self.received += other.received
        self.unanswered += other.unanswered
        self.failures.update(other.failures)
