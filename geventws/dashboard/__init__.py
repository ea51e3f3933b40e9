"""One page that shows what a server is doing just now: for its operator, and nobody else."""

from __future__ import annotations

from geventws.dashboard.app import Dashboard, new_token

__all__ = ["Dashboard", "new_token"]
