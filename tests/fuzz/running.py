"""One run of one target: the process that fuzzes, the one that compares, and what they tell."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from tests.fuzz import COMPARED, MAX_LEN, SEEDS
from tests.fuzz.twins import WORK, command, environment, trees

# An input that takes longer, or a process that takes more, is a failure: time is linear in the
# input, and what is held is bounded.
TIMEOUT: Final = 25
MEGABYTES: Final = 1024
ROW: Final = "{:<14}{:>12}{:>12}{:>12}{:>8}"
HEADINGS: Final = ROW.format("target", "inputs", "a second", "compared", "edges")


class Run(NamedTuple):
    """What a run of one target came to; *failure* is empty where no input failed."""

    target: str
    inputs: int
    seconds: float
    compared: int | None  # None where there is no compiled twin
    edges: int
    failure: str

    def row(self) -> str:
        """Return the line of the table."""
        compared = "no twin" if self.compared is None else self.compared
        return ROW.format(
            self.target, self.inputs, round(self.inputs / self.seconds), compared, self.edges
        )


def fuzz(target: str, limits: Sequence[str], corpus: Path) -> Run:
    """Fuzz one *target*; blocks until libFuzzer finds its *limits* reached, or a failure."""
    failed = WORK / "failed" / target
    for directory in (corpus, failed):
        directory.mkdir(parents=True, exist_ok=True)
    flags = [f"-max_len={MAX_LEN}", f"-timeout={TIMEOUT}", f"-rss_limit_mb={MEGABYTES}"]
    flags += ["-print_final_stats=1", f"-artifact_prefix={failed}/", *limits]
    logs = [WORK / f"{target}.log"]
    arguments = [*flags, str(corpus), str(SEEDS / target)]
    trees()  # before the clock starts
    start = monotonic()
    if target in COMPARED:
        logs.append(WORK / f"{target}-compared.log")
        codes = _pipeline(target, arguments, failed / "not-the-same", *logs)
    else:
        codes = [_alone(target, arguments, *logs)]
    texts = [path.read_text(errors="replace") for path in logs]
    return read_logs(target, texts, monotonic() - start, codes)


def _alone(target: str, arguments: Sequence[str], log: Path) -> int:
    with log.open("wb") as output:
        program = command("tests.fuzz.fuzzing", target, *arguments)
        tree = trees()["interpreted"]
        return subprocess.call(program, env=environment(tree), stdout=output, stderr=output)


def _pipeline(
    target: str, arguments: Sequence[str], file: Path, log: Path, second: Path
) -> list[int]:
    """Fuzz with one twin and compare with the other; return what both exit with."""
    comparing = command("tests.fuzz.comparing", target, str(file))
    fuzzing = command("tests.fuzz.fuzzing", target, *arguments)
    tree = trees()
    with log.open("wb") as output, second.open("wb") as found:
        other = subprocess.Popen(
            comparing,
            env=environment(tree["compiled"]),
            stdin=subprocess.PIPE,
            stdout=found,
            stderr=found,
        )
        with other:  # leaving it closes our end of the pipe and waits
            code = subprocess.call(
                fuzzing, env=environment(tree["interpreted"]), stdout=other.stdin, stderr=output
            )
    return [code, other.returncode]


def read_logs(target: str, logs: Sequence[str], seconds: float, codes: Sequence[int]) -> Run:
    """Return what the *logs* of libFuzzer and of the comparison tell of a run."""
    inputs = re.search(r"^stat::number_of_executed_units: (\d+)", logs[0], re.MULTILINE)
    edges = re.findall(r" cov: (\d+) ", logs[0])
    found = re.search(r"^compared: (\d+)", logs[-1], re.MULTILINE)
    made = int(inputs[1]) if inputs else 0
    compared = (int(found[1]) if found else 0) if target in COMPARED else None
    good = made and not any(codes) and (compared is None or compared >= made)
    failure = "" if good else _failure(target, logs, codes)
    return Run(target, made, seconds, compared, int(edges[-1]) if edges else 0, failure)


def _failure(target: str, logs: Sequence[str], codes: Sequence[int]) -> str:
    """Return how a run failed and where its input is; the other process then fails too."""
    differ = len(codes) > 1 and codes[1] != 0
    found = re.findall(r"Test unit written to (\S+)", logs[0])
    file = str(WORK / "failed" / target / "not-the-same") if differ else "".join(found[-1:])
    told = logs[1] if differ else logs[0]
    return "\n".join([*told.splitlines()[-60:], f"exit codes: {codes}; the input: {file}"])
