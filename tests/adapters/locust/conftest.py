"""Importing locust patches the standard library: see test_locust_patched.py, which runs these."""

from __future__ import annotations

from gevent.monkey import is_module_patched

collect_ignore_glob = [] if is_module_patched("socket") else ["test_*.py", "dashboard/test_*.py"]
