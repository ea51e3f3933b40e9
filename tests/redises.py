"""Redis servers in processes of their own, that can be killed, paused and started again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gevent
from gevent import socket
from gevent.server import StreamServer
from gevent.subprocess import DEVNULL, STDOUT, Popen

from tests.ports import free_port
from tests.servers import authority

PATIENCE = 20.0  # seconds
PROGRAM = "redis-server"
EPHEMERAL: tuple[str, ...] = ("--save", "")
MASTERS = 3
CLUSTERED = (
    *("--cluster-enabled", "yes", "--cluster-node-timeout", "2000"),
    *("--repl-diskless-sync-delay", "0"),
)
DURABLE: tuple[str, ...] = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
OK = b"+PONG\r\n"


def _port() -> int:
    """Return a port that nobody listens on, and for which there is one 10,000 above."""
    port = free_port()
    return port if port < 50_000 else port - 20_000


class RedisServer:
    """A redis-server with what it keeps in *directory*, on a port and a unix socket."""

    def __init__(self, directory: Path, *arguments: str, config: Path | None = None) -> None:
        self.directory = directory
        self.port = _port()
        self._config = [] if config is None else [str(config)]
        self.path = directory / "redis.sock"
        self._arguments = arguments or EPHEMERAL
        self._process: Any = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def unix_url(self) -> str:
        return f"unix://{self.path}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [PROGRAM, *self._config, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--unixsocket", str(self.path), "--dir", str(self.directory)]
        log = self.directory / "log"
        with log.open("ab") as out:
            self._process = Popen(
                [*command, *self._arguments], stdin=DEVNULL, stdout=out, stderr=STDOUT
            )
        with gevent.Timeout(PATIENCE, AssertionError(log)):
            while not self._answers():
                assert self._process.poll() is None, log.read_text()
                gevent.sleep(0.005)

    @property
    def name(self) -> str:
        """What it is called in its cluster."""
        return self.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode()

    def _answers(self) -> bool:
        try:
            return self.ask("PING").startswith(OK)
        except OSError:
            return False

    def ask(self, *words: str | bytes) -> bytes:
        """Send a command over the unix socket and return what comes at once."""
        parts = [each.encode() if isinstance(each, str) else each for each in words]
        command = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.path))
            client.sendall(command)
            answer: bytes = client.recv(65536)
        return answer

    def kill(self) -> None:
        """End it at once, as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Have it do nothing; its sockets stay open."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        os.kill(self._process.pid, signal.SIGCONT)


@contextmanager
def redis_server(*arguments: str) -> Iterator[RedisServer]:
    """Have a redis-server, with *arguments* or else one that keeps nothing on disk."""
    with TemporaryDirectory(prefix="redis") as directory:
        server = RedisServer(Path(directory), *arguments)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextmanager
def tls_server() -> Iterator[tuple[str, str]]:
    """Have a redis-server that speaks TLS; give its URL and the file of who has signed for it."""
    with TemporaryDirectory(prefix="redis") as directory:
        place = Path(directory)
        key, chain, signer = (str(place / name) for name in ("key.pem", "chain.pem", "ca.pem"))
        certificate = authority().issue_cert("localhost")
        certificate.private_key_pem.write_to_path(key)
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(chain, append=True)
        authority().cert_pem.write_to_path(signer)
        port = _port()
        arguments = ["--tls-port", str(port), "--tls-cert-file", chain, "--tls-key-file", key]
        arguments += ["--tls-ca-cert-file", signer, "--tls-auth-clients", "no"]
        server = RedisServer(place, *EPHEMERAL, *arguments)
        try:
            server.start()
            yield f"rediss://localhost:{port}", signer
        finally:
            server.kill()


