"""The fault model: what must be held, survived and refused, and what shows each.

A row names tests, as FILE or FILE::PART_OF_A_NAME under tests/, and scenarios of this package.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Row(NamedTuple):
    """One load, fault or bad input."""

    name: str
    what: str
    tests: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()


SILENCE, OPENINGS, HUGE = (f"faults/test_{each}.py" for each in ("silence", "openings", "messages"))
NETWORK, PROCESSES = "faults/test_network.py", "faults/test_processes.py"
FAULTS, VOLUME = "test_websocket_faults.py", "test_websocket_volume.py"

LOADS: Final = [
    Row("L1", "10,000 idle connections, pings on", ("test_server_idle.py",), ("steady",)),
    Row("L2", "idle ones, and others that talk in numbered messages", (), ("steady",)),
    Row("L3", "100,000 connections that come, talk and leave", (), ("cycles",)),
    Row(
        *("L4", "broadcasts to a crowd of which some do not read"),
        *(("faults/test_broadcasts.py",), ("broadcasts",)),
    ),
    Row("L5", "floods beside quiet ones", (f"{SILENCE}::flooders",), ("neighbours",)),
    Row("L6", "many greenlets send on one connection", (f"{VOLUME}::many_senders",)),
    Row(
        "L7",
        "large messages both ways at once, on 20 connections",
        (f"{HUGE}::as_large_as_may_be",),
    ),
    Row(
        *("L8", "clients come back after their server is gone"),
        (
            *("test_prefork.py::restart_refuses_nobody", f"{NETWORK}::reconnect_goes_on"),
            "test_reconnecting.py::goes_on_after",
        ),
        ("workers",),
    ),
]
SURVIVED: Final = [
    Row("F1", "send() is interrupted anywhere", (f"{FAULTS}::interrupted_send",)),
    Row("F2", "receive() is interrupted anywhere", (f"{FAULTS}::interrupted_receive",)),
    Row(
        *("F3", "single bytes, EAGAIN, and an error at every call of a socket"),
        ("test_transport_faults.py", f"{NETWORK}::wherever_the_network_does"),
    ),
    Row(
        *("F4", "a peer vanishes: stopped, behind a network that stalls, or off the wire"),
        (
            *(f"{SILENCE}::answer_no_ping", f"{NETWORK}::stalls", f"{PROCESSES}::is_stopped"),
            "faults/namespaces.py",
        ),
    ),
    Row("F5", "a peer stops reading", (f"{SILENCE}::never_read", f"{FAULTS}::stops_reading")),
    Row(
        *("F6", "kill -9 of one of several workers"),
        *(("test_prefork.py::killed_worker",), ("workers",)),
    ),
    Row(
        *("F7", "SIGTERM under load"),
        *(("test_prefork.py::every_message", "test_stopping.py"), ("drain",)),
    ),
    Row("F10", "no descriptor is left at accept", ("test_acceptor.py::without_descriptors",)),
    Row("F11", "a handler raises, or returns", ("test_server.py::handler_that_fails",)),
    Row("F12", "a handler keeps the processor", (f"{FAULTS}::busy_handler",)),
    Row("F13", "the system clock jumps an hour", ("faults/test_clock.py",)),
    Row("F14", "a peer says no more", (f"{SILENCE}::say_no_more", f"{FAULTS}::half_closed")),
    Row("F15", "a fork with open connections", (f"{PROCESSES}::fork", "test_forked.py")),
    Row(
        *("F16", "TLS that is cut, never finished, or has frames left in it"),
        ("test_transport_tls.py", f"{OPENINGS}::tls_that_is_never_finished"),
    ),
    Row("F17", "races to open and close", (f"{FAULTS}::races_to_close",)),
    Row(
        *("F18", "a process with gevent's patches, and without"),
        ("test_websocket_patched.py", "test_client_patched.py"),
    ),
]
REFUSED: Final = [
    Row("B1", "frames, mutated", ("fuzz/test_fuzz.py",), ("hostile",)),
    Row("B2", "handshakes, mutated", ("core/test_handshake_limits.py",), ("hostile",)),
    Row("B3", "compressed messages, mutated", ("core/test_deflate.py",), ("hostile",)),
    Row("B4", "what the Autobahn suite asks, over all doors", ("conformance/test_rules_doors.py",)),
    Row("B6", "bombs", (f"{HUGE}::over_a_limit",)),
    Row("B7", "crumbs, and messages that never end", (f"{HUGE}::never_ends",)),
    Row("B8", "openings that drip", (f"{OPENINGS}::drips",), ("neighbours",)),
    Row("B9", "floods of pings", (f"{SILENCE}::pings_of_peers",), ("neighbours",)),
    Row(
        *("B10", "line breaks in what goes out"),
        ("core/test_headers.py", "faults/test_line_breaks.py"),
    ),
    Row(
        *("B11", "pages of other sites"),
        ("test_upgrader.py::checks_origins", "faults/test_hijacking.py"),
    ),
]
TABLES: Final = {"Load": LOADS, "Faults": SURVIVED, "Bad input": REFUSED}
