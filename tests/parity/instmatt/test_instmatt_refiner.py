"""The refiner, its windows and its drivers against the authors' own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor

from vimatte.engine.matting.common.pictures import normalised
from vimatte.engine.matting.instmatt.boxes import Box, disagreement, find_boxes, window_side
from vimatte.engine.matting.instmatt.demand import LOOKS, RIM, Part, demand
from vimatte.engine.matting.instmatt.duplicates import duplicates
from vimatte.engine.matting.instmatt.folded_refiner import FoldedRefiner
from vimatte.engine.matting.instmatt.refine import refine, refine_passes, refine_training
from vimatte.engine.matting.instmatt.refiner import Refiner, interact

from support.recipe_weights import draw

ATOL = 5e-6
"""The reference's own noise in float32."""
CASES = ("r3_120x260", "r3_overlap_100x100", "r1_90x130")


def test_one_step_of_the_refiner(refiner: Refiner, refiner_golden: Mapping[str, Tensor]) -> None:
    feature, alphas = refiner_golden["core/feature"], refiner_golden["core/pred"]
    apart = torch.cat([feature * alphas[:, k : k + 1] for k in range(3)], dim=1)
    with torch.no_grad():
        split = refiner.split(apart)
        shared = interact(split)
        merged = refiner.merge(torch.cat([shared, refiner_golden["core/image"]], dim=1))
        found = {
            "split": split,
            **dict(zip(("t_reduced", "r_reduced", "b_reduced"), shared.chunk(3, dim=1), strict=True)),
            "merged": merged,
            "head_logits": refiner.head(merged),
            "out": refiner(refiner_golden["core/image"], alphas, feature),
        }
    for name, values in found.items():
        _same(values, refiner_golden[f"core/{name}"], name)


@pytest.mark.parametrize("case", CASES)
def test_published_inference(case: str, refiner: Refiner, refiner_golden: Mapping[str, Tensor]) -> None:
    given = _given(refiner_golden, case)
    with torch.no_grad():
        found = refine(refiner, **given)
    _same(found[:, 0], refiner_golden[f"{case}/stop/last_T"], "targets")
    _same(found[..., ::2, ::2], refiner_golden[f"{case}/stop/last_s2"], "all three")
    bad = duplicates(given["mattes"][:, 0])
    assert bad.tolist() == refiner_golden[f"{case}/bad"].bool().tolist()
    assert torch.equal(found[bad], given["mattes"][bad])