class Cluster:
    """Three masters, which share all slots, and a replica of the first.

    Redis takes two seconds to trust a cluster, so they are started early and waited for late.

    Attributes:
        servers: the masters in the order of their slots, then the replica.
    """

    def __init__(self, directory: Path) -> None:
        self.servers = []
        for number in range(MASTERS + 1):
            place = directory / str(number)
            place.mkdir()
            self.servers.append(RedisServer(place, *EPHEMERAL, *CLUSTERED))
            self.servers[-1].start()
        for number, server in enumerate(self.servers[:MASTERS]):
            first, end = (16384 * each // MASTERS for each in (number, number + 1))
            server.ask("CLUSTER", "ADDSLOTSRANGE", str(first), str(end - 1))
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for server, other in permutations(self.servers, 2):
            server.ask("CLUSTER", "MEET", "127.0.0.1", str(other.port))

    def join(self) -> list[RedisServer]:
        """Wait until the slots are served; return the servers."""
        with gevent.Timeout(PATIENCE, AssertionError("no cluster")):
            while not all(map(self._is_joined, self.servers)):
                gevent.sleep(0.02)
        master, replica = self.servers[0], self.servers[-1]
        assert replica.ask("CLUSTER", "REPLICATE", master.name).startswith(b"+OK")
        return self.servers

    def _is_joined(self, server: RedisServer) -> bool:
        info = server.ask("CLUSTER", "INFO")
        return b"cluster_state:ok" in info and b"known_nodes:%d\r" % len(self.servers) in info

    def kill(self) -> None:
        """End them all."""
        for server in self.servers:
            server.kill()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Have a cluster that is beginning to be one."""
    with TemporaryDirectory(prefix="redis") as directory:
        begun = Cluster(Path(directory))
        try:
            yield begun
        finally:
            begun.kill()


@contextmanager
def sentinel(directory: str, master: RedisServer) -> Iterator[RedisServer]:
    """Have a sentinel in *directory* that watches over *master*, which it calls "theirs"."""
    place = Path(directory)
    config = place / "sentinel.conf"
    config.write_text(
        f"sentinel monitor theirs 127.0.0.1 {master.port} 1\n"
        "sentinel down-after-milliseconds theirs 2000\n"
    )
    watcher = RedisServer(place, "--sentinel", config=config)
    try:
        watcher.start()
        yield watcher
    finally:
        watcher.kill()


class Cable(StreamServer):
    """What lies between brokers and a Redis, where a test can cut it.

    Attributes:
        is_cut: whether who connects is turned away.
        loses: bytes; a reply that begins with them is lost, and the connection with it.
        silent: whether Redis is not heard any more, though nothing is closed.
    """

    def __init__(self, server: RedisServer) -> None:
        super().__init__(("127.0.0.1", 0), self._pass)
        self._server = server
        self._ends: set[Any] = set()
        self.is_cut = False
        self.silent = False
        self.loses: bytes | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.address[1]}"

    def cut(self) -> None:
        """Close every connection, and turn away who comes, until mend()."""
        self.is_cut = True
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections be again."""
        self.is_cut = False

    def _pass(self, near: Any, address: object) -> None:
        if self.is_cut:
            return
        with suppress(OSError), near:
            far = socket.create_connection(("127.0.0.1", self._server.port))
            with far:
                self._pass_on(near, far)

    def _pass_on(self, near: Any, far: Any) -> None:
        self._ends |= {near, far}
        back = gevent.spawn(self._pass_back, far, near)
        try:
            while data := near.recv(65536):
                far.sendall(data)
        finally:
            back.kill()
            self._ends -= {near, far}

    def _pass_back(self, far: Any, near: Any) -> None:
        with suppress(OSError):
            while data := far.recv(65536):
                if self.loses is not None and data.startswith(self.loses):
                    self.loses = None
                    break
                if not self.silent:
                    near.sendall(data)
        with suppress(OSError):
            near.shutdown(socket.SHUT_RDWR)


@contextmanager
def cabled(server: RedisServer) -> Iterator[Cable]:
    """Have a cable that leads to *server*."""
    cable = Cable(server)
    cable.start()
    try:
        yield cable
    finally:
        cable.cut()
        cable.stop(timeout=0)
