"""What a doctor finds around a process: patches, gunicorn's worker, proxies and trust."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from geventws.cli.findings import Fact
from geventws.cli.surroundings import (
    gunicorn_settings,
    patches,
    proxies,
    surroundings,
    taken_before,
    trust,
    worker,
)
from tests.servers import authority

OURS = "geventws.adapters.gunicorn.GeventWebSocketWorker"
# what takes something before the patch, and what does so after it
PROGRAM = """
import early
from gevent import monkey; monkey.patch_all()
import late
from geventws.cli.surroundings import patches, taken_before
print(*patches([]), *patches(list(taken_before())), sep="|")
"""


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have no settings of gunicorn and no proxies here but a test's own."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "GUNICORN_CMD_ARGS":
            monkeypatch.delenv(name)


# Patches


def test_doctor_finds_nothing_patched() -> None:
    assert list(taken_before()) == []
    assert patches([]) == Fact("patched", "nothing, which geventws does not need")


def test_doctor_finds_what_is_patched_and_what_was_taken_before() -> None:
    for name in ("early.py", "late.py"):
        Path(name).write_text("from ssl import SSLContext\nfrom time import sleep\n")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = done.stdout.rstrip("\n").split("|")
    assert found[1:4] == ["socket ssl select threading time subprocess queue", "", "False"]
    late = found[5:]
    assert late[1] == found[1]
    assert late[2].startswith("too late for early (ssl.SSLContext time.sleep): what they took")
    assert late[3] == "True"


# gunicorn


def setting(text: str | None = None) -> list[tuple[str, str]]:
    """Return the settings of gunicorn, with this *text* as its file."""
    if text is not None:
        Path("gunicorn.conf.py").write_text(text)
    return gunicorn_settings()


def test_doctor_says_nothing_of_gunicorn_where_there_is_none() -> None:
    assert setting() == []
    assert [fact.name for fact in surroundings()] == ["patched", "TLS trust"]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("worker_class = 'gevent'\n", "gevent"),
        ("import os\nbind = ':80'\n", "sync"),
        ("threads = 4\n", "gthread"),
        ("worker_class = 'sync'\nthreads = 4\n", "gthread"),
        ("worker_class = WORKER\n", "WORKER"),
        ("worker_class: str = 'gevent'\nthreads: int\n", "gevent"),
        ("chosen = worker_class = 'gevent'\n", "gevent"),
    ],
)
def test_doctor_reads_the_settings_file(text: str, chosen: str) -> None:
    assert setting(text)[0][0] == chosen


def test_doctor_reads_no_settings_file_that_is_malformed() -> None:
    assert setting("worker_class = (") == []


def test_doctor_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--bind=:80 -k eventlet")
    assert setting("worker_class = 'gevent'\n") == [
        ("eventlet", "GUNICORN_CMD_ARGS"),
        ("gevent", "gunicorn.conf.py"),
        ("sync", "gunicorn's default"),
    ]


@pytest.mark.parametrize("words", ["-k", "--threads", "-k 'gevent"])
def test_doctor_finds_no_class_where_gunicorn_would_not_start(
    monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", words)
    assert setting() == [("sync", "gunicorn's default")]


@pytest.mark.parametrize(
    "words",
    [["-k", "gevent"], ["-kgevent"], ["--worker-class", "gevent"], ["--worker-class=gevent"]],
)
def test_doctor_reads_the_command_line_of_gunicorn(words: list[str]) -> None:
    with waiting(*words) as process:
        assert gunicorn_settings(process)[0] == ("gevent", "its command line")


@pytest.mark.parametrize("config", ["other.py", "file:other.py"])
def test_doctor_reads_the_settings_file_of_the_command_line(config: str) -> None:
    Path("other.py").write_text("worker_class = 'tornado'\n")
    with waiting("-c", config, "app:app") as process:
        assert gunicorn_settings(process)[0] == ("tornado", "other.py")


def test_doctor_reads_no_command_line_of_a_process_that_is_not_there() -> None:
    assert gunicorn_settings(2**22 + 1) == []


@contextmanager
def waiting(*words: str) -> Iterator[int]:
    """Have a process run with the command line of a gunicorn, and give its number."""
    Path("gunicorn").write_text("print(flush=True); input()")
    command = [sys.executable, "-S", "gunicorn", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the kernel knows the words only once the program is loaded
        try:
            yield process.pid
        finally:
            process.communicate(b"\n")


@pytest.mark.parametrize("name", ["gevent", "gevent_pywsgi", "gthread", OURS, "mine.Worker"])
def test_doctor_lets_a_worker_be(name: str) -> None:
    fact = worker([(name, "a test"), ("sync", "gunicorn's default")])
    assert fact == Fact("gunicorn worker", f"{name}, says a test")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("sync", "occupies the whole worker"),
        ("eventlet", "another hub"),
        ("tornado", "runs no gevent"),
        ("asgi", "runs asyncio"),
        ("uvicorn.workers.UvicornWorker", "runs asyncio"),
    ],
)
def test_doctor_advises_another_worker(name: str, advice: str) -> None:
    fact = worker([(name, "a test")])
    assert fact.wrong
    assert advice in fact.advice
    assert fact.advice.endswith(f"; gunicorn -k {OURS}")


# Proxies


def test_doctor_names_proxies_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy.example:3128")
    monkeypatch.setenv("SOCKS_PROXY", "proxy.example")
    monkeypatch.setenv("no_proxy", "localhost, .example.org")
    assert list(proxies()) == [
        Fact("https_proxy", "http://proxy.example:3128, with credentials"),
        Fact("socks_proxy", "socks5h://proxy.example:1080"),
        Fact("no_proxy", "localhost, .example.org"),
    ]


def test_doctor_finds_that_socks_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    monkeypatch.setenv("all_proxy", "socks4://proxy.example")
    (fact,) = proxies()
    assert (fact.wrong, fact.advice) == (True, "it takes pip install geventws[socks]")


def test_doctor_does_not_show_a_malformed_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "ftp://user:secret@proxy.example")
    (fact,) = proxies()
    assert (fact.value, fact.wrong, "secret" in fact.advice) == ("malformed", True, False)


# TLS


def test_doctor_counts_whom_tls_trusts() -> None:
    fact = trust()
    assert not fact.wrong
    assert re.match("certificates: [1-9][0-9]* in /", fact.value)
    assert fact.value.endswith("; truststore is there")


def test_doctor_counts_certificates_in_a_file_and_in_directories(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "0a1b2c3d.0").touch()
    authority().cert_pem.write_to_path(str(tmp_path / "own.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", f"/nowhere:{tmp_path}")
    said = f"certificates: 1 in {tmp_path}/own.pem, 1 in {tmp_path}; truststore is there"
    assert trust() == Fact("TLS trust", said)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_doctor_finds_a_place_without_certificates(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv(name, str(tmp_path))
    fact = trust()
    assert (fact.wrong, fact.advice) == (True, f"{name} names {tmp_path}, where no certificate is")


def test_doctor_finds_that_nobody_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    fact = trust()
    assert fact.value == "certificates: none; truststore is there"
    assert fact.advice == (
        "SSL_CERT_FILE names /nowhere.pem, where no certificate is, so no wss:// opens"
    )
