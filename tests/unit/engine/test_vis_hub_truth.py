"""With a network that is right, the finders that find by themselves give the right people on every frame."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vimatte.engine.masks import mask_iou
from vimatte.engine.registry import VIS
from vimatte.engine.testing.matting_contract import crossing_shot
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.vis import detect, videomt
from vimatte.engine.vis.backend import VisOptions

from support import tiny_models

pytest.importorskip("transformers", reason="needs: pip install 'vimatte[transformers]'")

COUNT = 24


class Oracle:
    """Answers like VidEoMT or EoMT: two queries are people, whose places change from call to call, one is a dog."""

    def __init__(self, masks: np.ndarray) -> None:
        self._masks = torch.from_numpy(masks)
        self._calls = 0
        self._at = 0
        self.config = SimpleNamespace(image_size=list(masks.shape[-2:]))

    def __call__(self, **given: torch.Tensor) -> SimpleNamespace:
        video = given.get("pixel_values_videos")
        count = 1 if video is None else int(video.shape[1])
        start = self._start(count, video is not None)
        masks = self._masks[start : start + count]
        people = masks.flip(1) if self._calls % 2 else masks
        self._calls += 1
        dog = torch.zeros_like(people[:, :1])
        dog[:, :, :20, :20] = 1
        logits = torch.cat([people, dog], dim=1).float() * 20 - 10
        classes = torch.tensor([[9.0, 0, 0, 0], [9.0, 0, 0, 0], [0, 9.0, 0, 0]]).expand(len(masks), 3, 4)
        return SimpleNamespace(masks_queries_logits=logits, class_queries_logits=classes)

    def _start(self, count: int, window: bool) -> int:
        start = self._at
        self._at = start + 12 if window else min(start + 2, COUNT - 1)
        return start


@pytest.fixture
def truth() -> tuple[MemoryShot, np.ndarray]:
    pictures, alphas = crossing_shot(COUNT)[:2]
    return MemoryShot(list(pictures)), np.asarray(alphas) > 0.5


@pytest.mark.parametrize("name", ["videomt", "detect"])
def test_everybody_is_found_and_kept_apart(
    name: str, truth: tuple[MemoryShot, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot, masks = truth
    folder = getattr(tiny_models, name)(tmp_path / "weights")
    size = {"height": shot.info.height, "width": shot.info.width}
    for file in folder.glob("*preprocessor_config.json"):
        file.write_text(f'{{"size": {{"height": {size["height"]}, "width": {size["width"]}}}, "do_pad": false}}')
    module = {"videomt": videomt, "detect": detect}[name]
    monkeypatch.setattr(module, "load_model", lambda *_, **__: Oracle(masks))
    steps = VIS.load(name)().track(shot, keys=None, options=VisOptions(weights=str(folder)))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            tracks = end.value
            break
    assert tracks.names == ("person_01", "person_02"), "and no dog"
    first = [mask_iou(tracks.mask(1, shot.frames.first), masks[0, n]) for n in (0, 1)]
    order = (0, 1) if first[0] > first[1] else (1, 0)
    for one, n in zip(tracks.ids, order, strict=True):
        ious = [mask_iou(tracks.mask(one, number), masks[at, n]) for at, number in enumerate(shot.frames)]
        assert float(np.mean(ious)) > (0.99 if name == "videomt" else 0.85), ious
