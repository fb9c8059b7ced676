"""Frames streamed one by one give what the library gives that holds the whole video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vimatte.engine.masks import Rle
from vimatte.engine.registry import VIS
from vimatte.engine.testing.matting_contract import crossing_shot
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.backend import KeyMasks, VisOptions
from vimatte.engine.vis.hub.checkpoint import find_checkpoint, load_model
from vimatte.engine.vis.hub.people import apart
from vimatte.engine.vis.hub.pictures import Preparation, read_preparation
from vimatte.engine.vis.hub.sam3_kernels import LocalKernels

from support import tiny_models

transformers = pytest.importorskip("transformers", reason="needs: pip install 'vimatte[transformers]'")

COUNT = 4


@pytest.fixture(scope="module")
def shot() -> MemoryShot:
    return MemoryShot(list(crossing_shot(10)[0][:COUNT]))


def tracked(name: str, folder: Path, shot: MemoryShot, keys: KeyMasks | None) -> TrackSet:
    options = VisOptions(weights=str(folder), min_area=0.0, min_duration=1)
    steps = VIS.load(name)().track(shot, keys=keys, options=options)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            tracks: TrackSet = end.value
            return tracks


def loaded(name: str, folder: Path, shot: MemoryShot) -> tuple[Any, Preparation, torch.Tensor]:
    """The model, how pictures are prepared, and all frames (t, 3, h, w)."""
    types = {"sam2": "Sam2VideoModel", "edgetam": "EdgeTamVideoModel", "sam3": "Sam3VideoModel"}
    found = find_checkpoint(name, str(folder), types={f"{name}_video": ""})
    model = load_model(found, architecture=types[name], device="cpu")
    half = {"mean": (0.5,) * 3, "std": (0.5,) * 3} if name == "sam3" else {}
    prepare = read_preparation(folder, fallback=Preparation(size={"height": 8, "width": 8}, **half))
    return model, prepare, torch.stack([prepare(shot.picture(n)).values for n in shot.frames])


@pytest.mark.parametrize("name", ["sam2", "edgetam"])
@pytest.mark.parametrize("at", [0, COUNT - 1])
def test_a_mask_is_followed_as_the_library_does(name: str, at: int, shot: MemoryShot, tmp_path: Path) -> None:
    """From one given frame to the end of the shot, forwards and backwards."""
    folder = getattr(tiny_models, name)(tmp_path / "weights")
    numbers = shot.frames.numbers
    given = crossing_shot(10)[1][at, 0] > 0.5
    keys = KeyMasks(names=("anna",), masks={numbers[at]: {"anna": Rle.encode(given)}})
    tracks = tracked(name, folder, shot, keys)
    model, prepare, video = loaded(name, folder, shot)
    kind = {"sam2": "Sam2", "edgetam": "EdgeTam"}[name]
    session = getattr(transformers, f"{kind}VideoInferenceSession")(
        video=video, video_height=shot.info.height, video_width=shot.info.width, dtype=torch.float32
    )
    soft = torch.from_numpy(given.astype(np.float32))[None, None]
    size = tuple(video.shape[-2:])
    small = torch.nn.functional.interpolate(soft, size=size, mode="bilinear", align_corners=False, antialias=True)
    session.add_mask_inputs(session.obj_id_to_idx(1), at, (small >= 0.5).float())
    session.obj_with_new_inputs = [1]
    model(session, frame_idx=at)
    followed = 0
    for out in model.propagate_in_video_iterator(session, start_frame_idx=at, reverse=at > 0):
        if out.frame_idx == at:
            continue
        prepared = prepare(shot.picture(numbers[out.frame_idx]))
        wanted = prepare.back(out.pred_masks[:, 0], prepared=prepared, height=shot.info.height, width=shot.info.width)
        assert np.array_equal(tracks.mask(1, numbers[out.frame_idx]), wanted[0] > 0), out.frame_idx
        followed += 1
    assert followed == COUNT - 1
    assert len(tracks.presence(1)) > 1


def test_a_text_finds_what_the_library_finds(shot: MemoryShot, tmp_path: Path) -> None:
    folder = tiny_models.sam3(tmp_path / "weights")
    tracks = tracked("sam3", folder, shot, None)
    model, prepare, video = loaded("sam3", folder, shot)
    session = transformers.Sam3VideoInferenceSession(
        video=video, video_height=shot.info.height, video_width=shot.info.width, dtype=torch.float32
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    words = tokenizer("person", return_tensors="pt", padding="max_length", max_length=32)
    number = session.add_prompt("person")
    session.prompt_input_ids[number], session.prompt_attention_masks[number] = words.input_ids, words.attention_mask
    transformers.models.sam3_video.modeling_sam3_video.cv_utils_kernel = LocalKernels()
    seen: dict[int, dict[int, np.ndarray]] = {}
    for out in model.propagate_in_video_iterator(session):
        number = shot.frames.numbers[out.frame_idx]
        ids = sorted(set(out.obj_id_to_mask) - set(out.suppressed_obj_ids))
        prepared = prepare(shot.picture(number))
        logits = torch.cat([out.obj_id_to_mask[i] for i in ids])
        soft = prepare.back(logits, prepared=prepared, height=shot.info.height, width=shot.info.width)
        for one, mask in zip(ids, apart(soft), strict=True):
            if mask.any():
                seen.setdefault(one, {})[number] = mask
    wanted = sorted(sorted((n, m.sum()) for n, m in by.items()) for by in seen.values())
    found = sorted(sorted((n, m.area) for n, m in tracks.masks[i].items()) for i in tracks.ids)
    assert found == wanted
    assert len(found) >= 1
