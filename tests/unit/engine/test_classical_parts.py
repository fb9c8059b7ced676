from __future__ import annotations

import numpy as np
import pytest

from vimatte.engine.matting.classical.colours import colour_vote
from vimatte.engine.matting.classical.consensus import agree, signed_distance
from vimatte.engine.matting.classical.enlarge import enlarge
from vimatte.engine.matting.classical.flow import believe, mismatch, motion, warp
from vimatte.engine.matting.classical.frames import shrink_factor
from vimatte.engine.matting.classical.laplacian import matting_system
from vimatte.engine.matting.classical.leaks import attached
from vimatte.engine.matting.classical.picture import band_radius
from vimatte.engine.matting.classical.solve import solve
from vimatte.engine.matting.classical.steady import steady
from vimatte.engine.refine.crops import groups
from vimatte.engine.refine.trimap import trimap, trimap_within

H, W = 60, 80
Y, X = np.mgrid[:H, :W].astype(np.float32)


def square(x0: int, x1: int) -> np.ndarray:
    return np.asarray((x0 <= X) & (x1 > X) & (Y >= 10) & (Y < 50))


def picture(alpha: np.ndarray, front: tuple[float, ...] = (0.8, 0.3, 0.2)) -> np.ndarray:
    back = np.stack([0.2 + 0.001 * X, 0.4 + 0.001 * Y, 0.5 + 0 * X], 2)
    return np.asarray(alpha[..., None] * np.array(front) + (1 - alpha[..., None]) * back, np.float32)


# -- trimap and crops --------------------------------------------------------------------------------------------------


def test_the_band_lies_on_both_sides_of_the_edge() -> None:
    areas = trimap(square(20, 50)[None], radii=[4])
    row = areas.open[30]
    assert np.flatnonzero(row).tolist() == [*range(16, 24), *range(46, 54)]
    assert areas.core[0, 30, 35]
    assert not (areas.open & areas.core[0]).any()


def test_a_thin_arm_keeps_a_core() -> None:
    assert trimap(square(30, 36)[None], radii=[8]).core.any()


def test_what_leaves_the_picture_has_no_edge_at_the_border() -> None:
    mask = np.asarray(X < 30)
    areas = trimap(mask[None], radii=[4])
    assert areas.core[0, 0, 0]
    assert areas.core[0, H - 1, 20]


def test_pixels_two_people_may_reach_are_open() -> None:
    areas = trimap(np.stack([square(20, 40), square(40, 60)]), radii=[4, 4])
    assert areas.open[30, 38:42].all()
    assert areas.core.sum(axis=0).max() == 1


def test_the_narrow_band_stays_in_the_wide_one() -> None:
    wide = trimap(square(20, 50)[None], radii=[4])
    narrow = trimap_within(wide, square(10, 50)[None], radii=[3], also=np.ones((H, W), bool))
    assert not (narrow.open & ~wide.open).any()
    np.testing.assert_array_equal(narrow.core | narrow.open, narrow.reach)


def test_people_near_each_other_are_one_group() -> None:
    masks = np.stack([square(2, 10), square(60, 70), square(12, 20), np.zeros((H, W), bool)])
    assert [rows for rows, _ in groups(masks, margin=4)] == [[0, 2], [1]]
    assert [rows for rows, _ in groups(masks, margin=60)] == [[0, 1, 2]]
    assert groups(masks[3:], margin=4) == []


def test_bands_grow_with_people_and_with_doubt() -> None:
    assert band_radius(np.ones((50, 20), bool), 0.0) == pytest.approx(4.6)
    assert band_radius(np.ones((400, 100), bool), 0.0) == pytest.approx(8.8)
    assert band_radius(np.ones((400, 100), bool), 8.0) > 11.0
    assert band_radius(np.zeros((4, 4), bool), 8.0) == 0.0


# -- the solver --------------------------------------------------------------------------------------------------------


def test_rows_of_the_laplacian_sum_to_0_and_it_is_symmetric() -> None:
    image = np.random.default_rng(0).random((9, 11, 3)).astype(np.float32)
    system = matting_system(image, np.ones((9, 11), bool), epsilon=1e-5)
    dense = system.matrix.toarray()
    np.testing.assert_allclose(dense, dense.T, atol=1e-9)
    np.testing.assert_allclose(dense.sum(axis=1), 0, atol=1e-9)
    assert np.linalg.eigvalsh(dense).min() > -1e-8


