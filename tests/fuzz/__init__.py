"""Fuzzing the core: whatever bytes come, in whatever cuts, it keeps its word.

    python -m tests.fuzz                        every target, a minute in all
    python -m tests.fuzz frame --inputs 1000000
    python -m tests.fuzz --replay FILE          one input again, in both twins

A target is a module here with check(data): it reads options, cuts and a payload out of the bytes,
drives the real code with them, asserts what must hold and returns a description of what came of it.

given          what the targets share: fuzz bytes to options, cuts and frames
frame          FrameReader
headers        HeadReader, and the grammar of the headers
handshake      both sides of the opening handshake, and one against the other
deflate        Inflater, Deflater, and the agreement on them
protocol       Protocol: frame, deflate and message together, read in every way
conversation   Protocol, while the application sends, closes, reads ahead and changes its mind
twins          a tree of each twin to import, and the programs that run on it
fuzzing        the process of one target that atheris drives
comparing      the process that describes the same inputs with the compiled twin
running        both of them, their logs, and the line of the table

atheris sees only the interpreted twin. The compiled one gets every single input too, and its
description must be the same. deflate drives no module that is compiled: there is no second twin to
compare. Finds, failures, logs and the two trees go to build/fuzz.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

COMPARED: Final = ["frame", "headers", "handshake", "protocol", "conversation"]
TARGETS: Final = ["frame", "headers", "handshake", "deflate", "protocol", "conversation"]
# Bytes of an input: where a limit takes more, the target stretches them.
MAX_LEN: Final = 512
SEEDS: Final = Path(__file__).parent / "corpus"
