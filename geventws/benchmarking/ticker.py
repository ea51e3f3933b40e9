"""Waiting for a moment: the hub's timers are up to a millisecond late, as epoll counts in those."""

from __future__ import annotations

import ctypes
import os
from time import monotonic
from typing import Any, Final

import gevent

CLOCK_MONOTONIC: Final = 1  # the clock of time.monotonic(), and these three as Linux has them
TFD_TIMER_ABSTIME: Final = 1
READ: Final = 1  # of gevent's io watchers


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Timer(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


_libc = ctypes.CDLL(None, use_errno=True)
HAS_TIMERFD: Final = hasattr(_libc, "timerfd_create")  # only Linux has


class Ticker:
    """Has one caller wait until a moment; a descriptor of the kernel's that becomes readable then.

    Where *fine* is false, a timer of the hub's does.
    """

    __slots__ = ("_descriptor", "_io")

    def __init__(self, fine: bool = HAS_TIMERFD) -> None:
        self._descriptor = -1
        self._io: Any = None
        if fine:
            self._descriptor = _libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
            if self._descriptor < 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            self._io = gevent.get_hub().loop.io(self._descriptor, READ)

    def sleep_until(self, moment: float) -> None:
        """Let others run until *moment* of the monotonic clock; at least once if it has passed."""
        if self._io is None:
            gevent.sleep(max(moment - monotonic(), 0.0))
            return
        seconds = int(moment)
        value = _Time(seconds, int((moment - seconds) * 1e9))
        timer = ctypes.byref(_Timer(_Time(0, 0), value))
        _libc.timerfd_settime(self._descriptor, TFD_TIMER_ABSTIME, timer, None)
        gevent.get_hub().wait(self._io)
        os.read(self._descriptor, 8)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._io is not None:
            self._io.close()
            self._io = None
            os.close(self._descriptor)
