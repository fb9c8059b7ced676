"""The real networks on real and rendered people."""

from __future__ import annotations

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from vimatte.engine.errors import BackendError
from vimatte.engine.masks import mask_iou
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.vis.backend import VisOptions
from vimatte.engine.vis.blazepose import BlazePose
from vimatte.engine.vis.blazepose.flatbuffer import read_graph
from vimatte.engine.vis.blazepose.look import Finder
from vimatte.engine.vis.blazepose.network import Network
from vimatte.engine.weights import locate

pytestmark = pytest.mark.weights
TOLERANCE = 1e-3
"""Of the largest output, against LiteRT: float32 sums in another order, over a hundred layers."""


@pytest.fixture
def weights() -> dict[str, Path]:
    try:
        return locate("blazepose")
    except BackendError as error:
        if os.environ.get("VIMATTE_REQUIRE_WEIGHTS"):
            raise
        pytest.skip(str(error))


def example_frames(example: Path, step: int, count: int) -> list[np.ndarray]:
    with av.open(str(example / "shot.mov")) as container:
        frames = [f.to_ndarray(format="rgb24") for i, f in enumerate(container.decode(video=0)) if i % step == 0]
    return [f.astype(np.float32) / 255 for f in frames[:count]]


@pytest.mark.parametrize(
    ("file", "low", "high"), [("pose_detection.tflite", -1, 1), ("pose_landmark_full.tflite", 0, 1)]
)
def test_torch_equals_litert(weights: dict[str, Path], file: str, low: float, high: float) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(model_path=str(weights[file]))
    interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]
    batch = np.random.default_rng(0).uniform(low, high, (3, *place["shape"][1:])).astype(np.float32)
    got = [o.numpy() for o in Network(read_graph(weights[file]))(torch.from_numpy(batch))]
    for i in range(len(batch)):
        interpreter.set_tensor(place["index"], batch[i : i + 1])
        interpreter.invoke()
        for out, details in zip(got, interpreter.get_output_details(), strict=True):
            expected = interpreter.get_tensor(details["index"])
            np.testing.assert_allclose(out[i : i + 1], expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def test_three_rendered_people_on_one_frame(weights: dict[str, Path], example: Path) -> None:
    image = np.rint(example_frames(example, 1, 1)[0] * 255).astype(np.uint8)
    with Finder(torch.device("cpu")) as finder:
        seen = finder.look(image)
    masks = [s.paint(*image.shape[:2]) > 0.5 for s in seen if s.quality > 0.6]
    assert len(masks) == 3
    for name in ("anna", "bruno", "carla"):
        truth = cv2.imread(str(example / "truth" / name / "1001.png"), cv2.IMREAD_UNCHANGED) > 32767
        assert max(mask_iou(m, truth) for m in masks) > 0.9


@pytest.mark.slow
def test_people_keep_their_identity_through_the_example(weights: dict[str, Path], example: Path) -> None:
    frames = example_frames(example, 1, 24)
    running = BlazePose().track(MemoryShot(frames), keys=None, options=VisOptions())
    while True:
        try:
            next(running)
        except StopIteration as stop:
            tracks = stop.value
            break
    assert len(tracks.ids) == 3
    for name in ("anna", "bruno", "carla"):
        folder = example / "truth" / name
        ends = [cv2.imread(str(folder / f"{n}.png"), cv2.IMREAD_UNCHANGED) > 32767 for n in (1001, 1023)]
        best = [
            max(tracks.ids, key=lambda i, n=n, t=t: mask_iou(tracks.mask(i, n), t))
            for n, t in zip((1001, 1023), ends, strict=True)
        ]
        assert best[0] == best[1]
        assert mask_iou(tracks.mask(best[0], 1001), ends[0]) > 0.9
        assert mask_iou(tracks.mask(best[1], 1023), ends[1]) > 0.7


@pytest.mark.footage
def test_two_children_on_the_beach(weights: dict[str, Path], footage: Path) -> None:
    with av.open(str(footage / "clip_boys_beach" / "input_video.mp4")) as container:
        frames = [f.to_ndarray(format="rgb24") for _, f in zip(range(12), container.decode(video=0), strict=False)]
    running = BlazePose().track(
        MemoryShot([f.astype(np.float32) / 255 for f in frames]), keys=None, options=VisOptions()
    )
    while True:
        try:
            next(running)
        except StopIteration as stop:
            tracks = stop.value
            break
    assert len(tracks.ids) == 2
    assert all(len(tracks.presence(i)) == 12 for i in tracks.ids)
