"""A system clock that jumps an hour, there and back: nothing here goes by it."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from setup import ROOT

# What every clock but the monotonic ones goes through; its jump stands in a file that others write.
CLOCK = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *jump;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("CLOCK_JUMP"), O_RDONLY | O_CLOEXEC);
    jump = mmap(0, sizeof *jump, PROT_READ, MAP_SHARED, file, 0);
    close(file);
}

int clock_gettime(clockid_t which, struct timespec *now) {
    int done = syscall(SYS_clock_gettime, which, now);
    if (!done && which == CLOCK_REALTIME && jump) now->tv_sec += *jump;
    return done;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return into ? (*into = now.tv_sec) : now.tv_sec;
}
"""
PROGRAM = """
import struct, sys, time
import gevent
import geventws
from geventws.server import serve

def echo(ws):
    for message in ws:
        ws.send(message)

def jump(seconds):
    with open(sys.argv[1], "r+b") as file:
        file.write(struct.pack("=q", seconds))

keepalive = dict(ping_interval=0.1, ping_timeout=10.0)
with serve(echo, ("127.0.0.1", 0), **keepalive) as server:
    with geventws.connect(f"ws://127.0.0.1:{server.server_port}/", **keepalive) as ws:
        for seconds in (3600, -3600, 0):
            before = time.time()
            jump(seconds)
            assert abs(time.time() - before) > 3000
            pings = ws.stats.pings_received
            with gevent.Timeout(20):
                while ws.stats.pings_received < pings + 2:
                    gevent.sleep(0.01)
            ws.send("still there?")
            assert ws.receive(timeout=10) == "still there?"
            assert 0 <= ws.ping(timeout=10) < 10
        assert server.connections == 1
print("done")
"""


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the library that has the clock jump."""
    place = tmp_path_factory.mktemp("clock")
    (place / "clock.c").write_text(CLOCK)
    made = place / "clock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", made, place / "clock.c"], check=True)
    return made


def test_connection_outlives_a_clock_that_jumps(clock: Path, tmp_path: Path) -> None:
    jump = tmp_path / "jump"
    jump.write_bytes(struct.pack("=q", 0))
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "LD_PRELOAD": str(clock),
        "CLOCK_JUMP": str(jump),
    }
    command = [sys.executable, "-c", PROGRAM, str(jump)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.stderr) == ("done\n", "")
