"""Two nodes over a real Redis, and from what they cost a fleet of a hundred: `make scale`.

__main__ -> measure, stream, simulate -> results.json -> page -> docs/explanation/scale.md
"""

from __future__ import annotations
