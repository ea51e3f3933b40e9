"""nginx and HAProxy, each a process of its own, set up as docs/howto/behind-nginx.md says.

The text of the page is taken as it stands, with other ports and paths, and what a test changes.
"""

from __future__ import annotations

import json
import os
import re
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import gevent
from gevent import socket
from gevent.subprocess import DEVNULL, PIPE, Popen

from geventws.client import connect
from setup import ROOT
from tests.crowds import until
from tests.ports import free_port
from tests.proxied.upstream import Told
from tests.rawpeer import RawPeer, head
from tests.servers import authority, trusting

IN_TIME: Final = 30.0  # seconds; what takes longer hangs
PAGE: Final = (ROOT / "docs" / "howto" / "behind-nginx.md").read_text("utf-8")
UPSTREAM: Final = "127.0.0.1:9000"  # of the page
Change = tuple[str, str]

# what an unprivileged nginx needs to live in a folder
NGINX: Final = """
daemon off;
{user}
pid {folder}/pid;
error_log stderr notice;
{main}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
}}
"""


def blocks(language: str) -> list[str]:
    """Return what the page shows in *language*."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def changed(text: str, *changes: Change) -> str:
    """Return *text* with each of *changes* made at the one place where it can be made."""
    for before, after in changes:
        assert text.count(before) == 1, (before, text)
        text = text.replace(before, after)
    return text


class Proxy(ABC):
    """A proxy that runs, and how to visit it."""

    ready: str  # what it says when its workers are there
    left = "exited with code 0"  # what it says when an old one has gone
    quits: int  # the signal that ends it when nobody is left

    def __init__(self, process: Any, port: int) -> None:
        self.process = process
        self.port = port
        self.origin = f"https://127.0.0.1:{port}"
        self.log = ""

    def line(self, wanted: str) -> None:
        """Wait for a line with *wanted* in it."""
        with gevent.Timeout(IN_TIME, AssertionError(f"no {wanted!r} came")):
            while said := self.process.stderr.readline().decode():
                self.log += said
                if wanted in said:
                    return
        raise AssertionError(self.log)

    def connect(self, client: str = "127.0.0.2", path: str = "/", **arguments: Any) -> Any:
        """Open a WebSocket from the address *client*."""
        given: Any = {"ssl": trusting(), "server_hostname": "localhost", "compression": None}
        given.update(ping_interval=None, source_address=(client, 0), **arguments)
        return connect(f"wss://127.0.0.1:{self.port}{path}", **given)

    def page(self, **headers: str | None) -> Told:
        """Ask for a page, with an upgrade's headers but for *headers*; it tells what was heard."""
        with RawPeer.to(("127.0.0.1", self.port), trusting()) as peer:
            peer.send(head("GET /page HTTP/1.1", **headers))
            return Told(*json.loads(peer.read_response().body))

    @abstractmethod
    def reload(self) -> None:
        """Have new workers take over."""

    def quit(self) -> None:
        """Have it end when nobody is left."""
        self.process.send_signal(self.quits)


class Nginx(Proxy):
    """nginx, whose log says what its workers do."""

    ready = "start worker process "
    quits = signal.SIGQUIT

    def reload(self) -> None:
        """Have new workers take over, as nginx -s reload does."""
        self.process.send_signal(signal.SIGHUP)
        self.line(self.ready)
        self.line("gracefully shutting down")


class HAProxy(Proxy):
    """HAProxy's master, and its worker."""

    ready = "Loading success."
    quits = signal.SIGUSR1
    master: str  # the path of a socket on which the master answers

    def reload(self) -> None:
        """Have a new worker take over, as systemctl reload does."""
        until(self._hears)
        self.process.send_signal(signal.SIGUSR2)
        self.line(self.ready)

    def quit(self) -> None:
        """Have it end when nobody is left."""
        until(self._hears)
        super().quit()

    def _hears(self) -> bool:
        """Return whether the master answers: it starts anew first, and hears no signals then."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(IN_TIME)
            if asking.connect_ex(self.master):
                return False
            asking.sendall(b"show proc\n")
            return bool(asking.recv(4096))


class Setup(Protocol):
    """How a proxy is started, in *folder*, in front of an address."""

    def __call__(
        self, folder: Path, upstream: Any, *changes: Change
    ) -> AbstractContextManager[Proxy]:
        """Have it run."""


@contextmanager
def nginx(folder: Path, upstream: Any, *changes: Change) -> Iterator[Nginx]:
    """Have nginx run as the page says but for *changes*; *upstream* is a port or a path."""
    port = free_port()
    certificate, key = certify(folder)
    main, http, unix = blocks("nginx")
    if isinstance(upstream, str):
        tcp = next(block for block in http.split("\n\n") if block.startswith("upstream"))
        http = changed(http, (tcp, changed(unix, ("/run/chat/socket", upstream))))
    else:
        http = changed(http, (UPSTREAM, f"127.0.0.1:{upstream}"))
    moved = [
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("/etc/nginx/chain.pem", certificate),
        ("/etc/nginx/key.pem", key),
    ]
    text = NGINX.format(
        folder=folder,
        user="user root;" if os.geteuid() == 0 else "",  # or its workers cannot reach the socket
        main=main,
        http=changed(http, *moved),
    )
    path = folder / "nginx.conf"
    path.write_text(changed(text, *changes))
    command = ["/usr/sbin/nginx", "-e", "stderr", "-p", str(folder), "-c", str(path)]
    with running(command) as process:
        proxy = Nginx(process, port)
        proxy.line(proxy.ready)
        yield proxy


@contextmanager
def haproxy(folder: Path, upstream: Any, *changes: Change) -> Iterator[HAProxy]:
    """Have HAProxy run as the page says but for *changes*; *upstream* is a port or a path."""
    port = free_port()
    certificate, key = map(Path, certify(folder))
    (folder / "both.pem").write_text(certificate.read_text() + key.read_text())
    (text,) = blocks("text")
    address = f"unix@{upstream}" if isinstance(upstream, str) else f"127.0.0.1:{upstream}"
    moved = [
        ("bind :443", f"bind 127.0.0.1:{port}"),
        ("/etc/haproxy/chat.pem", str(folder / "both.pem")),
        (UPSTREAM, address),
    ]
    (folder / "haproxy.cfg").write_text(changed(text, *moved, *changes))
    master = str(folder / "master")
    command = ["/usr/sbin/haproxy", "-W", "-db", "-S", master, "-f", str(folder / "haproxy.cfg")]
    with running(command) as process:
        proxy = HAProxy(process, port)
        proxy.master = master
        proxy.line(proxy.ready)
        yield proxy


def certify(folder: Path) -> tuple[str, str]:
    """Write a certificate for localhost and its key to *folder*, and return their paths."""
    issued = authority().issue_cert("localhost")
    paths = str(folder / "chain.pem"), str(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(paths[0])
    issued.private_key_pem.write_to_path(paths[1])
    return paths


@contextmanager
def running(command: list[str]) -> Iterator[Any]:
    """Have a proxy run in the foreground, and end it with all that it has started."""
    process: Any = Popen(command, stdout=DEVNULL, stderr=PIPE, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            with gevent.Timeout(IN_TIME / 3):
                process.communicate()
        finally:
            end_group(process.pid)


def end_group(leader: int) -> None:
    """Kill who is left of the processes that *leader* has started."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:  # nobody is
        return
