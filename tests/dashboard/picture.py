"""Take the picture of docs/howto/observe.md: python -m tests.dashboard.picture [SECONDS] [FILE]."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.chromium import chromium

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / "docs" / "howto" / "images" / "dashboard.png"
SECONDS = 185.0  # until the plots are full
FLAGS = ("--window-size=1360,1020", "--force-device-scale-factor=1.5")


def take(seconds: float, file: Path, *flags: str) -> None:
    """Look at the stage for so many *seconds*, then save what is to be seen in *file*."""
    command = [sys.executable, "-m", "tests.dashboard.stage"]
    stage = subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, text=True)
    try:
        assert stage.stdout is not None
        url = stage.stdout.readline().strip()
        with (
            tempfile.TemporaryDirectory() as profile,
            chromium(Path(profile), *FLAGS, *flags) as browser,
        ):
            browser.get(url)
            time.sleep(seconds)
            file.parent.mkdir(parents=True, exist_ok=True)
            browser.save_screenshot(str(file))
    finally:
        stage.communicate()


if __name__ == "__main__":
    take(
        float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS,
        Path(sys.argv[2]) if len(sys.argv) > 2 else PICTURE,
        *sys.argv[3:],
    )
