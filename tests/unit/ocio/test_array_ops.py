from __future__ import annotations

import numpy as np
import PyOpenColorIO as OCIO  # noqa: N814 - what everybody calls it
import pytest

from vimatte.ocio.array_ops import ArrayOps
from vimatte.ocio.config import ConfigChoice, load_config, processor_between
from vimatte.ocio.transform_ops import formulas_of, ops_of

# Largest difference to OCIO's CPU: logarithms of cameras multiply what float32 rounds.
SPACES = {
    "ACEScg": 1e-5,
    "ACES2065-1": 1e-5,
    "Camera Rec.709": 5e-6,
    "Rec.1886 Rec.709 - Display": 5e-6,
    "Gamma 2.2 Encoded AP1": 1e-5,
    "sRGB Encoded P3-D65": 2e-5,
    "ARRI LogC3 (EI800)": 1e-4,
    "ARRI LogC4": 1e-4,
    "S-Log3 S-Gamut3.Cine": 1e-4,
    "V-Log V-Gamut": 1e-4,
    "Log3G10 REDWideGamutRGB": 1e-4,
    "ACEScct": 1e-4,
    "DaVinci Intermediate WideGamut": 1e-4,
}
PICTURE = "sRGB Encoded Rec.709 (sRGB)"


@pytest.fixture(scope="module")
def choice() -> ConfigChoice:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OCIO", raising=False)
        return load_config()


@pytest.mark.parametrize("space", sorted(SPACES))
@pytest.mark.parametrize("back", [False, True], ids=["to picture", "from picture"])
def test_formulas_give_what_ocio_gives(choice: ConfigChoice, space: str, back: bool) -> None:
    processor = processor_between(choice, *((PICTURE, space) if back else (space, PICTURE)))
    formulas = formulas_of(processor)
    assert formulas is not None
    random = np.random.default_rng(5)
    around, dark = random.uniform(-0.1, 1.1, (40, 50, 3)), random.uniform(-0.002, 0.03, (40, 50, 3))
    plate = np.concatenate([around, dark]).astype(np.float32)
    right = plate.copy()
    cpu = processor.getOptimizedCPUProcessor(OCIO.BIT_DEPTH_F32, OCIO.BIT_DEPTH_F32, OCIO.OPTIMIZATION_LOSSLESS)
    cpu.apply(OCIO.PackedImageDesc(right, right.shape[1], right.shape[0], 3))
    found = ArrayOps(formulas)(plate)
    assert np.abs(found.clip(0, 1) - right.clip(0, 1)).max() <= SPACES[space]


def test_tables_are_no_formulas(choice: ConfigChoice) -> None:
    processor = processor_between(choice, "CanonLog2 CinemaGamut D55", "ACEScg")
    assert formulas_of(processor) is None
    with pytest.raises(ValueError, match="no formula"):
        ArrayOps(ops_of(processor, config=choice.config, scene_linear=False))
