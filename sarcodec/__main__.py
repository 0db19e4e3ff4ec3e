"""``python -m sarcodec`` is the command ``sarcodec``."""

from __future__ import annotations

import sys

from sarcodec.cli import main

if __name__ == "__main__":
    sys.exit(main())
