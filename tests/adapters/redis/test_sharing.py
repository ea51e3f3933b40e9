"""What managers over a broker must do, whatever its engine, over Redis."""

from __future__ import annotations

import pytest

from tests.adapters.redis.conftest import Make
from tests.sharings import SharingContract
from tests.sharings import net as net


@pytest.fixture
def node(make: Make) -> Make:
    """Make brokers that share rooms."""
    return make


class TestSharing(SharingContract):
    """The suite."""