@pytest.mark.parametrize("case", CASES)
def test_validation_of_the_trainers(case: str, refiner: Refiner, refiner_golden: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        found = refine_passes(refiner, **_given(refiner_golden, case))
    _same(found[:, 0], refiner_golden[f"{case}/nostop/last_T"], "targets")
    _same(found[..., ::2, ::2], refiner_golden[f"{case}/nostop/last_s2"], "all three")


def test_who_has_converged_is_left_alone_in_the_second_pass(
    refiner: Refiner, refiner_golden: Mapping[str, Tensor]
) -> None:
    with torch.no_grad():
        refiner.head.weight[0] = 0.0
        refiner.head.bias[0] = -20.0
        found = refine(refiner, **_given(refiner_golden, "frozen"))
    _same(found, refiner_golden["frozen/pass2"], "second pass")
    assert torch.equal(refiner_golden["frozen/pass2"][2], refiner_golden["frozen/pass1"][2])
    assert not torch.allclose(refiner_golden["frozen/pass2"][0], refiner_golden["frozen/pass1"][0], atol=0.1)


def test_where_everybody_is_a_duplicate_nothing_changes(refiner: Refiner, refiner_golden: Mapping[str, Tensor]) -> None:
    given = _given(refiner_golden, "allbad")
    assert duplicates(given["mattes"][:, 0]).all()
    for driver in (refine, refine_passes):
        assert torch.equal(driver(refiner, **given), given["mattes"])


@pytest.mark.parametrize("case", [*CASES, "frozen", "allbad"])
def test_boxes_of_mattes(case: str, refiner_golden: Mapping[str, Tensor]) -> None:
    mattes = _given(refiner_golden, case)["mattes"]
    side = window_side(len(mattes), height=mattes.shape[2], width=mattes.shape[3])
    _same_boxes(find_boxes(disagreement(mattes), side=side), refiner_golden[f"{case}/boxes"])


@pytest.mark.parametrize(
    "case",
    [
        "120x260_win120_rand",
        "400x700_win320_rand",
        "224x288_win224_zero",
        "205x333_win128_sparse",
        "330x330_win320_one",
    ],
)
def test_boxes_of_maps(case: str, refiner_golden: Any) -> None:
    height, width, side = refiner_golden.meta["boxes"][f"boxes/{case}"]
    coarse = refiner_golden[f"boxes/{case}/distance_s10"]
    distance = coarse.repeat_interleave(10, dim=0).repeat_interleave(10, dim=1)
    # Rows and columns beyond the last whole cell are never looked at.
    distance = F.pad(distance, (0, width - distance.shape[1], 0, height - distance.shape[0]), value=9.0)
    _same_boxes(find_boxes(distance, side=side), refiner_golden[f"boxes/{case}/boxes"])


@pytest.mark.parametrize("people", [2, 3, 4, 9])
def test_duplicates(people: int, refiner_golden: Mapping[str, Tensor]) -> None:
    found = duplicates(refiner_golden[f"dup/N{people}/T_u8"] / 255.0)
    assert found.tolist() == refiner_golden[f"dup/N{people}/bad"].bool().tolist()


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_training_and_its_gradients(passes: int, refiner: Refiner, training_golden: Any) -> None:
    mattes = training_golden["pred_u8"] / 255.0
    size = mattes.shape[2:]
    probe = torch.from_numpy(draw("im/rtrain/probe").standard_normal(mattes.shape).astype(np.float32))
    found = refine_training(
        refiner,
        picture=_picture(training_golden["image_rgb_u8"]),
        mattes=mattes,
        features=_features("im/rtrain/feat", (len(mattes), 32, *size)),
        passes=passes,
    )
    loss = 1000.0 * (found * probe).mean()
    loss.backward()
    expected = training_golden.meta[f"iter{passes}"]
    _same(found.detach()[..., ::2, ::2], training_golden[f"iter{passes}/out_s2"], "result")
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-5)
    for name, parameter in refiner.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.norm().item() == pytest.approx(expected["grad_norms"][name], rel=2e-5), name


@pytest.mark.parametrize("people", [1, 2, 5])
def test_folded_is_the_same(people: int, refiner: Refiner) -> None:
    noise = torch.Generator().manual_seed(people)
    picture = torch.randn(1, 3, 30, 41, generator=noise)
    mattes = torch.rand(people, 3, 30, 41, generator=noise)
    features = torch.randn(people, 32, 30, 41, generator=noise)
    with torch.no_grad():
        expected = refiner(picture, mattes, features)
        found = FoldedRefiner(refiner)(picture, mattes, features)
    assert found.shape == expected.shape
    _same(found[..., LOOKS:-LOOKS, LOOKS:-LOOKS], expected[..., LOOKS:-LOOKS, LOOKS:-LOOKS], "inside")


@pytest.mark.parametrize("case", CASES)
def test_published_inference_folded(case: str, refiner: Refiner, refiner_golden: Mapping[str, Tensor]) -> None:
    found = refine(FoldedRefiner(refiner), **_given(refiner_golden, case))
    _same(found[:, 0], refiner_golden[f"{case}/stop/last_T"], "targets")
    _same(found[..., ::2, ::2], refiner_golden[f"{case}/stop/last_s2"], "all three")


