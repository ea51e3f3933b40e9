"""All the rules, by topic: what RFC 6455 and RFC 7692 say of an open connection, as data."""

from __future__ import annotations

from typing import Final

from tests.conformance import (
    rules_closing,
    rules_compression,
    rules_fragments,
    rules_frames,
    rules_limits,
    rules_text,
)
from tests.conformance.rules_words import Rule

RULES: Final[list[Rule]] = [
    *rules_frames.RULES,
    *rules_fragments.RULES,
    *rules_text.RULES,
    *rules_closing.RULES,
    *rules_compression.RULES,
    *rules_limits.RULES,
]
