"""Fixtures every test may use, and the rules for what skips where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def example() -> Path:
    """The example shot's folder: shot.mov, masks/<name>/1001.png, truth/<name>/<frame>.png."""
    return ROOT / "tests" / "data" / "example"


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real footage; skips where it does not lie beside the repository."""
    folder = Path(os.environ.get("VIMATTE_FOOTAGE", ROOT.parent / "shared" / "data" / "footage"))
    if not folder.is_dir():
        pytest.skip(f"real footage is not at {folder} (set VIMATTE_FOOTAGE to its folder)")
    return folder
