"""The tests of the locustfiles, in a process that Locust may patch; this one stays as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from setup import ROOT

HERE = Path(__file__).parent


@pytest.mark.timeout(600)
def test_locustfiles_do_what_they_say() -> None:
    command = [sys.executable, "-m", "gevent.monkey", "--module", "pytest", "-q"]
    environ = {**os.environ, "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    done = subprocess.run(
        [*command, str(HERE / "locustfiles")],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
