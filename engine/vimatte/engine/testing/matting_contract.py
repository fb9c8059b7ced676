"""Questions every matting model must answer well: import the class, subclass it in a test, say how to make the model.

    class TestMine(MattingContract):
        def make(self) -> MattingModel:
            return Mine(device="cpu")

The methods are ordinary pytest tests on small shots made here; none needs files.
"""

from __future__ import annotations

import gc
import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from vimatte.engine.errors import VimatteError
from vimatte.engine.masks import BoolMask, Rle
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.shot import Picture
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import Instance, TrackSet

__all__ = ["MattingContract", "crossing_shot", "tracks_of"]

_FIRST = 1001


def crossing_shot(
    count: int, *, height: int = 72, width: int = 96, seed: int = 3
) -> tuple[list[Picture], NDArray[np.float32]]:
    """Two soft discs that cross over a textured background: `count` pictures, and visible alphas (count, 2, h, w)."""
    noise = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    wall = 0.35 + 0.15 * np.sin(x / 5) * np.cos(y / 7)
    background = np.stack([wall, wall + 0.1, wall + 0.25], axis=2)
    pictures: list[Picture] = []
    alphas = np.zeros((count, 2, height, width), np.float32)
    for index in range(count):
        front = _disc(x, y, width * 0.3 + 2.0 * index, height * 0.5, height * 0.24)
        back = _disc(x, y, width * 0.7 - 2.0 * index, height * 0.55, height * 0.24)
        alphas[index] = front, back * (1.0 - front)
        mixed = background * (1.0 - alphas[index].sum(axis=0))[..., None]
        mixed += alphas[index, 0][..., None] * np.array([0.8, 0.25, 0.2])
        mixed += alphas[index, 1][..., None] * np.array([0.2, 0.7, 0.25])
        mixed += noise.normal(0.0, 0.01, mixed.shape)
        pictures.append(np.clip(mixed, 0.0, 1.0).astype(np.float32))
    return pictures, alphas


def tracks_of(masks: Sequence[Sequence[BoolMask | None]], *, height: int, width: int, first: int = _FIRST) -> TrackSet:
    """Tracks from masks[frame][person]; None and empty masks mean absent. Ids are 2, 5, 8, … (never row numbers)."""
    people = len(masks[0]) if masks else 0
    ids = [2 + 3 * row for row in range(people)]
    return TrackSet(
        width=width,
        height=height,
        frames=tuple(range(first, first + len(masks))),
        instances=tuple(Instance(id=one, name=f"person_{one:02d}") for one in ids),
        masks={
            one: {
                first + index: Rle.encode(mask)
                for index, on_frame in enumerate(masks)
                if (mask := on_frame[row]) is not None and mask.any()
            }
            for row, one in enumerate(ids)
        },
    )


