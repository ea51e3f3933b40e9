"""Virtual time: a loop whose timers jump, and the clock that the library goes by meanwhile.

nothing can run -> the clock jumps to the next timer -> its callback runs

Who waits for a timer has nothing else to wait for where all is in memory: so an hour passes as fast
as the greenlets run that it wakes, and two runs of the same program take the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any, Final

import gevent
from gevent.exceptions import LoopExit
from gevent.hub import Waiter
from greenlet import getcurrent

from geventws import clock
from geventws.care import _caretakers

START: Final = 1024.0  # the first time; above 0, since modules take that for "never"
# Seconds that go by with nobody but the caretaker waiting until the hub finds that all is over.
PATIENCE: Final = 3600.0

Loop: Any = gevent.config.loop


class VirtualLoop(Loop):  # type: ignore[misc]
    """gevent's loop, but for its timers: their time is *time*, and goes by when nothing else can.

    What comes through descriptors and from threads is taken first, as far as it is here.
    """

    def __init__(self, default: bool) -> None:
        super().__init__(default=default)
        self.time = START
        self._timers: list[tuple[float, int, int, VirtualTimer]] = []  # a heap
        self._number = 0
        self._over_at = START + PATIENCE
        self._asleep = self.idle()  # is called where nothing of a higher priority happens
        self._asleep.priority = self.MINPRI

    def timer(
        self, after: float, repeat: float = 0.0, ref: bool = True, priority: int | None = None
    ) -> VirtualTimer:
        """Return a timer of this loop's time."""
        return VirtualTimer(self, after, repeat, ref, priority or 0)

    def now(self) -> float:
        """Return the loop's time."""
        return self.time

    def add(self, timer: VirtualTimer, due: float) -> int:
        """Have *timer* run when it is *due*; return the number of this order."""
        self._number += 1
        heappush(self._timers, (due, -timer.priority, self._number, timer))
        if timer.ref:
            self._over_at = max(self._over_at, due + PATIENCE)
        if not self._asleep.active:
            self._asleep.start(self._jump)
        return self._number

    def _jump(self) -> None:
        """Let time pass up to the next timer, and run all that are due then."""
        if self._callbacks:  # gevent runs so many of them, then looks at its descriptors
            return
        self._drop_stopped()
        if not self._timers or self._timers[0][0] > self._over_at:
            self._asleep.stop()
            return
        self.time = max(self.time, self._timers[0][0])
        clock.hold(self.time)
        while self._timers and self._timers[0][0] <= self.time:
            _, _, number, timer = heappop(self._timers)
            timer.run(number)

    def _drop_stopped(self) -> None:
        while self._timers and not self._timers[0][3].waits(self._timers[0][2]):
            heappop(self._timers)


class VirtualTimer:
    """A timer as gevent's loops have them, on a VirtualLoop."""

    def __init__(
        self, loop: VirtualLoop, after: float, repeat: float, ref: bool, priority: int
    ) -> None:
        self.loop = loop
        self.ref = ref
        self.priority = priority
        self.callback: Callable[..., object] | None = None
        self.args: tuple[Any, ...] | None = None
        self._after = max(after, 0.0)
        self._repeat = repeat
        self._number = 0  # of what it waits for; 0 is nothing
        self._running: Any = None  # the loop's callback, once the time is up

    @property
    def pending(self) -> bool:
        """Whether the time is up, and the callback about to run."""
        return self._running is not None and bool(self._running.pending)

    @property
    def active(self) -> bool:
        """Whether it is started and not over."""
        return self._number > 0 or self.pending

    def start(self, callback: Callable[..., object], *args: Any, update: bool = False) -> None:
        """Have *callback* called when the time is up; *update* has no meaning here."""
        self.stop()
        self.callback, self.args = callback, args
        self._number = self.loop.add(self, self.loop.time + self._after)

    def again(self, callback: Callable[..., object], *args: Any, update: bool = False) -> None:
        """Begin anew, with the time of a repetition where there is one."""
        self._after = self._repeat or self._after
        self.start(callback, *args)

    def stop(self) -> None:
        """Call nobody."""
        self._number = 0
        if self._running is not None:
            self._running.stop()
        self._running = self.callback = self.args = None

    def close(self) -> None:
        """Call nobody, as stop()."""
        self.stop()

    def waits(self, number: int) -> bool:
        """Return whether what it waits for has this *number*."""
        return self._number == number

    def run(self, number: int) -> None:
        """Have the loop call back, unless the timer was stopped, or started again, meanwhile."""
        if not self.waits(number) or self.callback is None:
            return
        self._running = self.loop.run_callback(self.callback, *(self.args or ()))
        self._number = self.loop.add(self, self.loop.time + self._repeat) if self._repeat else 0

    def __enter__(self) -> VirtualTimer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Stay:
    """The stay of this thread's hub in a virtual loop, in a callback of its own loop.

    The hub remains, and with it what belongs to it: locks, events and queues that others have made
    are as good within as before and after.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._hub: Any = gevent.get_hub()
        self._own = self._hub.loop
        self._who: Any = getcurrent()
        self._begun: Any = Waiter(self._hub)
        self._over = False

    def begin(self) -> None:
        """Return when the hub is with the virtual loop."""
        for made in ("threadpool", "resolver"):  # of the loop there is when they are first needed
            getattr(self._hub, made)
        self._own.run_callback(self._run)
        try:
            self._begun.get()
        except BaseException:  # as when this greenlet is killed
            self.end()
            raise

    def end(self) -> None:
        """Return when the hub is with its own loop again."""
        self._over = True
        if self._hub.loop is self._loop:
            self._loop.break_()
            ended: Any = Waiter(self._hub)
            self._own.run_callback(ended.switch, None)
            ended.get()
        self._loop.destroy()

    def _run(self) -> None:
        """Run the virtual loop; called by the hub in its own."""
        if self._over:
            return
        caretaker = _caretakers.pop(self._hub, None)  # it sleeps in the other loop
        self._hub.loop, self._loop.error_handler = self._loop, self._hub
        self._loop.run_callback(self._begun.switch, None)
        while not self._over:
            self._loop.run()
            if not self._over:
                self._who.throw(LoopExit("This operation would block forever", self._hub, []))
        self._hub.loop, self._loop.error_handler = self._own, None
        _caretakers.pop(self._hub, None)
        if caretaker is not None:
            _caretakers[self._hub] = caretaker
        self._own.update_now()  # real time went by


@contextmanager
def virtual_time() -> Iterator[VirtualLoop]:
    """Have the time of this thread's hub be virtual for a block, and the library's clock with it.

    Who has waited for a timer or for a descriptor before does so until the end of the block. Who is
    left then, waiting for one of the block's, never runs again.

    Raises:
        RuntimeError: there is such a block already, in this thread or another one.
    """
    if clock.is_held():
        raise RuntimeError("virtual time is there already; one at a time has it")
    clock.hold(START)
    try:
        loop = VirtualLoop(default=False)
        stay = _Stay(loop)
        stay.begin()
        try:
            yield loop
        finally:
            stay.end()
    finally:
        clock.hold(-1.0)
