from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadtests.bench.building import COPIED, build_program, last_line, synchronise


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a small checkout, of files that were written long ago."""
    root = tmp_path / "checkout"
    for name in ("geventws/core/frame.py", "geventws/core/frame.pxd", "adapters/asyncio.py"):
        write(root / name, "old")
    for name in COPIED:
        if "." in name or name == "LICENSE":
            write(root / name, "old")
        else:
            (root / name).mkdir(exist_ok=True)
    (root / "geventws" / "adapters").symlink_to("../adapters")
    return root


def write(path: Path, text: str) -> None:
    """Write a file of long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (1000, 1000))


def test_synchronise_copies_sources_and_the_link_to_the_doors(checkout: Path) -> None:
    copy = checkout.parent / "copy"
    assert synchronise(checkout, copy)
    assert (copy / "geventws" / "core" / "frame.pxd").read_text() == "old"
    assert (copy / "LICENSE").read_text() == "old"
    assert (copy / "geventws" / "adapters").readlink() == Path("../adapters")
    assert (copy / "geventws" / "adapters" / "asyncio.py").read_text() == "old"


def test_synchronise_leaves_what_is_compiled_behind(checkout: Path) -> None:
    write(checkout / "geventws" / "core" / "frame.cpython-311-x86_64-linux-gnu.so", "compiled")
    copy = checkout.parent / "copy"
    synchronise(checkout, copy)
    assert not list(copy.rglob("*.so"))


def test_synchronise_leaves_alone_what_did_not_change(checkout: Path) -> None:
    copy = checkout.parent / "copy"
    synchronise(checkout, copy)
    frame = copy / "geventws" / "core" / "frame.py"
    os.utime(frame, (2000, 2000))
    assert not synchronise(checkout, copy)
    assert frame.stat().st_mtime == 2000


def test_synchronise_tells_of_a_change_in_what_is_compiled_alone(checkout: Path) -> None:
    copy = checkout.parent / "copy"
    synchronise(checkout, copy)
    write(checkout / "adapters" / "asyncio.py", "new")
    assert not synchronise(checkout, copy)
    write(checkout / "geventws" / "core" / "frame.pxd", "new")
    assert synchronise(checkout, copy)
    assert (copy / "adapters" / "asyncio.py").read_text() == "new"
    assert (copy / "geventws" / "core" / "frame.pxd").read_text() == "new"


def test_synchronise_removes_what_is_gone_with_its_compiled_twin(checkout: Path) -> None:
    copy = checkout.parent / "copy"
    synchronise(checkout, copy)
    write(copy / "geventws" / "core" / "frame.cpython-311-x86_64-linux-gnu.so", "compiled")
    for name in ("frame.py", "frame.pxd"):
        (checkout / "geventws" / "core" / name).unlink()
    assert synchronise(checkout, copy)
    assert not list((copy / "geventws" / "core").iterdir())


def test_a_program_is_compiled_once(tmp_path: Path) -> None:
    program = build_program("wsecho", tmp_path)
    built = program.stat().st_mtime_ns
    assert build_program("wsecho", tmp_path).stat().st_mtime_ns == built


def test_a_program_is_compiled_again_after_an_edit(tmp_path: Path) -> None:
    program = build_program("wsecho", tmp_path)
    os.utime(program, (1000, 1000))
    assert build_program("wsecho", tmp_path).stat().st_mtime > 1000


@pytest.mark.parametrize(
    ("text", "line"), [("", ""), ("one\n  two  \n\n", "two"), ("\n \n", ""), ("one", "one")]
)
def test_the_last_line_is_the_last_that_says_something(text: str, line: str) -> None:
    assert last_line(text) == line