def test_the_laplacian_is_that_of_the_paper() -> None:
    """Equation 12, pixel pair by pixel pair, from its definition."""
    image = np.random.default_rng(1).random((5, 5, 3)).astype(np.float32)
    epsilon = 1e-3
    wanted = np.zeros((25, 25))
    for cy in range(1, 4):
        for cx in range(1, 4):
            index = [y * 5 + x for y in range(cy - 1, cy + 2) for x in range(cx - 1, cx + 2)]
            colour = image.reshape(-1, 3)[index].astype(np.float64)
            mean = colour.mean(0)
            inverse = np.linalg.inv(np.cov(colour.T, bias=True) + epsilon / 9 * np.eye(3))
            for a, i in enumerate(index):
                for b, j in enumerate(index):
                    affinity = (1 + (colour[a] - mean) @ inverse @ (colour[b] - mean)) / 9
                    wanted[i, j] += (i == j) - affinity
    found = matting_system(image, np.ones((5, 5), bool), epsilon=epsilon).matrix.toarray()
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_a_soft_edge_is_found_through_a_wide_band() -> None:
    truth = np.clip((square(20, 50) * 1.0 + np.roll(square(20, 50), 2, 1)) / 2, 0, 1).astype(np.float32)
    mask = square(18, 55)
    areas = trimap(mask[None], radii=[8])
    found = solve(picture(truth), areas, prior=mask[None].astype(np.float32))[0]
    assert np.abs(found - truth)[30].max() < 0.05


def test_people_and_background_add_to_1_before_clipping() -> None:
    masks = np.stack([square(20, 40), square(40, 60)])
    image = picture(square(20, 40) * 1.0) + picture(square(40, 60) * 1.0, (0.1, 0.9, 0.1))
    areas = trimap(masks, radii=[5, 5])
    prior = masks.astype(np.float32)
    background = 1.0 - prior.sum(axis=0, keepdims=True)
    two = solve(image, areas, prior=prior)
    everyone = type(areas)(
        core=np.concatenate([areas.core, ~areas.open[None] & ~areas.core.any(0)]),
        reach=np.concatenate([areas.reach, areas.open[None]]),
        open=areas.open,
    )
    three = solve(image, everyone, prior=np.concatenate([prior, background]))
    np.testing.assert_allclose(three.sum(axis=0), 1.0, atol=1e-5)
    np.testing.assert_allclose(three[:2], two, atol=1e-5)


def test_nothing_open_gives_the_core() -> None:
    areas = trimap(np.ones((1, 6, 6), bool), radii=[2])
    assert (solve(np.zeros((6, 6, 3), np.float32), areas, prior=np.zeros((1, 6, 6))) == 1).all()


# -- colours, leaks ----------------------------------------------------------------------------------------------------


def test_colours_vote_for_their_owner_and_move_a_wrong_edge() -> None:
    truth = square(20, 50)
    areas = trimap(square(20, 54)[None], radii=[7])
    vote = colour_vote(picture(truth * 1.0), areas)
    beyond = areas.open & ~truth & square(10, 58)
    inside = areas.open & truth
    assert vote.alphas[0][beyond].mean() < 0.05
    assert vote.alphas[0][inside].mean() > 0.95
    assert vote.sure[~areas.open].max() == 0


def test_colours_that_cannot_tell_say_so() -> None:
    flat = np.full((H, W, 3), 0.5, np.float32)
    areas = trimap(square(20, 50)[None], radii=[5])
    noisy = flat + np.random.default_rng(0).normal(0, 0.01, flat.shape).astype(np.float32)
    assert colour_vote(noisy, areas).sure[areas.open].mean() < 0.5


def test_islands_go_and_hair_stays() -> None:
    alpha = square(20, 50).astype(np.float32)
    alpha[30, 50:58] = 0.1
    alpha[30:33, 70:74] = 0.6
    out = attached(alpha[None], square(22, 48)[None])[0]
    assert (out[30, 50:58] == np.float32(0.1)).all()
    assert not out[:, 60:].any()


# -- time --------------------------------------------------------------------------------------------------------------


