from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from vimatte.engine.masks import Rle
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.matting.msg_vim import model as module
from vimatte.engine.matting.msg_vim.evaluation import Evaluation
from vimatte.engine.matting.msg_vim.model import MsgVim
from vimatte.engine.testing.matting_contract import crossing_shot, tracks_of
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import TrackSet

from support.recipe_weights import msg_vim_weights
from support.weights_contract import WeightsContract, slow

FIRST = 1001


@slow(
    "test_any_chunking_gives_the_same_bytes",
    "test_memory_does_not_grow_with_the_shot",
    "test_alphas_are_between_0_and_1_and_sum_to_at_most_1",
)
class TestMsgVim(WeightsContract):
    weight_set, command = "msg_vim", "vimatte weights import msg_vim"
    without, refusal = (
        "decoder.layer4.0.tmp_network.",
        r"MSG-VIM .*4 missing: decoder\.layer4\.0\.tmp_network\.ih\.weight",
    )
    step, advice = (Evaluation, "frame"), "2 people at 56x40"

    def weights(self) -> dict[str, Tensor]:
        return msg_vim_weights()

    def open(self, state: dict[str, Tensor] | None) -> MattingModel:
        return MsgVim(state=state)


def crossing(count: int, *, away: dict[int, Sequence[int]] | None = None) -> tuple[MemoryShot, TrackSet]:
    """`away`: row -> indices of frames without a mask."""
    pictures, alphas = crossing_shot(count, height=40, width=56)
    masks = [
        [None if index in (away or {}).get(row, ()) else alpha > 0.5 for row, alpha in enumerate(on_frame)]
        for index, on_frame in enumerate(alphas)
    ]
    return MemoryShot(pictures), tracks_of(masks, height=40, width=56)


def matte(
    shot: MemoryShot, tracks: TrackSet, frames: Sequence[int] | None = None, model: MsgVim | None = None
) -> list[MatteFrame]:
    chosen = list(shot.frames) if frames is None else frames
    return list((model or MsgVim(state=msg_vim_weights())).mattes(shot, tracks, chosen))


def test_frames_depend_on_those_before_in_their_chunk_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recurrence begins anew with each chunk, counted from the shot's first frame."""
    monkeypatch.setattr(module, "_CHUNK", 2)
    shot, tracks = crossing(4)
    other = MemoryShot([1.0 - shot.picture(FIRST), *(shot.picture(FIRST + k) for k in (1, 2, 3))])
    apart = [
        float(np.abs(a.alphas - b.alphas).max()) for a, b in zip(matte(shot, tracks), matte(other, tracks), strict=True)
    ]
    assert min(apart[:2]) > 0.01
    assert apart[2:] == [0.0, 0.0]


def test_a_chunk_in_its_middle_is_the_same() -> None:
    shot, tracks = crossing(4)
    model = MsgVim(state=msg_vim_weights())
    whole = matte(shot, tracks, model=model)
    for wanted in ([FIRST + 2], [FIRST + 1, FIRST + 3]):
        for found in matte(shot, tracks, wanted, model):
            assert found.alphas.tobytes() == whole[found.number - FIRST].alphas.tobytes()


def test_before_and_after_presence_there_are_zeros() -> None:
    """And one who comes late is not left out: the frames before are guided by an empty mask, as the authors run it."""
    shot, tracks = crossing(5, away={0: (0, 1, 4), 1: (3,)})
    present = [m.alphas.any(axis=(1, 2)).tolist() for m in matte(shot, tracks)]
    assert present == [[False, True], [False, True], [True, True], [True, False], [False, True]]


def test_who_is_in_a_chunk_at_no_time_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 2)
    seen: list[int] = []
    frame = Evaluation.frame

    def counted(self: Evaluation, x: Tensor, state: Tensor | None, **size: int) -> tuple[Tensor, Tensor]:
        seen.append(len(x))
        return frame(self, x, state, **size)

    monkeypatch.setattr(Evaluation, "frame", counted)
    shot, tracks = crossing(6, away={0: (0, 1, 5), 1: (0, 2, 3, 5)})
    matte(shot, tracks)
    # Chunk 1: the second person alone, on both frames; 2: the first alone; 3: both, and nobody on the last frame.
    assert seen == [1, 1, 1, 1, 2]


def test_more_than_ten_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """In groups as well as at once, and the same to rounding."""
    masks = np.zeros((12, 40, 48), bool)
    for row, mask in enumerate(masks):
        mask[(row // 4) * 13 : (row // 4) * 13 + 10, (row % 4) * 12 : (row % 4) * 12 + 10] = True
    pictures, _ = crossing_shot(2, height=40, width=48)
    tracks = tracks_of([list(masks)] * 2, height=40, width=48)
    shot = MemoryShot(pictures)
    at_once = matte(shot, tracks)
    monkeypatch.setattr(module, "_PIXELS_AT_ONCE", 5 * 40 * 48)
    for one, other in zip(at_once, matte(shot, tracks), strict=True):
        assert one.alphas.shape == (12, 40, 48)
        assert one.alphas.any(axis=(1, 2)).all()
        assert one.alphas.sum(axis=0, dtype=np.float64).max() <= 1.0
        np.testing.assert_allclose(one.alphas, other.alphas, atol=2e-3)


def test_half_precision_is_close() -> None:
    """Autocast, as on a GPU; alphas and the thresholds they are held against stay float32."""
    shot, tracks = crossing(2)
    model = MsgVim(state=msg_vim_weights())
    whole = matte(shot, tracks, model=model)
    with torch.autocast("cpu", torch.bfloat16):
        half = matte(shot, tracks, model=model)
    for one, other in zip(whole, half, strict=True):
        assert other.alphas.dtype == np.float32
        assert 0.0 < np.abs(one.alphas - other.alphas).mean() < 0.05


def test_others_change_a_matte() -> None:
    """Their masks are the reference."""
    shot, tracks = crossing(1)
    alone = tracks.pick([tracks.ids[0]])
    both, single = matte(shot, tracks)[0].alphas[0], matte(shot, alone)[0].alphas[0]
    assert np.abs(both - single).max() > 0.01


def test_broken_pictures_do_not_spoil_the_frames_after() -> None:
    shot, tracks = crossing(3)
    broken = shot.picture(FIRST).copy()
    broken[:20] = np.nan
    again = MemoryShot([broken, shot.picture(FIRST + 1), shot.picture(FIRST + 2)])
    for found in matte(again, tracks):
        assert found.alphas.any()


def test_a_mask_corrected_within_reach_changes_later_frames() -> None:
    """What is remembered: `reach` is not 0 for nothing."""
    shot, tracks = crossing(3)
    one = tracks.ids[0]
    swapped = {**tracks.masks[one], FIRST: Rle.encode(~tracks.mask(one, FIRST))}
    other = replace(tracks, masks={**tracks.masks, one: swapped})
    (before,), (after,) = matte(shot, tracks, [FIRST + 2]), matte(shot, other, [FIRST + 2])
    assert np.abs(before.alphas[0] - after.alphas[0]).max() > 1e-3
