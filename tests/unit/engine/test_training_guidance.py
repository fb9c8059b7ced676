"""Masks made wrong: each kind does what it says, by a seed, and nothing at strength 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vimatte.engine.training import guidance

H, W = 256, 384

FRAME = {
    name: getattr(guidance, name)
    for name in ("erase", "erode_or_dilate", "paste", "polygons", "salt_and_pepper", "shift")
}
CLIP = {name: getattr(guidance, name) for name in ("drop_out", "lag", "merge", "swap", "temporal_guidance")}
EVERY = {**{name: guidance.each_frame(change) for name, change in FRAME.items()}, **CLIP}


def clip(frames: int = 8) -> np.ndarray:
    """Two people who walk toward each other: (t, 2, h, w)."""
    rows, columns = np.mgrid[:H, :W]
    out = np.zeros((frames, 2, H, W), bool)
    for t in range(frames):
        for person, x in enumerate((80 + 8 * t, 296 - 8 * t)):
            out[t, person] = ((rows - 128) / 88) ** 2 + ((columns - x) / 36) ** 2 <= 1
    return out


@pytest.mark.parametrize("change", EVERY.values(), ids=EVERY)
class TestAll:
    def test_a_seed_decides_and_nothing_is_written_to(self, change: Callable[..., Any]) -> None:
        masks = clip()
        kept = masks.copy()
        one = change(masks, np.random.default_rng(3), strength=0.5)
        two = change(masks, np.random.default_rng(3), strength=0.5)
        other = change(masks, np.random.default_rng(4), strength=0.5)
        assert np.array_equal(one, two)
        assert not np.array_equal(one, other)
        assert np.array_equal(masks, kept)
        assert one.dtype == bool
        assert one.shape == masks.shape

    def test_nothing_at_strength_0(self, change: Callable[..., Any]) -> None:
        masks = clip()
        assert np.array_equal(change(masks, np.random.default_rng(0), strength=0.0), masks)

    def test_more_is_worse(self, change: Callable[..., Any]) -> None:
        masks = clip()
        wrong = [
            np.mean([np.count_nonzero(change(masks, np.random.default_rng(s), strength=k) ^ masks) for s in range(6)])
            for k in (0.2, 0.5, 1.0)
        ]
        assert 0 < wrong[0] < wrong[1] < wrong[2]

    def test_nobody_and_one_pixel(self, change: Callable[..., Any]) -> None:
        for masks in (np.zeros((3, 2, 5, 7), bool), np.ones((1, 1, 1, 1), bool), np.zeros((2, 0, 5, 7), bool)):
            assert change(masks, np.random.default_rng(0), strength=1.0).shape == masks.shape

    def test_a_strength_is_a_share(self, change: Callable[..., Any]) -> None:
        with pytest.raises(ValueError, match=r"a strength is 0 to 1, found 1\.5"):
            change(clip(2), np.random.default_rng(0), strength=1.5)


def test_salt_and_pepper_flips_half_of_what_it_hits() -> None:
    masks = clip(1)[0]
    found = guidance.salt_and_pepper(masks, np.random.default_rng(0), strength=0.25)
    assert np.mean(found ^ masks) == pytest.approx(0.125, abs=0.01)


def test_a_brush_grows_or_shrinks() -> None:
    masks = clip(1)[0]
    areas = set()
    for seed in range(8):
        found = guidance.erode_or_dilate(masks, np.random.default_rng(seed), strength=0.5)
        for one, mask in zip(found, masks, strict=True):
            grown, shrunk = bool((one & ~mask).any()), bool((mask & ~one).any())
            assert grown != shrunk
            areas.add(grown)
    assert areas == {True, False}


def test_nobody_vanishes_by_a_brush() -> None:
    thin = np.zeros((1, H, W), bool)
    thin[0, 20:200, 120] = True
    for seed in range(6):
        assert guidance.erode_or_dilate(thin, np.random.default_rng(seed), strength=1.0).any()


def test_a_shift_keeps_the_shape() -> None:
    masks = clip(1)[0]
    found = guidance.shift(masks, np.random.default_rng(0), strength=1.0)
    for one, mask in zip(found, masks, strict=True):
        assert np.count_nonzero(one) == np.count_nonzero(mask)
        moved = np.argwhere(one)[0] - np.argwhere(mask)[0]
        assert 8 <= np.hypot(*moved) <= 18.5


def test_erase_only_takes_away_and_paste_gives_a_person_a_part() -> None:
    masks = clip(1)[0]
    erased = guidance.erase(masks, np.random.default_rng(1), strength=0.4)
    assert not (erased & ~masks).any()
    assert all((mask & ~one).any() for one, mask in zip(erased, masks, strict=True))
    pasted = [guidance.paste(masks, np.random.default_rng(s), strength=0.4) for s in range(5)]
    assert any((one & ~masks).any() for one in pasted)


def test_polygons_are_near_the_outline() -> None:
    masks = clip(1)[0]
    found = guidance.polygons(masks, np.random.default_rng(0), strength=1.0)
    for one, mask in zip(found, masks, strict=True):
        assert 0.8 < np.count_nonzero(one & mask) / np.count_nonzero(one | mask) < 1


def test_merge_gives_everybody_everything_or_nothing() -> None:
    masks = clip()
    found = guidance.merge(masks, np.random.default_rng(0), strength=0.5)
    hit = [t for t in range(len(masks)) if not np.array_equal(found[t], masks[t])]
    assert 0 < len(hit) < len(masks)
    for t in hit:
        assert np.array_equal(found[t, 0], masks[t].any(axis=0))
        assert np.array_equal(found[t, 0], found[t, 1])


def test_drop_out_loses_whole_masks() -> None:
    masks = clip()
    found = guidance.drop_out(masks, np.random.default_rng(0), strength=0.5)
    there = found.any(axis=(2, 3))
    assert 0 < there.sum() < there.size
    assert np.array_equal(found[there], masks[there])
    assert not guidance.drop_out(masks, np.random.default_rng(0), strength=1.0).any()


def test_a_swap_gives_everybody_somebody_elses_mask() -> None:
    masks = clip()
    found = guidance.swap(masks, np.random.default_rng(0), strength=1.0)
    assert np.array_equal(found, masks[:, ::-1])
    alone = masks[:, :1]
    assert np.array_equal(guidance.swap(alone, np.random.default_rng(0), strength=1.0), alone)


def test_temporal_guidance_adds_another_frames_masks() -> None:
    masks = clip()
    found = guidance.temporal_guidance(masks, np.random.default_rng(0), strength=1.0)
    for t in range(len(masks)):
        assert any(np.array_equal(found[t], masks[t] | masks[i]) for i in range(len(masks)))


def test_a_lag_shows_the_frame_before() -> None:
    masks = clip()
    found = guidance.lag(masks, np.random.default_rng(0), strength=1.0)
    assert np.array_equal(found[1:], masks[:-1])
    assert np.array_equal(found[0], masks[0])
