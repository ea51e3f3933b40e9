"""What fuzzing found and kept, replayed in the normal suite; atheris has no part in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from pathlib import Path
from random import Random

import pytest

from setup import ROOT
from tests.fuzz import COMPARED, MAX_LEN, SEEDS, TARGETS
from tests.fuzz.__main__ import limits, main
from tests.fuzz.comparing import compare
from tests.fuzz.given import parts, split
from tests.fuzz.running import ROW, Run, read_logs
from tests.fuzz.twins import CORE, command, described, environment, load, put, require

MUTATIONS = 200  # for each target
KEPT = 50 * 1024  # bytes of all seeds

each_target = pytest.mark.parametrize("target", TARGETS)


def seeds(target: str) -> list[bytes]:
    """Return the kept inputs of a target, always in the same order."""
    return [path.read_bytes() for path in sorted((SEEDS / target).iterdir())]


def mutations(kept: list[bytes], random: Random) -> Iterator[bytes]:
    """Yield inputs made of kept ones: bytes changed, dropped, doubled, or two joined."""
    for _ in range(MUTATIONS):
        made = bytearray(random.choice(kept) or b"\0")
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(made))
            deed = random.randrange(4)
            if deed == 0:
                made[at] = random.randrange(256)
            elif deed == 1:
                made[at] ^= 1 << random.randrange(8)
            elif deed == 2:
                made[at:at] = made[at : at + random.randint(1, 32)]
            else:
                made[at:] = random.choice(kept)[at:] or b"\0"
        yield bytes(made[:MAX_LEN])


@each_target
def test_target_finds_nothing_wrong_with_a_kept_input(target: str) -> None:
    check = load(target).check
    for data in seeds(target):
        assert check(data) is not None


@each_target
def test_target_finds_nothing_wrong_with_a_changed_input(target: str) -> None:
    check = load(target).check
    outcomes = {repr(check(data)) for data in mutations(seeds(target), Random(6455))}
    assert len(outcomes) > MUTATIONS // 10, "the changes come to nothing"


@each_target
def test_target_says_the_same_of_an_input_each_time(target: str) -> None:
    check = load(target).check
    for data in seeds(target):
        assert repr(check(data)) == repr(check(data))


@pytest.mark.parametrize("size", range(4))
@each_target
def test_target_takes_an_input_shorter_than_its_options(target: str, size: int) -> None:
    assert load(target).check(bytes(size)) is not None


def test_kept_inputs_are_small_and_all_of_a_target() -> None:
    kept = [path for path in SEEDS.rglob("*") if path.is_file()]
    assert {path.parent for path in kept} == {SEEDS / target for target in TARGETS}
    assert all(path.stat().st_size <= MAX_LEN for path in kept)
    assert sum(path.stat().st_size for path in kept) < KEPT


def test_parts_are_the_whole_however_it_is_cut() -> None:
    options, steps, payload = split(b"\1\2\3" + bytes(range(9)), 1)
    assert options == b"\1"
    assert parts(payload, steps) == [b"\0\1", b"\2\3\4", b"\5\6", b"\7\10"]
    assert parts(payload, b"\2\0") == [b"\0\1", bytes(range(2, 9))]
    assert parts(b"", steps) == [b""]
    assert b"".join(parts(bytes(1000), b"\1\1")) == bytes(1000)


# The other twin


def this_kind() -> str:
    """Return which twins this run tests."""
    file = str(import_module(CORE[0]).__file__)
    return "interpreted" if file.endswith(".py") else "compiled"


def told(descriptions: dict[bytes, str]) -> BytesIO:
    """Return what a process that fuzzes writes of these inputs."""
    stream = BytesIO()
    for data, description in descriptions.items():
        put(stream, data)
        put(stream, description.encode())
    stream.seek(0)
    return stream


def length(data: bytes) -> object:
    return len(data)


def test_comparison_counts_inputs_that_are_described_alike(tmp_path: Path) -> None:
    file = tmp_path / "input"
    assert compare(length, told({b"": "0", b"abc": "3"}), file) == "compared: 2"
    assert not file.exists()


def test_comparison_keeps_the_input_that_is_described_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "input"
    with pytest.raises(AssertionError, match=r"interpreted: 2\s+compiled: 3"):
        compare(length, told({b"abcd": "4", b"abc": "2"}), file)
    assert file.read_bytes() == b"abc"


def test_comparison_ends_where_the_other_process_died(tmp_path: Path) -> None:
    stream = told({b"abc": "3", b"abcd": "4"})
    cut = BytesIO(stream.getvalue()[:-1])
    assert compare(length, cut, tmp_path / "input") == "compared: 1"


def test_twin_that_is_not_the_wanted_one_is_refused() -> None:
    require(this_kind())
    other = "compiled" if this_kind() == "interpreted" else "interpreted"
    with pytest.raises(RuntimeError, match=f"not {other}: .*mask"):
        require(other)


def test_program_describes_an_input_as_the_target_does() -> None:
    target = COMPARED[0]
    file = min((SEEDS / target).iterdir())
    program = command("tests.fuzz.twins", target, this_kind(), str(file))
    done = subprocess.run(
        program, env=environment(ROOT), capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout == f"{load(target).check(file.read_bytes())!r}\n"


def test_described_says_where_a_target_found_a_fault() -> None:
    def check(data: bytes) -> object:
        raise AssertionError("a fault")

    text = described(check, b"")
    assert text.startswith("Traceback")
    assert text.endswith("AssertionError: a fault\n")


# The command line and the table

LOG = """#2048\tREDUCE cov: 101 ft: 250 corp: 40/1000b
#4096\tDONE   cov: 104 ft: 270 corp: 41/1024b
stat::number_of_executed_units: 4096
stat::average_exec_per_sec:     2048
"""
BROKEN = LOG + "artifact_prefix='x'; Test unit written to x/crash-1\n"


def test_run_is_what_its_logs_say() -> None:
    run = read_logs("frame", [LOG, "compared: 4097\n"], 2.0, [0, 0])
    assert run == Run("frame", 4096, 2.0, 4097, 104, "")
    assert run.row() == ROW.format("frame", 4096, 2048, 4097, 104)


def test_run_of_a_target_without_a_twin_says_so() -> None:
    assert "no twin" in read_logs("deflate", [LOG], 2.0, [0]).row()


def test_run_that_failed_names_its_input() -> None:
    assert read_logs("headers", [BROKEN], 2.0, [77]).failure.endswith("x/crash-1")
    run = read_logs("frame", [BROKEN, "AssertionError: interpreted: 1"], 2.0, [77, 1])
    assert run.failure.startswith("AssertionError")
    assert run.failure.endswith("frame/not-the-same")


def test_run_that_did_nothing_has_failed() -> None:
    assert "no atheris" in read_logs("headers", ["no atheris"], 2.0, [0]).failure


def test_targets_share_what_they_are_given() -> None:
    assert limits(None, None, 6) == ["-max_total_time=10"]
    assert limits(3, None, 6) == ["-max_total_time=1"]
    assert limits(None, 11, 2) == ["-runs=6"]
    assert limits(10, 11, 1) == ["-max_total_time=10", "-runs=11"]


def test_command_line_knows_its_targets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["frames"])
    assert "unknown target: frames" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="no target 'nowhere'"):
        main(["--replay", "nowhere/input"])
