"""The published weights of Robust Video Matting: equal to the authors' export, and better divided than split."""

from __future__ import annotations

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from vimatte.engine.errors import BackendError
from vimatte.engine.masks import Rle
from vimatte.engine.matting.rvm import Rvm
from vimatte.engine.matting.rvm.network import RvmNetwork
from vimatte.engine.matting.rvm.weights import open_network
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import Instance, TrackSet
from vimatte.engine.weights import locate

pytestmark = pytest.mark.weights
PEOPLE = ("anna", "bruno", "carla")


@pytest.fixture(scope="module")
def weights() -> Path:
    try:
        return locate("rvm")["rvm_mobilenetv3_fp32.onnx"]
    except BackendError as error:
        if os.environ.get("VIMATTE_REQUIRE_WEIGHTS"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def network(weights: Path) -> RvmNetwork:
    return open_network(None)[0]


def pictures(example: Path, count: int, *, size: tuple[int, int]) -> list[np.ndarray]:
    """The first pictures of the example shot, shrunk to (height, width)."""
    with av.open(str(example / "shot.mov")) as container:
        frames = [f.to_ndarray(format="rgb24") for _, f in zip(range(count), container.decode(video=0), strict=False)]
    return [cv2.resize(f, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255 for f in frames]


def truth(example: Path, count: int, *, size: tuple[int, int]) -> np.ndarray:
    """(frames, people, h, w)."""
    read = [
        [cv2.imread(str(example / "truth" / who / f"{1001 + i}.png"), cv2.IMREAD_UNCHANGED) for who in PEOPLE]
        for i in range(count)
    ]
    shrunk = [[cv2.resize(a, size[::-1], interpolation=cv2.INTER_AREA) for a in row] for row in read]
    return np.array(shrunk, np.float32) / 65535


@pytest.mark.parametrize(
    ("size", "ratio"), [((144, 256), 1.0), ((137, 243), 1.0), ((270, 480), 0.4), ((271, 477), 0.4)]
)
def test_equal_to_the_onnx_run_over_a_clip(
    weights: Path, network: RvmNetwork, example: Path, size: tuple[int, int], ratio: float
) -> None:
    session = pytest.importorskip("onnxruntime").InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    hidden = [np.zeros((1, 1, 1, 1), np.float32)] * 4
    state = None
    for picture in pictures(example, 4, size=size):
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
        given = dict(zip(("r1i", "r2i", "r3i", "r4i"), hidden, strict=True))
        foreground, alpha, *hidden = session.run(
            None, {"src": planes, **given, "downsample_ratio": np.array([ratio], np.float32)}
        )
        full = torch.from_numpy(planes)
        # The export shrinks by the ratio itself, whatever the rounded size: up to 2 px apart at the far edge.
        small = functional.interpolate(
            full, scale_factor=ratio, mode="bilinear", align_corners=False, recompute_scale_factor=False
        )
        with torch.inference_mode():
            found = network(full, small, state)
        state = found.state
        assert alpha.max() > 0.5
        np.testing.assert_allclose(found.alpha.numpy(), alpha, rtol=0, atol=1e-3)
        np.testing.assert_allclose(found.foreground.numpy(), foreground, rtol=0, atol=1e-3)
        for one, other in zip(state, hidden, strict=True):
            np.testing.assert_allclose(one.numpy(), other, rtol=0, atol=1e-3)


def test_three_people_from_wrong_masks(weights: Path, example: Path) -> None:
    size, count = (270, 480), 3
    true = truth(example, count, size=size)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    masks = {
        row + 1: {
            1001 + i: Rle.encode((cv2.erode, cv2.dilate)[(row + i) % 2]((a > 0.5).astype(np.uint8), brush) > 0)
            for i, a in enumerate(true[:, row])
        }
        for row in range(3)
    }
    tracks = TrackSet(
        width=size[1],
        height=size[0],
        frames=tuple(range(1001, 1001 + count)),
        instances=tuple(Instance(id=row + 1, name=name) for row, name in enumerate(PEOPLE)),
        masks=masks,
    )
    found = list(Rvm().mattes(MemoryShot(pictures(example, count, size=size)), tracks, tracks.frames))
    for mattes, alphas in zip(found, true, strict=True):
        guidance = np.stack([tracks.mask(one, mattes.number) for one in tracks.ids])
        error, before = (np.abs(x - alphas).mean(axis=(1, 2)) for x in (mattes.alphas, guidance))
        assert (error < 0.5 * before).all()
        assert (error < 0.004).all()
