"""From 8-bit pictures and masks to 8-bit mattes, as the authors' script goes, and the same as fast as we run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.matting.common.pictures import normalised, padded, uncovered
from vimatte.engine.matting.msg_vim.evaluation import Evaluation
from vimatte.engine.matting.msg_vim.guidance import fuse, guided
from vimatte.engine.matting.msg_vim.model import MsgVim
from vimatte.engine.matting.msg_vim.network import Network
from vimatte.engine.testing.matting_contract import tracks_of
from vimatte.engine.testing.shots import MemoryShot

Load = Callable[[str], tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]]
ATOL = 3e-5
FLIPPED = 5e-4
"""Share of the pixels that may fall on the other side of a threshold."""


@pytest.fixture(scope="module")
def evaluation(trained: Network) -> Evaluation:
    return Evaluation.of(deepcopy(trained))


def inputs(golden: Mapping[str, NDArray[Any]], of: int) -> list[Tensor]:
    """(5, h', w') for each frame, out of grey files: set from 128 on."""
    target, others = golden["tg_grey_u8"][of] >= 128, golden["re_grey_u8"][of] >= 128
    return [
        guided(
            normalised(image.astype(np.float32) / 255),
            {1: torch.from_numpy(one), 2: torch.from_numpy(other)},
            of=1,
        )
        for image, one, other in zip(golden["image_rgb_u8"], target, others, strict=True)
    ]


def test_padding(load: Load) -> None:
    golden, _ = load("pipeline144x208")
    for length in (96, 20):
        row = torch.arange(length)[None].expand(length, length)
        assert np.array_equal(padded(row)[0].numpy(), golden[f"pad_probe_1d_{length}"])


def test_input(load: Load) -> None:
    golden, _ = load("pipeline144x208")
    x = torch.stack(inputs(golden, 0)).numpy()
    np.testing.assert_allclose(x[:, :3, ::4, ::4], golden["image_tensor_s4"], atol=1e-6)
    assert np.array_equal(x[:, 3], golden["tg_tensor"])
    assert np.array_equal(x[:, 4], golden["re_tensor"])


@pytest.mark.parametrize("of", [0, 1])
def test_mattes(load: Load, trained: Network, of: int) -> None:
    golden, _ = load("pipeline144x208")
    with torch.inference_mode():
        fused = fuse(trained(torch.stack(inputs(golden, of))[None])[0])
    check(uncovered(fused, height=144, width=208).numpy(), golden, of)


@pytest.mark.parametrize("of", [0, 1])
def test_mattes_as_shots_are_matted(load: Load, evaluation: Evaluation, of: int) -> None:
    """Folded, frame by frame, the finest scale in tiles."""
    golden, _ = load("pipeline144x208")
    state = None
    found = []
    for x in inputs(golden, of):
        alphas, state = evaluation.frame(x[None], state, height=144, width=208)
        found.append(alphas[0].numpy())
    check(np.stack(found), golden, of)


def check(found: NDArray[np.float32], golden: Mapping[str, NDArray[Any]], of: int) -> None:
    apart = np.abs(found - golden[f"inst{of}/fused_cropped"]) > ATOL
    assert apart.mean() < FLIPPED
    counts = (found * 255).astype(np.uint8).astype(int)
    assert np.abs(counts - golden[f"inst{of}/alpha_u8"])[~apart].max() <= 1


def test_tiles_are_the_whole_picture(trained: Network) -> None:
    """Sizes that are no multiple of a tile, several people, and one whose matte is open nearly nowhere."""
    noise = np.random.default_rng(5)
    height, width = 75, 141
    picture = noise.random((height, width, 3), np.float32)
    masks = {1: torch.zeros(height, width, dtype=torch.bool), 2: torch.zeros(height, width, dtype=torch.bool)}
    masks[1][10:60, 20:70] = True
    masks[2][5:70, 60:120] = True
    planes = normalised(picture)
    x = torch.stack([guided(planes, masks, of=one) for one in (1, 2, 3)])
    shut = deepcopy(trained)
    with torch.no_grad():
        # All but everywhere sure at the coarse scales: few tiles.
        for head in (shut.decoder.refine_OS8, shut.decoder.refine_OS4):
            head[-1].bias.sub_(14.0)
    for network in (trained, shut):
        with torch.inference_mode():
            expected = uncovered(fuse(network(x[:, None])[0]), height=height, width=width)
        found, _ = Evaluation.of(deepcopy(network)).frame(x, None, height=height, width=width)
        apart = (found - expected).abs() > ATOL
        assert apart.float().mean() < FLIPPED


def test_the_model_is_the_pipeline(load: Load, weights: Mapping[str, Tensor]) -> None:
    """Two people who do not overlap: their mattes, brought to a sum of 1, are the authors'."""
    golden, _ = load("net128")
    images, masks = golden["image_rgb_u8"], golden["mask_u8"].astype(bool)
    masks[1] &= ~masks[0]
    shot = MemoryShot([image.astype(np.float32) / 255 for image in images])
    tracks = tracks_of([[masks[0, t], masks[1, t]] for t in range(len(images))], height=128, width=128)
    found = np.stack([frame.alphas for frame in MsgVim(state=weights).mattes(shot, tracks, list(shot.frames))])
    network = Network()
    network.load_state_dict(weights)
    expected = []
    for of in (0, 1):
        x = torch.stack(
            [
                guided(
                    normalised(shot.picture(number)), {k: torch.from_numpy(m) for k, m in enumerate(on_frame)}, of=of
                )
                for number, on_frame in zip(shot.frames, masks.transpose(1, 0, 2, 3), strict=True)
            ]
        )
        with torch.inference_mode():
            fused = fuse(network.eval()(x[None])[0])
        expected.append(uncovered(fused, height=128, width=128).numpy())
    raw = np.stack(expected, axis=1)
    shared = raw / np.maximum(raw.sum(axis=1, keepdims=True), 1.0)
    # The ends snap at 1/1024.
    assert (np.abs(found - shared) > 1.1 / 1024).mean() < FLIPPED
