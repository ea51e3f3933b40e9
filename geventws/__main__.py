"""`python -m geventws` is the command `geventws`."""

from __future__ import annotations

import sys

from geventws.cli import main

if __name__ == "__main__":
    sys.exit(main())
