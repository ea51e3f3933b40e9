"""WebSockets in Locust's web page, in its HTML report and in CSV files.

- board.py is where the reports of all processes come together, tables.py what is shown of them.
- page.py, report.py and files.py show it; install.py puts them into one Environment.
"""

from __future__ import annotations

from geventws.adapters.locust.dashboard.install import install_dashboard

__all__ = ["install_dashboard"]