@pytest.mark.parametrize("case", ["r3_120x260", "frozen"])
@pytest.mark.parametrize("place", ["nowhere", "a corner", "two spots", "a ring", "everywhere"])
def test_what_is_not_needed_need_not_be_computed(
    case: str, place: str, refiner: Refiner, refiner_golden: Mapping[str, Tensor]
) -> None:
    given = _given(refiner_golden, case)
    height, width = given["mattes"].shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    far = ((y - height / 2) ** 2 + (x - width / 2) ** 2).sqrt()
    needed = {
        "nowhere": torch.zeros(height, width, dtype=torch.bool),
        "a corner": (y < 25) & (x > width - 30),
        "two spots": ((y - 22) ** 2 + (x - 22) ** 2 < 40) | ((y - 34) ** 2 + (x - width + 40) ** 2 < 25),
        "a ring": (far - 20).abs() < 3,
        "everywhere": torch.ones(height, width, dtype=torch.bool),
    }[place]
    computed = [0]

    def counted(picture: Tensor, mattes: Tensor, features: Tensor) -> Tensor:
        computed[0] += picture[0, 0].numel()
        return refiner(picture, mattes, features)

    with torch.no_grad():
        if case == "frozen":
            refiner.head.weight[0] = 0.0
            refiner.head.bias[0] = -20.0
        whole = refine(counted, **given)
        all_of_it, computed[0] = computed[0], 0
        found = refine(counted, **given, needed=needed)
    _same(found[..., needed], whole[..., needed], "where it is needed")
    # Who has converged is known only when all has been looked at: then nothing is saved, and nothing is wrong.
    if case != "frozen":
        assert (computed[0] < all_of_it) == (place != "everywhere")
    if place == "nowhere":
        assert computed[0] == 0


def test_demand_of_a_pass() -> None:
    boxes = (Box(0, 0, 100, 100, 1.0), Box(60, 0, 160, 100, 0.5))
    needed = np.zeros((100, 200), bool)
    needed[40:44, 80:84] = True
    needed[5, 5] = True
    parts, before = demand(boxes, needed)
    # The second window writes it last, out of what the first one writes up to four pixels around.
    assert parts == ((Part(76, 36, 88, 48),), (Part(80, 40, 84, 44),))
    assert before[32:52, 72:92].all()
    # A rim is never written: what is needed there must be there before.
    assert before[5, 5]
    assert before.sum() == 20 * 20 + 1


def test_demand_in_fine_or_coarse_tiles() -> None:
    box = Box(0, 0, 276, 276, 1.0)
    needed = np.zeros((276, 276), bool)
    needed[20, 20] = needed[251, 251] = True
    ((near, far),), _ = demand((box,), needed)
    # 232 pixels from the first to the last: four tiles of 58.
    assert near == Part(20, 20, 78, 78)
    assert far == Part(194, 194, 252, 252)
    (parts,), before = demand((box,), np.ones_like(needed))
    assert parts == tuple(Part(x, y, x + 128, y + 128) for y in (RIM, 138) for x in (RIM, 138))
    assert before.all()


def test_what_was_given_is_left_alone(refiner: Refiner, refiner_golden: Mapping[str, Tensor]) -> None:
    given = _given(refiner_golden, "r1_90x130")
    before = {name: values.clone() for name, values in given.items()}
    with torch.no_grad():
        refine(refiner, **given)
        refine_passes(refiner, **given)
        refine_training(refiner, **given, passes=2)
    assert all(torch.equal(given[name], before[name]) for name in given)


def test_a_frame_too_small_for_the_rim_stays_as_it_is(refiner: Refiner) -> None:
    given = {
        "picture": torch.zeros(1, 3, 16, 20),
        "mattes": torch.full((2, 3, 16, 20), 0.3),
        "features": torch.ones(2, 32, 16, 20),
    }
    with torch.no_grad():
        assert torch.equal(refine_passes(refiner, **given), given["mattes"])


def _given(golden: Mapping[str, Tensor], case: str) -> dict[str, Tensor]:
    mattes = golden[f"{case}/pred_u8"] / 255.0
    return {
        "picture": _picture(golden[f"{case}/image_rgb_u8"]),
        "mattes": mattes,
        "features": _features(f"im/ref/{case}/feat", (len(mattes), 32, *mattes.shape[2:])),
    }


def _picture(counts: Tensor) -> Tensor:
    return normalised(counts.numpy().astype(np.float32) / np.float32(255.0))[None]


def _features(name: str, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(draw(name).standard_normal(shape).astype(np.float32) * np.float32(0.4))


def _same(found: Tensor, expected: Tensor, what: str) -> None:
    torch.testing.assert_close(found, expected, atol=ATOL, rtol=1e-5, msg=lambda text: f"{what}: {text}")


def _same_boxes(found: tuple[Box, ...], expected: Tensor) -> None:
    assert [[b.left, b.top, b.right, b.bottom] for b in found] == expected[:, :4].tolist()
    assert [b.score for b in found] == pytest.approx(expected[:, 4].tolist(), abs=1e-6)
