"""Started by install.sh and install.ps1, which find a Python for it: `python -I -B install.py [OPTIONS]`."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from installer.main import main  # noqa: E402 - the folder is not on the path of an isolated Python

sys.exit(main(sys.argv[1:], here=HERE))
