"""MaGGIe keeps the contract of every matting model, and promises of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vimatte.engine.masks import BoolMask
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.maggie import MaggieMatting
from vimatte.engine.matting.maggie.network import Encoded, Maggie, Mattes
from vimatte.engine.matting.maggie.pipeline import ends, network_masks, network_picture, restored, slide
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.refine.couple import couple
from vimatte.engine.testing.matting_contract import crossing_shot, tracks_of
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import TrackSet

from support.maggie_weights import settled_weights
from support.weights_contract import WeightsContract, slow

SHORT = 64


@cache
def weights(video: bool) -> dict[str, Tensor]:
    return settled_weights(video=video)


@cache
def shared(video: bool) -> MaggieMatting:
    """Contract tests that compare models make their own; the others need not fold 30 million numbers again."""
    return MaggieMatting(device="cpu", state=weights(video), short_side=SHORT)


class Shared(WeightsContract):
    """Both networks; contract tests use one model, where they do not compare two."""

    video: bool
    command = "vimatte weights pull maggie_video"
    without, refusal = "aspp.", r"(image|video) network.*missing"
    step, advice = (Maggie, "encode"), "--proxy 2"

    def weights(self) -> dict[str, Tensor]:
        return weights(self.video)

    def open(self, state: dict[str, Tensor] | None) -> MattingModel:
        if state is weights(self.video):
            return shared(self.video)
        return MaggieMatting(device="cpu", state=state, short_side=SHORT)


@slow(
    "test_any_chunking_gives_the_same_bytes",
    "test_memory_does_not_grow_with_the_shot",
    "test_masks_beyond_reach_do_not_matter",
)
class TestVideo(Shared):
    video, weight_set = True, "maggie_video"


@slow("test_memory_does_not_grow_with_the_shot")
class TestImage(Shared):
    video, weight_set = False, "maggie_image"


def test_chunks_across_stretches_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    from vimatte.engine.matting.maggie import model as module

    monkeypatch.setattr(module, "_LENGTH", 3)
    shot, tracks = _crossing(8)
    numbers = list(shot.frames)
    whole = {m.number: m.alphas.tobytes() for m in shared(True).mattes(shot, tracks, numbers)}
    assert list(whole) == numbers
    for chunk in (numbers[:1], numbers[3:4], numbers[4:7], numbers[-1:], [numbers[0], numbers[-2]]):
        for mattes in shared(True).mattes(shot, tracks, chunk):
            assert mattes.alphas.tobytes() == whole[mattes.number], f"frame {mattes.number} of {chunk}"


def test_mattes_are_those_of_the_authors_windows() -> None:
    """Frames encoded once, first frames left alone: the same as whole windows, one after the other."""
    shot, tracks = _crossing(6)
    network = shared(True)._networks.video
    assert network is not None
    size = (64, 85)
    pictures = torch.stack([network_picture(shot.picture(n), size) for n in shot.frames])
    masks = [np.stack([tracks.mask(one, n) for one in tracks.ids]) for n in shot.frames]
    found = list(shared(True).mattes(shot, tracks, list(shot.frames)))
    for start, out in enumerate(slide(network, pictures, torch.stack([network_masks(m, size) for m in masks]))):
        assert out is not None
        rows = {start + 1: 1} | ({0: 0} if start == 0 else {}) | ({5: 2} if start == 3 else {})
        for frame, row in rows.items():
            expected = couple(ends(restored(out.refined[0, row], size, plate=(72, 96))).numpy())
            off = np.abs(found[frame].alphas - expected) > 1e-3
            assert off.mean() < 1e-3, f"frame {frame}: {off.sum()} pixels"


def test_the_frame_before_is_handed_on() -> None:
    """Windows get the middle mattes of the one before, first none; the first frame of a window is then left alone."""
    shot, tracks = _crossing(5)
    seen, network = _watched()
    try:
        list(shared(True).mattes(shot, tracks, list(shot.frames)))
    finally:
        del network.decode
    (before_1, skip_1, out_1), (before_2, skip_2, out_2), (before_3, _, _) = seen
    assert (before_1, skip_1, skip_2) == (None, 0, 1)
    assert before_2 is not None
    assert before_3 is not None
    assert torch.equal(before_2, out_1.refined[:, 1])
    assert torch.equal(before_3, out_2.refined[:, 1])
    assert out_1.region[0, 0].any()
    assert not out_2.region[0, 0].any()


def test_windows_without_people_are_not_computed() -> None:
    pictures, alphas = crossing_shot(8)
    masks: list[list[BoolMask | None]] = [[a > 0.5 for a in on_frame] for on_frame in alphas]
    for on_frame in masks[:5]:
        on_frame[0] = on_frame[1] = None
    tracks = tracks_of(masks, height=72, width=96)
    seen, network = _watched()
    try:
        found = list(shared(True).mattes(MemoryShot(pictures), tracks, [1001, 1002, 1003, 1006]))
    finally:
        del network.decode
    # Windows around frames 1005 and 1006 see somebody; those before see nobody.
    assert len(seen) == 2
    assert [bool(m.alphas.any()) for m in found] == [False, False, False, True]


@pytest.mark.parametrize("video", [False, True])
def test_more_people_than_slots(video: bool) -> None:
    masks: list[BoolMask | None] = []
    for row in range(12):
        mask = np.zeros((48, 64), bool)
        mask[(row // 4) * 16 : (row // 4) * 16 + 14, (row % 4) * 16 : (row % 4) * 16 + 14] = True
        masks.append(mask)
    pictures = [np.random.default_rng(n).random((48, 64, 3), np.float32) for n in range(3)]
    tracks = tracks_of([masks, masks, [*masks[:11], None]], height=48, width=64)
    found = _all(shared(video), pictures, tracks)
    for mattes in found:
        assert mattes.alphas.sum(axis=0, dtype=np.float64).max() <= 1.0
    assert found[0].alphas.any(axis=(1, 2)).all()
    assert not found[2].alphas[11].any()


def test_people_too_small_for_the_network_keep_their_masks() -> None:
    mask = np.zeros((4 * SHORT, 4 * SHORT), bool)
    mask[1, 1] = True
    pictures = [np.full((4 * SHORT, 4 * SHORT, 3), 0.5, np.float32)] * 3
    tracks = tracks_of([[mask]] * 3, height=4 * SHORT, width=4 * SHORT)
    for video in (False, True):
        for mattes in _all(shared(video), pictures, tracks):
            assert np.array_equal(mattes.alphas[0], mask.astype(np.float32))


def test_a_still_goes_through_the_video_network_as_three_frames() -> None:
    shot, tracks = _crossing(1)
    seen, network = _watched()
    try:
        (mattes,) = shared(True).mattes(shot, tracks, [1001])
    finally:
        del network.decode
    ((_, _, out),) = seen
    assert out.refined.shape[1] == 3
    assert mattes.alphas.any()


def test_slivers_are_made_smaller() -> None:
    model = shared(False)
    assert model._size((72, 96)) == (64, 85)
    assert model._size((36, 48)) == (36, 48)
    assert model._size((10, 1000)) == (2, 200)
    assert model._size((1, 4000)) == (1, 4000)


def test_settings_name_the_size() -> None:
    assert shared(False).settings["short_side"] == SHORT


def _watched() -> tuple[list[tuple[Tensor | None, int, Mattes]], Maggie]:
    """Every call of the shared video network's second half; delete `network.decode` when done."""
    network = shared(True)._networks.video
    assert network is not None
    decode, seen = network.decode, []

    def watched(encoded: Encoded, **options: Any) -> Mattes:
        out = decode(encoded, **options)
        seen.append((options["previous_BNHW"], options.get("skip", 0), out))
        return out

    network.decode = watched
    return seen, network


def _crossing(count: int) -> tuple[MemoryShot, TrackSet]:
    pictures, alphas = crossing_shot(count)
    return MemoryShot(pictures), tracks_of([[a > 0.5 for a in on_frame] for on_frame in alphas], height=72, width=96)


def _all(model: MattingModel, pictures: Sequence[np.ndarray], tracks: TrackSet) -> list[MatteFrame]:
    shot = MemoryShot(list(pictures))
    return list(model.mattes(shot, tracks, list(shot.frames)))
