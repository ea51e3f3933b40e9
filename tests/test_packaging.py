"""The facts of setup.py and requirements.txt; `make dist` tries the built packages themselves."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from geventws.version import __version__
from setup import COMPILED, EXTRAS, ROOT, compiled_modules, packages, version

TEXT = {".py", ".md", ".html"}


def files(*tops: str) -> list[Path]:
    """Return the text files under *tops*, folders or files of the checkout."""
    found = [path for top in tops for path in [ROOT / top, *(ROOT / top).rglob("*")]]
    return [path for path in found if path.suffix in TEXT and "_build" not in path.parts]


def test_setup_reads_the_version_of_the_package() -> None:
    assert version() == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.?(dev|a|b|rc)\d+)?", __version__)


def test_version_stands_in_one_place_of_the_sources() -> None:
    holders = [path for path in files("geventws", "adapters") if __version__ in path.read_text()]
    assert holders == [ROOT / "geventws" / "version.py"]


def test_all_is_every_other_extra() -> None:
    others = {package for name, needed in EXTRAS.items() if name != "all" for package in needed}
    assert set(EXTRAS["all"]) == others


def test_extras_that_people_are_told_to_install_exist() -> None:
    told = {
        (str(path.relative_to(ROOT)), extra)
        for path in files("geventws", "adapters", "docs", "examples", "README.md", "CHANGELOG.md")
        for named in re.findall(r"\bgeventws\[([a-z0-9_, -]+)\]", path.read_text(encoding="utf-8"))
        for extra in named.replace(" ", "").split(",")
    }
    assert {(path, extra) for path, extra in told if extra not in EXTRAS} == set()


def test_requirements_bring_every_extra() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert "-e .[all]" in lines


def test_requirements_have_lower_bounds() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    told = [line.partition(";")[0] for line in lines]  # without where it is wanted
    wanted = [line for line in told if line and not line.startswith(("#", "-e "))]
    assert [line for line in wanted if not re.fullmatch(r"[\w.-]+>=[\d.]+", line)] == []


def test_packages_are_the_folders_with_python_in_them() -> None:
    inner = {path.parent for path in (ROOT / "geventws").rglob("*.py")}
    doors = {path.parent for path in (ROOT / "adapters").rglob("*.py")}
    names = [path.relative_to(ROOT) for path in inner] + [
        Path("geventws") / path.relative_to(ROOT) for path in doors
    ]
    assert packages() == sorted(".".join(name.parts) for name in names)


def test_compiled_modules_obey_the_wish() -> None:
    assert compiled_modules("no") == {}
    built = compiled_modules("yes")["ext_modules"]
    assert [module.name for module in built] == COMPILED
    assert [module.name for module in compiled_modules("auto")["ext_modules"]] == COMPILED


@pytest.mark.parametrize(("wish", "status"), [("auto", 0), ("yes", 1)])
def test_modules_are_compiled_all_or_none(wish: str, status: int, tmp_path: Path) -> None:
    sources = shutil.ignore_patterns("*.so", "*.c", "__pycache__", "adapters")
    shutil.copytree(ROOT / "geventws", tmp_path / "geventws", ignore=sources)
    for name in ("setup.py", "README.md", "LICENSE", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "adapters").mkdir()
    with (tmp_path / "geventws/core/frame.pxd").open("a") as types:
        types.write("cdef int (\n")
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tmp_path,
        env={**os.environ, "GEVENTWS_COMPILE": wish, "CFLAGS": "-O0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert ("all is left interpreted" in done.stderr) == (wish == "auto")
    assert wish == "yes" or list(tmp_path.rglob("*.so")) == []


def test_compiled_modules_refuses_another_wish() -> None:
    with pytest.raises(SystemExit, match="GEVENTWS_COMPILE is 'maybe', but may only be no, auto"):
        compiled_modules("maybe")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the files that a source distribution of this checkout has in it."""
    place = tmp_path_factory.mktemp("sdist")
    base = ["egg_info", "--egg-base", str(place)]
    command = [sys.executable, "setup.py", "--quiet", *base, "sdist", "--dist-dir", str(place)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(next(place.glob("*.tar.gz"))) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


def test_sdist_has_every_source_once(sdist: set[str]) -> None:
    sources = [
        str(path.relative_to(ROOT))
        for top in ("geventws", "adapters")
        for path in (ROOT / top).rglob("*")
        if path.suffix in {".py", ".pxd", ".html", ".css", ".js"} or path.name == "py.typed"
    ]
    assert [path for path in sources if path not in sdist] == []
    assert [path for path in sdist if path.startswith("geventws/adapters")] == []


def test_sdist_has_what_a_packager_needs(sdist: set[str]) -> None:
    wanted = {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "setup.py"}
    assert wanted | {"requirements.txt", "tests/conftest.py", "tests/system_packages.sh"} <= sdist


def test_sdist_has_nothing_that_was_built(sdist: set[str]) -> None:
    assert [path for path in sdist if path.endswith((".so", ".pyc"))] == []
    assert [path for path in sdist if path.endswith(".c") and path.startswith("geventws")] == []