class MattingContract(ABC):
    """Subclass in a test module and give `make`."""

    trained = True
    """False for random weights, of which good mattes cannot be asked; everything else still is."""

    @abstractmethod
    def make(self) -> MattingModel:
        """Return a fresh model."""

    def test_has_a_name_and_settings_for_the_header(self) -> None:
        """The name is a word, the settings are flat and the same for two models made alike."""
        model = self.make()
        assert model.name
        assert model.settings
        assert all(isinstance(v, str | int | float) for v in model.settings.values())
        assert dict(model.settings) == dict(self.make().settings)

    def test_rows_numbers_and_sizes(self) -> None:
        """One row for every id in the track set's order, on every frame asked for, in order, at the shot's size."""
        shot, tracks, _ = _crossing(5)
        found = self._all(shot, tracks)
        assert [m.number for m in found] == list(shot.frames)
        for mattes in found:
            assert mattes.ids == tracks.ids
            assert mattes.alphas.shape == (2, shot.info.height, shot.info.width)

    def test_alphas_are_between_0_and_1_and_sum_to_at_most_1(self) -> None:
        """Also where masks of two people overlap."""
        shot, tracks, _ = _crossing(12, grow=3)
        for mattes in self._all(shot, tracks):
            _check_range(mattes)

    def test_mattes_are_where_the_masks_are(self) -> None:
        """Most of each person is covered, and little else."""
        if not self.trained:
            pytest.skip("random weights")
        shot, tracks, truth = _crossing(3)
        for mattes, alphas in zip(self._all(shot, tracks), truth, strict=True):
            error = np.abs(mattes.alphas - alphas).sum(axis=(1, 2)) / alphas.sum(axis=(1, 2))
            assert (error < 0.2).all()

    def test_absent_people_are_zeros(self) -> None:
        """A person without a mask on a frame has an all-zero row there, and the others stay."""
        pictures, alphas = crossing_shot(6)
        masks: list[list[BoolMask | None]] = [[a[0] > 0.5, a[1] > 0.5] for a in alphas]
        masks[0][1] = masks[3][0] = masks[3][1] = masks[5][1] = None
        tracks = tracks_of(masks, height=alphas.shape[2], width=alphas.shape[3])
        for index, mattes in enumerate(self._all(MemoryShot(pictures), tracks)):
            for row in range(2):
                assert mattes.alphas[row].any() == (masks[index][row] is not None)

    def test_nobody_tracked(self) -> None:
        """Frames come out with no rows."""
        pictures, alphas = crossing_shot(3)
        empty = tracks_of([[], [], []], height=alphas.shape[2], width=alphas.shape[3])
        found = self._all(MemoryShot(pictures), empty)
        assert [m.alphas.shape for m in found] == [(0, *alphas.shape[2:])] * 3

    def test_any_chunking_gives_the_same_bytes(self) -> None:
        """A frame's mattes do not depend on which other frames were asked for, nor on what the model did before."""
        shot, tracks, _ = _crossing(9)
        whole = {m.number: m.alphas.tobytes() for m in self._all(shot, tracks)}
        numbers = list(shot.frames)
        model = self.make()
        for chunk in (numbers[:4], numbers[4:], numbers[2:7:2], numbers[5:6], numbers[-1:], [numbers[0], numbers[-1]]):
            for mattes in model.mattes(shot, tracks, chunk):
                assert mattes.alphas.tobytes() == whole[mattes.number], f"frame {mattes.number} of {chunk}"

    def test_two_runs_give_the_same_bytes(self) -> None:
        """One model used twice, and two models, agree to the last bit."""
        shot, tracks, _ = _crossing(3)
        model = self.make()
        runs = [[m.alphas.tobytes() for m in who.mattes(shot, tracks, list(shot.frames))] for who in (model, model)]
        runs.append([m.alphas.tobytes() for m in self._all(shot, tracks)])
        assert runs[0] == runs[1] == runs[2]

    def test_no_frames_asked_for(self) -> None:
        """Nothing comes out."""
        shot, tracks, _ = _crossing(2)
        assert list(self.make().mattes(shot, tracks, [])) == []

    def test_a_single_picture(self) -> None:
        """A still is a shot of one frame."""
        shot, tracks, _ = _crossing(1)
        (mattes,) = self._all(shot, tracks)
        assert mattes.alphas.any()
        _check_range(mattes)

    def test_odd_and_tiny_sizes(self) -> None:
        """1x1, slivers and odd sizes; everything, nothing and half of the picture masked."""
        for height, width in ((1, 1), (1, 9), (7, 1), (2, 2), (3, 5), (37, 53)):
            noise = np.random.default_rng(height * 100 + width)
            pictures = [noise.random((height, width, 3), np.float32) for _ in range(2)]
            half = np.zeros((height, width), bool)
            half[:, : -(-width // 2)] = True
            for mask in (np.ones((height, width), bool), half):
                tracks = tracks_of([[mask, None], [mask, ~mask]], height=height, width=width)
                for mattes in self._all(MemoryShot(pictures), tracks):
                    assert mattes.alphas.shape == (2, height, width)
                    _check_range(mattes)

    def test_flat_and_broken_pictures(self) -> None:
        """One colour everywhere, and pictures with NaN and infinity, still give alphas in range."""
        _, alphas = crossing_shot(1)
        tracks = tracks_of([[a > 0.5 for a in alphas[0]]], height=alphas.shape[2], width=alphas.shape[3])
        flat = np.full((*alphas.shape[2:], 3), 0.5, np.float32)
        broken = flat.copy()
        broken[20:30, 20:40] = np.nan
        broken[40:45] = np.inf
        for picture in (flat, broken):
            (mattes,) = self._all(MemoryShot([picture]), tracks)
            _check_range(mattes)

    def test_tracks_of_another_size_are_refused(self) -> None:
        """One sentence that names both sizes."""
        shot, _, _ = _crossing(1)
        other = tracks_of([[np.ones((9, 11), bool)]], height=9, width=11)
        with pytest.raises(VimatteError, match="11x9"):
            self._all(shot, other)

    def test_inputs_are_left_alone(self) -> None:
        """Pictures and tracks are the caller's."""
        shot, tracks, _ = _crossing(3)
        before = [shot.picture(n).tobytes() for n in shot.frames], tracks.digest()
        self._all(shot, tracks)
        assert before == ([shot.picture(n).tobytes() for n in shot.frames], tracks.digest())

    def test_masks_beyond_reach_do_not_matter(self) -> None:
        """`reach` is what `--resume` goes by after a correction: other masks further off leave mattes as they are."""
        reach = self.make().reach
        assert reach >= 0
        if reach > 20:
            return
        shot, tracks, _ = _crossing(reach + 3)
        first = shot.frames.first
        one = tracks.ids[0]
        others = {n: Rle.encode(~tracks.mask(one, n)) if n > first + reach else r for n, r in tracks.masks[one].items()}
        changed = replace(tracks, masks={**tracks.masks, one: others})
        (before,), (after,) = (list(self.make().mattes(shot, t, [first])) for t in (tracks, changed))
        assert np.array_equal(before.alphas, after.alphas)

    def test_memory_does_not_grow_with_the_shot(self) -> None:
        """Three times the frames, the same peak."""
        self._peak(1)
        short, long = self._peak(12), self._peak(36)
        assert long < 1.25 * short + 2_000_000, f"{short} bytes for 12 frames, {long} for 36"

    def _all(self, shot: MemoryShot, tracks: TrackSet) -> list[MatteFrame]:
        return list(self.make().mattes(shot, tracks, list(shot.frames)))

    def _peak(self, count: int) -> int:
        pictures, alphas = crossing_shot(2, height=48, width=64)
        masks = [[a > 0.5 for a in alphas[index % 2]] for index in range(count)]
        tracks = tracks_of(masks, height=48, width=64)
        shot = _Copies(pictures, count)
        gc.collect()
        tracemalloc.start()
        try:
            for _ in self.make().mattes(shot, tracks, list(shot.frames)):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


class _Copies(MemoryShot):
    """A long shot of a few pictures; each reading is a fresh copy, so that whoever keeps them is seen."""

    def __init__(self, pictures: Sequence[Picture], count: int) -> None:
        super().__init__([pictures[index % len(pictures)] for index in range(count)])

    def picture(self, number: int) -> Picture:
        return super().picture(number).copy()


def _crossing(count: int, *, grow: int = 0) -> tuple[MemoryShot, TrackSet, NDArray[np.float32]]:
    pictures, alphas = crossing_shot(count)
    height, width = alphas.shape[2:]
    y, x = np.mgrid[:height, :width]
    masks: list[list[BoolMask]] = []
    for on_frame in alphas:
        row = []
        for alpha in on_frame:
            mask = alpha > 0.5
            if grow and mask.any():
                ys, xs = np.nonzero(mask)
                centre_y, centre_x = ys.mean(), xs.mean()
                reach = np.hypot(ys - centre_y, xs - centre_x).max() + grow
                mask = mask | (np.hypot(y - centre_y, x - centre_x) < reach)
            row.append(np.asarray(mask, bool))
        masks.append(row)
    return MemoryShot(pictures), tracks_of(masks, height=height, width=width), alphas


def _disc(
    x: NDArray[np.float32], y: NDArray[np.float32], centre_x: float, centre_y: float, radius: float
) -> NDArray[np.float32]:
    return np.asarray(np.clip((radius - np.hypot(x - centre_x, y - centre_y)) / 3.0 + 0.5, 0.0, 1.0), np.float32)


def _check_range(mattes: MatteFrame) -> None:
    assert np.isfinite(mattes.alphas).all()
    assert mattes.alphas.min(initial=0.0) >= 0.0
    assert mattes.alphas.max(initial=0.0) <= 1.0
    assert mattes.alphas.sum(axis=0, dtype=np.float64).max(initial=0.0) <= 1.0
