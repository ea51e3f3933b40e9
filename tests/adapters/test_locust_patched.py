"""The tests of the door for Locust, in a process that Locust may patch; this one stays as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.timeout(600)
def test_locust_door_keeps_its_word() -> None:
    command = [sys.executable, "-m", "gevent.monkey", "--module", "pytest", "-q"]
    environ = {**os.environ, "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    done = subprocess.run(
        [*command, str(HERE / "locust")],
        cwd=HERE.parent.parent,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