def test_motion_of_a_moved_picture() -> None:
    noise = np.random.default_rng(4).random((12, 16, 3)).astype(np.float32)
    big = np.kron(noise, np.ones((8, 8, 1), np.float32))
    there = np.roll(big, 4, axis=1)
    by = motion(big, there)
    assert np.median(by[20:-20, 20:-20, 0]) == pytest.approx(4, abs=0.5)
    assert np.abs(warp(there, by) - big)[20:-20, 20:-20].mean() < 0.05


def test_belief_falls_with_the_mismatch() -> None:
    here, there = np.zeros((H, W, 3), np.float32), np.full((H, W, 3), 0.06, np.float32)
    still = np.zeros((H, W, 2), np.float32)
    assert believe(mismatch(here, here, still), tolerance=0.06).min() == 1.0
    np.testing.assert_allclose(believe(mismatch(here, there, still), tolerance=0.06), np.exp(-1), atol=1e-3)


def test_jittering_edges_settle_in_the_middle() -> None:
    still, sure = np.zeros((H, W, 2), np.float32), np.ones((H, W), np.float32)
    there = np.array([True])

    def said(right: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return signed_distance(square(20, right))[None], there, still, sure

    agreed = agree(said(56)[0], there, [said(44), said(50)])
    assert np.flatnonzero(agreed.distances[0, 30] > 0)[[0, -1]].tolist() == [20, 49]
    assert 2.0 < agreed.spread[0] < 6.0


def test_the_absent_stay_absent_and_have_no_say() -> None:
    still, sure = np.zeros((H, W, 2), np.float32), np.ones((H, W), np.float32)
    here = signed_distance(square(20, 50))[None]
    gone = signed_distance(np.zeros((H, W), bool))[None]
    yes, no = np.array([True]), np.array([False])
    assert (agree(gone, no, [(here, yes, still, sure)]).distances < 0).all()
    np.testing.assert_array_equal(agree(here, yes, [(gone, no, still, sure)]).distances, here)


def test_the_median_takes_out_what_one_frame_has() -> None:
    calm = square(20, 50).astype(np.float32)[None]
    popped = calm.copy()
    popped[0, 30:34, 60:64] = 0.7
    still, none = np.zeros((H, W, 2), np.float32), np.zeros((H, W), np.float32)
    np.testing.assert_array_equal(steady(popped, [(calm, still, none), (calm, still, none)]), calm)
    far = np.ones((H, W), np.float32)
    np.testing.assert_array_equal(steady(popped, [(calm, still, far), (calm, still, none)]), popped)
    np.testing.assert_array_equal(steady(popped, [(calm, still, none)]), popped)


# -- large pictures ----------------------------------------------------------------------------------------------------


def test_whole_number_working_sizes() -> None:
    assert [shrink_factor(*s) for s in ((1, 1), (540, 960), (1080, 1920), (2160, 3840), (2160, 4096))] == [
        1,
        1,
        2,
        4,
        4,
    ]


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_enlarging_finds_the_full_size_edge_again(factor: int) -> None:
    size = (240, 312)
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    truth = np.clip((70 - np.hypot(x - 150, y - 120)) / 2 + 0.5, 0, 1)
    back = np.stack([0.2 + 0.001 * x, 0.3 + 0 * x, 0.6 + 0 * x], 2)
    image = truth[..., None] * np.array([0.8, 0.4, 0.2]) + (1 - truth[..., None]) * back
    blocks = truth.reshape(size[0] // factor, factor, size[1] // factor, factor)
    small = blocks.mean(axis=(1, 3))[None].astype(np.float32)
    found = enlarge(image.astype(np.float16), small)[0]
    simple = np.kron(small[0], np.ones((factor, factor)))
    edge = (truth > 0) & (truth < 1)
    assert np.abs(found - truth)[edge].mean() < 0.25 * np.abs(simple - truth)[edge].mean()


def test_tiles_agree_with_one_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.clip((25 - np.hypot(X - 40, Y - 30)) / 3 + 0.5, 0, 1).astype(np.float32)
    areas = trimap((truth > 0.5)[None], radii=[6])
    arguments = (picture(truth), areas)
    whole = solve(*arguments, prior=truth[None], pull=0.002)
    monkeypatch.setattr("vimatte.engine.matting.classical.solve._MOST", 100)
    monkeypatch.setattr("vimatte.engine.matting.classical.solve._TILE", 32)
    tiles = solve(*arguments, prior=truth[None], pull=0.002)
    assert (tiles != whole).any()
    assert np.abs(tiles - whole).max() < 0.01
