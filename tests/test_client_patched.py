"""The client in a process where gevent has patched the standard library, from its very start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = ["test_client.py", "test_client_tls.py"]


@pytest.mark.parametrize("name", FILES)
def test_patched_process_behaves_alike(name: str) -> None:
    here = Path(__file__).parent
    command = [
        sys.executable,
        "-m",
        "gevent.monkey",
        "--module",
        "pytest",
        "-q",
        "-x",
        str(here / name),
    ]
    environ = {**os.environ, "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    done = subprocess.run(command, cwd=here.parent, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
