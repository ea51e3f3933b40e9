"""gunicorn's settings in the tests: whoever starts one waits until its workers are there."""

from __future__ import annotations

from typing import Any

control_socket_disable = True
graceful_timeout = 60


def post_worker_init(worker: Any) -> None:
    """Say that *worker* listens."""
    worker.log.info("Worker is ready")
