"""examples/sensors without a browser: the server, the simulated device, and who watches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from math import dist
from pathlib import Path

import gevent
import gevent.socket
import pytest

import geventws
from tests.examples.programs import running, serving
from tests.rawpeer import TEXT, RawPeer, frame
from tests.servers import authority, trusting


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving("sensors", "--port", 0) as port:
        yield port


def news(ws: geventws.WebSocket) -> dict[str, list[list[float]]]:
    """Wait for the next message to a watcher."""
    told: dict[str, list[list[float]]] = json.loads(str(ws.receive(timeout=20)))
    return told


def heard(ws: geventws.WebSocket, name: str, count: int) -> list[list[float]]:
    """Wait for that many readings of the device *name*."""
    readings: list[list[float]] = []
    while len(readings) < count:
        readings += news(ws).get(name, [])
    return readings


def wait_until_gone(ws: geventws.WebSocket) -> None:
    """Wait until a watcher is told that there is no device."""
    while news(ws):
        pass


def test_simulated_device_walks_before_the_watchers(port: int) -> None:
    uri = f"ws://127.0.0.1:{port}"
    with geventws.connect(f"{uri}/watch") as ws:
        with running("sensors/device.py", f"{uri}/send") as device:
            assert device.line() == "sending as walker"
            readings = heard(ws, "walker", 60)
        times = [t for t, *_ in readings]
        assert times == sorted(set(times))
        forces = [dist((0, 0, 0), force) for _, *force in readings]
        assert 8 < sum(forces) / len(forces) < 12  # gravity, above all
        assert max(forces) - min(forces) > 4  # and steps
        wait_until_gone(ws)


def test_simulated_device_ends_with_the_server() -> None:
    with ExitStack() as programs:
        server = programs.enter_context(running("sensors", "--port", 0))
        uri = f"ws://127.0.0.1:{server.port}/send"
        device = programs.enter_context(running("sensors/device.py", uri))
        device.line()
        server.process.kill()
        assert device.wait() == 0


def test_devices_of_one_name_are_told_apart(port: int) -> None:
    uri = f"ws://127.0.0.1:{port}/send"
    with geventws.connect(f"{uri}?name=phone") as one, geventws.connect(f"{uri}?name=phone") as two:
        assert (one.receive(timeout=20), two.receive(timeout=20)) == ("phone", "phone 2")
        with geventws.connect(f"ws://127.0.0.1:{port}/watch") as ws:
            two.send("[1, 2, 3, 4]")
            assert heard(ws, "phone 2", 1) == [[1, 2, 3, 4]]
            two.close()
            while news(ws).keys() != {"phone"}:
                pass


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("", "device"),
        ("name=+my%20%20phone+", "my phone"),
        ("name=a%E2%80%AEb", "device"),
        ("name=" + "n" * 99, "n" * 24),
    ],
)
def test_device_gets_a_name_that_can_be_shown(port: int, asked: str, given: str) -> None:
    with geventws.connect(f"ws://127.0.0.1:{port}/send?{asked}") as ws:
        assert ws.receive(timeout=20) == given


@pytest.mark.parametrize(
    "message",
    ["up", "[1, 2, 3]", "4", "null", '{"t": 1}', "[1, 2, 3, null]", "[1, 2, 3, [4]]", b"\xff"],
)
def test_what_is_no_reading_is_refused(port: int, message: str | bytes) -> None:
    with geventws.connect(f"ws://127.0.0.1:{port}/send") as ws:
        ws.receive(timeout=20)
        ws.send(message)
        with pytest.raises(geventws.ConnectionClosed) as caught:
            ws.receive(timeout=20)
        assert (caught.value.code, caught.value.reason) == (1003, "a reading is [t, x, y, z]")


def test_reading_without_end_is_refused(port: int) -> None:
    with geventws.connect(f"ws://127.0.0.1:{port}/send") as ws:
        ws.receive(timeout=20)
        ws.send("[1, 2, 3, NaN]")
        with pytest.raises(geventws.ConnectionClosed, match="finite"):
            ws.receive(timeout=20)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "text/html"),
        ("device", "text/html"),
        ("style.css", "text/css"),
        ("watch.js", "text/javascript"),
    ],
)
def test_server_has_the_pages(port: int, path: str, kind: str) -> None:
    answer = asked(port, path)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert f"Content-Type: {kind}; charset=utf-8".encode() in answer
    assert b"Content-Security-Policy: default-src 'none'; script-src 'self'" in answer


@pytest.mark.parametrize("path", ["relay.py", "../echo_server.py", "device.html/"])
def test_server_has_nothing_but_the_pages(port: int, path: str) -> None:
    assert asked(port, path).startswith(b"HTTP/1.1 404 ")


def asked(port: int, path: str) -> bytes:
    """Return the answer to a plain request."""
    with gevent.socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(b"GET /%b HTTP/1.1\r\nHost: here\r\n\r\n" % path.encode())
        answer = b""
        while more := sock.recv(65536):
            answer += more
        return answer


def test_slow_watcher_holds_up_neither_device_nor_watchers(port: int) -> None:
    rounds, told = 40, 0  # which fill what the kernel holds for a socket, 3 MB, twice
    with ExitStack() as ends:
        slow = ends.enter_context(upgraded(port, "watch"))
        quick = ends.enter_context(upgraded(port, "watch"))
        devices = [ends.enter_context(upgraded(port, f"send?name=d{n}")) for n in range(16)]
        for number in range(rounds):
            reading = json.dumps([number, *[-1.2345678901234567e-100] * 3]).encode()
            for device in devices:
                device.send(100 * frame(TEXT, reading))
            told += told_until(quick, number)
        assert told_until(slow, rounds - 1) < told


def told_until(watcher: RawPeer, t: float) -> int:
    """Return the bytes that a watcher is told until all of 16 devices have sent readings of *t*."""
    size = 0
    have: set[str] = set()
    while len(have) < 16:
        payload = watcher.read_frame()[1]
        size += len(payload)
        have |= {name for name, last in json.loads(payload).items() if last and last[-1][0] == t}
    return size


def upgraded(port: int, target: str) -> RawPeer:
    """Return a connection to *target* that has done nothing but open."""
    peer = RawPeer.to(("127.0.0.1", port))
    peer.socket.settimeout(20)
    peer.upgrade(f"GET /{target} HTTP/1.1", Host=f"127.0.0.1:{port}")
    return peer


def test_server_has_tls(tmp_path: Path) -> None:
    certfile, keyfile = certificate(tmp_path)
    arguments = ["--port", 0, "--certfile", certfile, "--keyfile", keyfile]
    with running("sensors", *arguments) as server:
        said = server.line()
        assert said.startswith("listening on https://127.0.0.1:")
        uri = f"wss://localhost:{said.rpartition(':')[2]}/send"
        with geventws.connect(uri, ssl=trusting()) as ws:
            assert ws.receive(timeout=20) == "device"


def certificate(place: Path) -> tuple[Path, Path]:
    """Return the files of a certificate for localhost, and of its key."""
    issued = authority().issue_cert("localhost")
    certfile, keyfile = place / "cert.pem", place / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certfile)
    issued.private_key_pem.write_to_path(keyfile)
    return certfile, keyfile
