"""Source distributions of other projects, fetched from the package index when asked for."""

from __future__ import annotations

import functools
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path


@functools.cache
def sdist(requirement: str) -> dict[str, str]:
    """Return the text of every file in what *requirement* names, by its path in there."""
    fetch = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
    how = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [*fetch, *how, "--dest", place, requirement],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with tarfile.open(next(Path(place).glob("*.tar.gz"))) as archive:
            return {
                member.name.partition("/")[2]: _text(archive, member)
                for member in archive
                if member.isfile()
            }


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    opened = archive.extractfile(member)
    assert opened is not None
    return opened.read().decode("utf-8", "replace")
