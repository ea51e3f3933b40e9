"""Load and faults for as long as they take, and what came of them: `make soak`.

__main__ -> a scenario -> figures -> results.json -> docs/reliability.md
"""

from __future__ import annotations
