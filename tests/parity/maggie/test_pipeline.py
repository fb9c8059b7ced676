"""MaGGIe's evaluation, from 8-bit pictures to final mattes, against the authors' own results."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vimatte.engine.matting.common.unknown import ellipse, unknown
from vimatte.engine.matting.maggie.instances import coarse_masks
from vimatte.engine.matting.maggie.network import Maggie, fuse
from vimatte.engine.matting.maggie.pipeline import (
    ends,
    fitted,
    largest,
    network_masks,
    network_picture,
    restored,
    slide,
)
from vimatte.engine.matting.maggie.regions import smoothed

from support.maggie_weights import recipe_network

LOW, HIGH = 1.0 / 255.0, 254.0 / 255.0


@pytest.fixture(scope="module")
def folder(goldens: Path) -> Path:
    return goldens / "maggie"


@pytest.fixture(scope="module")
def still(folder: Path) -> Maggie:
    return recipe_network(folder, video=False, settled=True)


@pytest.mark.slow
def test_the_demo_from_a_small_picture(folder: Path, still: Maggie) -> None:
    golden = np.load(folder / "golden_e2e_image_150x207_short576_n2_settled.npz")
    size = fitted(*golden["frame_u8"].shape[:2])
    picture = network_picture(golden["frame_u8"], size)
    masks = network_masks(golden["masks_u8"], size)
    assert list(picture.shape[1:]) == golden["net_size"].tolist()
    np.testing.assert_allclose(picture[:, ::16, ::16].numpy(), golden["net_input_s16"], atol=1e-6)
    assert np.array_equal(np.packbits(masks.numpy().astype(np.uint8)), golden["net_mask_bits"])
    with torch.no_grad():
        out = still(picture[None, None], masks[None, None])
    _close(out.os8[0, 0, :, ::8, ::8].numpy(), golden["net_alpha_os8_s8"], 3e-4, few=0)
    # A coarse alpha within rounding of a threshold may fall on its other side; then the region to refine differs by a
    # disc there, and so do the alphas around. Put such alphas on the side they are on in the golden.
    coarse = out.coarse.alpha_os8_FNHW
    found = out.refined[0]
    for person, y, x in _flipped(found[0].numpy()[:, ::4, ::4], golden["net_refined_s4"], coarse[0].numpy()):
        value = coarse[0, person, y, x]
        coarse[0, person, y, x] = value + 1e-5 if value < HIGH else value - 1e-5
        region = unknown(coarse, 15, ends=False)
        with torch.no_grad():
            found = fuse(coarse, still.decoder.refine(out.coarse.sources, region), region).alpha
    _close(found[0, :, ::4, ::4].numpy(), golden["net_refined_s4"], 3e-5, few=5)
    alphas = restored(found[0], size, plate=(150, 207))
    _close(alphas.numpy(), golden["alpha_reversed"], 3e-5, few=5)
    _close(ends(alphas).numpy(), golden["alpha_final"], 3e-5, few=5)


def test_evaluation_of_a_picture(folder: Path, still: Maggie) -> None:
    golden = np.load(folder / "golden_eval_image_144x208_n2_settled.npz")
    size = golden["frame_u8"].shape[:2]
    assert fitted(*size, short=144) == size
    picture = network_picture(golden["frame_u8"], size)
    np.testing.assert_allclose(picture[:, ::8, ::8].numpy(), golden["net_input_s8"], atol=1e-6)
    masks = network_masks(golden["masks_u8"], size)[:, ::8, ::8]
    assert np.array_equal(masks.numpy(), golden["net_mask_os8"])
    with torch.no_grad():
        out = still(picture[None, None], masks[None, None])
    _close(out.refined[0, 0, :, ::2, ::2].numpy(), golden["net_refined_s2"], 3e-5, few=2)
    alphas = ends(restored(out.refined[0, 0], size, plate=size))
    _close(alphas.numpy(), golden["alpha_final"], 3e-5, few=2)
    kept = np.stack([largest(alpha) for alpha in alphas.numpy()])
    _close(kept, golden["alpha_postprocessed"], 3e-5, few=2)


def test_evaluation_of_a_clip(folder: Path) -> None:
    golden = np.load(folder / "golden_eval_video_7f_90x150_n2_settled.npz")
    network = recipe_network(folder, video=True, settled=True)
    size = (90, 150)
    pictures = torch.stack([network_picture(frame, size) for frame in golden["frames_u8"]])
    masks = torch.stack([network_masks(on_frame, size) for on_frame in golden["masks_u8"]])
    alphas = np.zeros(golden["alpha_final"].shape, np.float32)
    for start, out in enumerate(slide(network, pictures, masks)):
        assert out is not None
        window = out.refined[0]
        _close(window[..., ::4, ::4].numpy(), golden["window_refined_s4"][start], 5e-5, few=2)
        found = ends(restored(window, size, plate=size)).numpy()
        alphas[start + 1] = found[1]
        if start == 0:
            alphas[0] = found[0]
        alphas[-1] = found[2]
    _close(alphas, golden["alpha_final"], 5e-5, few=2)


def test_windows_without_people_are_skipped() -> None:
    with torch.device("meta"):
        network = Maggie(video=True)
    masks = torch.zeros((4, 2, 64, 64))
    assert list(slide(network, torch.zeros((4, 3, 64, 64)), masks)) == [None, None]


def test_small_parts(folder: Path) -> None:
    golden = np.load(folder / "golden_metrics.npz")
    for width in range(1, 31):
        assert np.array_equal(ellipse(width).numpy(), golden[f"ellipse_{width:02d}"] > 0), width
    alphas = torch.from_numpy(golden["unknown_input_u8"].astype(np.float32) / np.float32(255.0))
    for k in (30, 27, 15):
        found = unknown(alphas, k // 2, ends=False)
        assert np.array_equal(np.packbits(found.numpy()), golden[f"unknown_eval_k{k}_bits"]), k
    np.testing.assert_allclose(smoothed(alphas[0][None])[0].numpy(), golden["box_smooth_sigma3"], atol=1e-5)
    shape = (*golden["mask_os8_result"].shape[:2], *(8 * side for side in golden["mask_os8_result"].shape[2:]))
    masks = np.unpackbits(golden["mask_os8_from_bits"])[: np.prod(shape)].reshape(shape)
    assert np.array_equal(coarse_masks(torch.from_numpy(masks).float()).numpy(), golden["mask_os8_result"])
    wide = torch.from_numpy(golden["reverse_in_u8"][0].astype(np.float32) / np.float32(255.0))
    assert np.array_equal(restored(wide, (48, 63), plate=(37, 51)).numpy(), golden["reverse_out"])
    conn = golden["conn_pred_u8"][0].astype(np.float32) / np.float32(255.0)
    assert np.array_equal(np.stack([largest(alpha) for alpha in conn]), golden["postprocess_out"][0])


def test_the_largest_piece_stays() -> None:
    alpha = np.zeros((9, 9), np.float32)
    alpha[1:4, 1:4] = 0.5
    alpha[4, 4] = 1.0
    alpha[7, 7] = 1.0
    kept = largest(alpha)
    assert kept[4, 4] == 1.0
    assert kept[7, 7] == 0.0
    faint = np.full((3, 3), 0.04, np.float32)
    assert np.array_equal(largest(faint), faint)


def _flipped(
    found: NDArray[np.float32], expected: NDArray[np.float32], coarse: NDArray[np.float32]
) -> list[tuple[int, int, int]]:
    """For each patch that differs, the pixel in its middle whose coarse alpha is within 3e-6 of a threshold."""
    pixels = []
    for person, off in enumerate(np.abs(found - expected) > 3e-5):
        wide = cv2.dilate(off.astype(np.uint8), np.ones((9, 9), np.uint8))
        for patch in range(1, cv2.connectedComponents(wide)[0]):
            ys, xs = np.nonzero((cv2.connectedComponents(wide)[1] == patch) & off)
            y, x = 4 * int(ys.mean()), 4 * int(xs.mean())
            near = coarse[person, max(0, y - 24) : y + 25, max(0, x - 24) : x + 25]
            distance = np.minimum(np.abs(near - HIGH), np.abs(near - LOW))
            row, column = np.unravel_index(np.argmin(distance), near.shape)
            assert distance[row, column] < 3e-6, f"person {person} differs around ({y}, {x}) for no such reason"
            pixels.append((person, max(0, y - 24) + int(row), max(0, x - 24) + int(column)))
    assert len(pixels) <= 4
    return pixels


def _close(found: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float, *, few: int) -> None:
    """At most `few` values further off: those that rounding has put on the other side of a threshold.

    Such a one is another scale's alpha, and with random weights that may be anything.
    """
    assert found.shape == expected.shape
    off = np.abs(found - expected)
    assert (off > tolerance).sum() <= few, f"{(off > tolerance).sum()} off, up to {off.max():.2e}"
