"""Pack a training run's weights as they ship: half precision, with what they came from written into the file.

    python install_scripts/pack_weights.py RUN NAME

RUN is the folder of a run of `vimatte train`, NAME the network: matte or propagate. Says how far the halves are from
the numbers trained.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parents[1] / "engine" / "vimatte" / "engine" / "lite" / "weights"


def main() -> int:
    """Write the file; returns the exit code."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("run", type=Path, help="folder of the run, or a .safetensors file")
    options.add_argument("name", choices=("matte", "propagate"))
    chosen = options.parse_args()
    source = chosen.run if chosen.run.suffix == ".safetensors" else chosen.run / "weights.safetensors"
    with safe_open(str(source), framework="pt") as file:
        facts = file.metadata() or {}
        trained = {key: file.get_tensor(key) for key in sorted(file.keys())}
    halves = {key: value.half().contiguous() for key, value in trained.items()}
    if not all(torch.isfinite(value).all() for value in halves.values()):
        sys.exit(f"A weight of '{source}' is too large for half precision; train it again with decay.")
    FOLDER.mkdir(exist_ok=True)
    out = FOLDER / f"{chosen.name}.safetensors"
    save_file(halves, out, metadata=facts)
    off = max(float((halves[key].float() - value).abs().max()) for key, value in trained.items())
    numbers = sum(value.numel() for value in halves.values())
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    sys.stdout.write(
        f"{out}: {numbers} numbers, {out.stat().st_size} bytes, sha256 {digest}; off by {off:.2g} at most\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
