"""Memory that is given back is kept for what is asked for next."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SCRIPT = """
import resource
import sys
import numpy as np
from vimatte.engine.pipeline.heap import keep_freed_memory

keep_freed_memory(pixels=int(sys.argv[1]))
for _ in range(3):
    first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(12 << 20)
    last = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(last - first)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is set, on Linux")
def test_pages_are_touched_anew_only_the_first_time() -> None:
    faults = {}
    for how in ("2000000", "8000000"):
        done = subprocess.run([sys.executable, "-c", _SCRIPT, how], capture_output=True, text=True, check=True)
        faults[how] = int(done.stdout)
    assert faults["2000000"] < 10, "pixels of a plate"
    assert faults["2000000"] < faults["8000000"]
