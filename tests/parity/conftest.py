"""Goldens of the published networks: arrays that the authors' own code made, kept beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def goldens() -> Path:
    """The folder with a folder of goldens for each system; skips where it does not lie beside the repository."""
    folder = Path(os.environ.get("VIMATTE_PARITY", ROOT.parent / "shared" / "parity"))
    if not folder.is_dir():
        pytest.skip(f"the goldens are not at {folder} (set VIMATTE_PARITY to their folder)")
    return folder
