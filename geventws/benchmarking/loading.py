"""One round of load: messages go out by a plan, and answers are counted.

closed loop    an answer -> the next message
open loop      the moment that a message is due -> its lane's sender -> ... -> its lane's receiver
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from math import inf
from time import monotonic, process_time
from typing import Any, Final

import gevent
from gevent.pool import Group

from geventws.benchmarking.lane import Lane
from geventws.benchmarking.plan import Plan, size_of
from geventws.benchmarking.tally import Tally
from geventws.benchmarking.ticker import Ticker
from geventws.core.errors import ConnectionClosed
from geventws.failures import failure_text

WRONG: Final = "wrong answer"
UNASKED: Final = "a message that answers none"
LOOKS: Final = 8  # at what is overdue, in the time that an answer may take


class Round:
    """Loads *lanes* as *plan* says, once, and counts in *tally*.

    In the open loop message number n is due n / rate seconds after the start, whatever became of
    the others, on the lanes in turn; its latency counts from then on. So a server that stalls is
    blamed for all messages that were due meanwhile, which is free of coordinated omission.
    """

    def __init__(self, plan: Plan, lanes: Sequence[Lane], tally: Tally) -> None:
        self._plan = plan
        self._lanes = [lane for lane in lanes if not lane.over]
        self._tally = tally
        self._receivers: dict[Lane, Any] = {}
        self._greenlets = Group()
        self._left = inf if plan.count is None else plan.count  # to be sent that count
        self._start = self._begin = self._end = self._last = 0.0
        self._all_asked = False

    def run(self) -> None:
        """Return when the round is over and all that is under way is answered, or overdue.

        Only the caller waits, and only once.
        """
        for lane in self._lanes:
            lane.pass_over()
        processor = process_time()
        self._set_out()
        try:
            self._greenlets.spawn(self._watch)
            for lane in self._lanes:
                if lane.has_sender:
                    self._greenlets.spawn(lane.send_asked, self._note_sending)
            if self._plan.rate is None:
                self._receive_with(self._keep_in_flight)
            else:
                self._receive_with(self._take_answers)
                self._greenlets.spawn(self._keep_rate, self._plan.rate).get()
                self._dismiss_idle()
            gevent.joinall(list(self._receivers.values()), raise_error=True)
        finally:
            self._greenlets.kill()
            self._tally.seconds = self._length()
            self._tally.ran = monotonic() - self._start
            self._tally.processor = process_time() - processor

    def stop(self) -> None:
        """End the round now; what is under way counts neither as answered nor as failed."""
        self._end = min(self._end, monotonic())
        self._all_asked = True
        self._greenlets.kill(block=False)

    def _set_out(self) -> None:
        self._start = monotonic()
        self._begin = self._last = self._start + self._plan.warm_up
        self._end = inf if self._plan.duration is None else self._begin + self._plan.duration

    def _length(self) -> float:
        """Return the seconds in which messages counted."""
        until = min(self._end, monotonic())
        if self._left == 0 or (self._plan.duration is None and self._tally.messages):
            until = 0.0  # the last answer, and not the time that others were waited for
        return max(until, self._last) - self._begin

    def _may_ask(self, due: float) -> bool:
        """Return whether a message that is due then belongs to the round, and count it."""
        if due >= self._end:
            return False
        if due >= self._begin:
            if self._left <= 0:
                return False
            self._left -= 1
        return True

    # Receiving

    def _receive_with(self, receive: Callable[[Lane], None]) -> None:
        for lane in self._lanes:
            self._receivers[lane] = self._greenlets.spawn(self._until_closed, receive, lane)

    def _until_closed(self, receive: Callable[[Lane], None], lane: Lane) -> None:
        try:
            receive(lane)
        except ConnectionClosed as closed:
            self._give_up(lane, failure_text(closed))

    def _keep_in_flight(self, lane: Lane) -> None:
        """Have as many messages under way on *lane* as there should be, until the round is over."""
        for _ in range(self._plan.in_flight):
            if self._may_ask(now := monotonic()):
                lane.ask(now)
        receive, judge, may_ask, ask = lane.ws.receive, self._judge, self._may_ask, lane.ask
        while lane.waiting:
            answer = receive()
            now = monotonic()
            judge(lane, answer, now)
            if may_ask(now):
                ask(now)

    def _take_answers(self, lane: Lane) -> None:
        receive, judge = lane.ws.receive, self._judge
        while lane.waiting or not self._all_asked:
            judge(lane, receive(), monotonic())

    def _judge(self, lane: Lane, answer: str | bytes, now: float) -> None:
        tally = self._tally
        if not lane.waiting:
            if not lane.over:
                tally.failures[UNASKED] += 1
            return
        due = lane.waiting.popleft()
        if not lane.is_right(answer):
            tally.failures[WRONG] += 1
        elif due >= self._begin:
            tally.latencies.add(now - due)
            tally.received += size_of(answer)
            self._last = now

    # Sending

    def _keep_rate(self, rate: float) -> None:
        """Ask for each message at the moment it is due, and return when the last one was."""
        self._set_out()  # now that all lanes are ready, which takes a while where they are many
        lanes = self._in_turn()
        ticker = Ticker()
        now = monotonic()
        try:
            for number in count():
                due = self._start + number / rate
                if due > now:  # as of a while ago: who is behind lets others run as well
                    ticker.sleep_until(min(due, self._end))
                    now = monotonic()
                lane = next(lanes, None)
                if lane is None or not self._may_ask(due):
                    return
                lane.ask(due)
                if not self._left:
                    return
        finally:
            ticker.close()

    def _in_turn(self) -> Iterator[Lane]:
        """Yield the lanes over and over, without those that are over: the others keep the rate."""
        lanes = deque(self._lanes)
        while lanes:
            lane = lanes.popleft()
            if not lane.over:
                lanes.append(lane)
                yield lane

    def _note_sending(self, due: float) -> None:
        if due >= self._begin:
            self._tally.late.add(monotonic() - due)

    def _dismiss_idle(self) -> None:
        """End the receivers that would wait for nothing."""
        self._all_asked = True
        idle = [each for lane, each in self._receivers.items() if not lane.waiting]
        gevent.killall(idle)

    # What takes too long

    def _watch(self) -> None:
        timeout = self._plan.timeout
        while True:
            gevent.sleep(timeout / LOOKS)
            oldest = monotonic() - timeout
            for lane in self._lanes:
                if lane.waiting and lane.waiting[0] < oldest:
                    self._give_up(lane, f"no reply in {timeout:g} s")
                    lane.ws.drop()

    def _give_up(self, lane: Lane, why: str) -> None:
        """Have *lane* be over; *why* counts once, whoever finds that out first."""
        if not lane.over:
            lane.over = True
            self._tally.failures[why] += 1
            self._tally.unanswered += len(lane.waiting)
            lane.waiting.clear()
