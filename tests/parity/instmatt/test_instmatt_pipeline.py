"""The published script from 8-bit files to 8-bit mattes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vimatte.engine.matting.common.pictures import uncovered
from vimatte.engine.matting.instmatt.infer import infer
from vimatte.engine.matting.instmatt.network import InstMatt
from vimatte.engine.matting.instmatt.published import finish, prepare, published_mattes

CASES = ("p144x208", "p150x220_max128", "p96x96_single")


@pytest.mark.parametrize("case", CASES)
def test_from_files_to_mattes(case: str, network: InstMatt, pipeline_golden: Any) -> None:
    meta = pipeline_golden.meta[case]
    picture, masks = _files(pipeline_golden, case)
    prepared = prepare(picture, masks, max_side=meta["max_side"])
    assert list(prepared.size) == meta["alpha_shape"]
    assert torch.equal(prepared.picture[:, ::4, ::4], pipeline_golden[f"{case}/image_tensor_s4"])
    assert torch.equal(prepared.tri_masks[..., ::2, ::2], pipeline_golden[f"{case}/trimask_s2"])
    with torch.no_grad():
        found = infer(network, prepared.picture, prepared.tri_masks)
    height, width = prepared.size
    for values, name in ((found.fused, "fused_T_cropped"), (found.final, "final_T_cropped")):
        cut = uncovered(values[:, 0], height=height, width=width)
        torch.testing.assert_close(cut, pipeline_golden[f"{case}/{name}"], atol=3e-5, rtol=0.0)
    counts = finish(found.final[:, 0], prepared).astype(int)
    assert np.abs(counts - pipeline_golden[f"{case}/alpha_u8"].numpy()).max() <= 1


def test_all_at_once(network: InstMatt, pipeline_golden: Any) -> None:
    case = "p150x220_max128"
    found = published_mattes(network, *_files(pipeline_golden, case), max_side=128)
    expected = pipeline_golden[f"{case}/alpha_u8"].numpy().astype(int)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 1


def test_masks_of_another_size_are_brought_to_the_picture(pipeline_golden: Any) -> None:
    picture, masks = _files(pipeline_golden, "p96x96_single")
    double = masks.repeat(2, axis=1).repeat(2, axis=2)
    assert torch.equal(prepare(picture, double).tri_masks, prepare(picture, masks).tri_masks)


def _files(golden: Any, case: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return golden[f"{case}/image_rgb_u8"].numpy(), golden[f"{case}/mask_grey_u8"].numpy()
