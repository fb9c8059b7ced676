"""The matting branch, the fusion of its scales and the whole of it with the refiner against the authors' own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vimatte.engine.matting.common.decoder import Scales
from vimatte.engine.matting.common.pictures import normalised
from vimatte.engine.matting.instmatt.boxes import disagreement, find_boxes, window_side
from vimatte.engine.matting.instmatt.duplicates import duplicates
from vimatte.engine.matting.instmatt.infer import fuse, infer
from vimatte.engine.matting.instmatt.network import InstMatt
from vimatte.engine.matting.instmatt.tri_masks import summed_tri_masks, united_tri_masks
from vimatte.engine.matting.instmatt.weights import open_network

ATOL = 3e-5
"""Alphas in evaluation; the reference's noise in float32 is 6e-6."""


@pytest.mark.parametrize("stage", [1, 2])
def test_entries_are_those_of_the_checkpoint(stage: int, instmatt: Path) -> None:
    keys = json.loads((instmatt / f"keys_stage{stage}.json").read_text())
    found = {name: list(value.shape) for name, value in InstMatt(stage=stage).state_dict().items()}
    assert found == {name: entry["shape"] for name, entry in keys.items()}


def test_there_are_two_stages() -> None:
    with pytest.raises(ValueError, match="found 3"):
        InstMatt(stage=3)


def test_intermediates_of_the_first_person(network: InstMatt, network_golden: Any) -> None:
    picture, masks = _inputs(network_golden, 2)
    seen: dict[str, Tensor] = {}
    strides = network_golden.meta["strides"]
    hooks = []
    for name in strides:
        module = network.get_submodule(name)
        # The decoder runs a stage's blocks itself; the last one's result is the stage's.
        called = module[-1] if name.startswith("decoder.layer") else module
        hooks.append(
            called.register_forward_hook(lambda _m, _x, result, name=name: seen.update({name: result.clone()}))
        )
    try:
        with torch.no_grad():
            network(torch.cat([picture, summed_tri_masks(masks)[0]])[None])
    finally:
        for hook in hooks:
            hook.remove()
    for name, (channel, space, *shape) in strides.items():
        assert list(seen[name].shape) == shape, name
        expected = network_golden[f"N2/mid_i0/{name}"]
        values = seen[name][:, ::channel, ::space, ::space]
        torch.testing.assert_close(
            values, expected, atol=2e-5, rtol=2e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("people", [2, 3])
@pytest.mark.parametrize("folded", [False, True], ids=["as stored", "as it runs on shots"])
def test_one_frame(
    people: int, folded: bool, network: InstMatt, weights: dict[str, Tensor], network_golden: Mapping[str, Tensor]
) -> None:
    if folded:
        network, _ = open_network(weights, device="cpu")
    case = f"N{people}"
    picture, masks = _inputs(network_golden, people)
    tri_masks = summed_tri_masks(masks)
    with torch.no_grad():
        scales = Scales(*(torch.cat(parts) for parts in zip(*_each(network, picture, tri_masks), strict=True)))
        fused, finest = fuse(scales)
        whole = infer(network, picture, tri_masks)
    _same(scales.os8[..., ::4, ::4], network_golden[f"{case}/alpha_os8_s4"])
    _same(scales.os4[..., ::2, ::2], network_golden[f"{case}/alpha_os4_s2"])
    _same(scales.os1, network_golden[f"{case}/alpha_os1"])
    torch.testing.assert_close(scales.feature[..., ::4, ::4], network_golden[f"{case}/feature_s4"], atol=1e-5, rtol=0.0)
    assert torch.equal(finest[:, 0], network_golden[f"{case}/w_os1"].bool())
    _same(fused, network_golden[f"{case}/fused"])
    _same(whole.fused, network_golden[f"{case}/fused"])
    _same(whole.final[:, 0], network_golden[f"{case}/final_T"])
    # Taken where the finest scale was, kept elsewhere: of every channel, not of the target alone.
    refined = network_golden[f"{case}/refined_pass2_s2"]
    expected = torch.where(finest[..., ::2, ::2], refined, network_golden[f"{case}/fused"][..., ::2, ::2])
    _same(whole.final[..., ::2, ::2], expected)


@pytest.mark.parametrize("people", [2, 3])
def test_duplicates_and_boxes_of_stored_mattes(people: int, network_golden: Mapping[str, Tensor]) -> None:
    case = f"N{people}"
    fused = network_golden[f"{case}/fused"]
    assert duplicates(fused[:, 0]).tolist() == network_golden[f"{case}/bad"].bool().tolist()
    (box,) = find_boxes(disagreement(fused), side=window_side(people, height=128, width=128))
    expected = network_golden[f"{case}/boxes"][0].tolist()
    assert [box.left, box.top, box.right, box.bottom] == expected[:4]
    assert box.score == pytest.approx(expected[4], abs=1e-6)


def test_people_in_one_batch_or_alone(network: InstMatt, network_golden: Mapping[str, Tensor]) -> None:
    picture, masks = _inputs(network_golden, 3)
    with torch.no_grad():
        together = infer(network, picture, summed_tri_masks(masks), batch=2)
    _same(together.final[:, 0], network_golden["N3/final_T"])


def test_the_first_stage_is_not_refined(weights: dict[str, Tensor], network_golden: Mapping[str, Tensor]) -> None:
    network = InstMatt(stage=1).eval()
    network.load_state_dict({name: value for name, value in weights.items() if not name.startswith("refiner.")})
    picture, masks = _inputs(network_golden, 2)
    with torch.no_grad():
        found = infer(network, picture, summed_tri_masks(masks))
    _same(found.final, network_golden["N2/fused"])


def test_tri_masks_by_sums_and_by_union() -> None:
    masks = torch.tensor([[[1.0, 1.0, 0.0, 0.0]], [[0.0, 1.0, 1.0, 0.0]], [[0.0, 1.0, 0.0, 0.0]]])
    summed, united = summed_tri_masks(masks), united_tri_masks(masks)
    assert torch.equal(summed[:, 0], masks)
    assert torch.equal(united[:, 0], masks)
    assert summed[0, 1].tolist() == [[0.0, 2.0, 1.0, 0.0]]
    assert united[0, 1].tolist() == [[0.0, 1.0, 1.0, 0.0]]
    assert summed[0, 2].tolist() == [[0.0, -2.0, 0.0, 1.0]]
    assert united[1, 2].tolist() == [[0.0, 0.0, 0.0, 1.0]]
    assert torch.equal(summed_tri_masks(masks[:1]), united_tri_masks(masks[:1]))


def _inputs(golden: Mapping[str, Tensor], people: int) -> tuple[Tensor, Tensor]:
    picture = normalised(golden[f"N{people}/image_rgb_u8"].numpy().astype(np.float32) / np.float32(255.0))
    return picture, golden[f"N{people}/mask_u8"].float()


def _each(network: InstMatt, picture: Tensor, tri_masks: Tensor) -> list[Scales]:
    return [network(torch.cat([picture, one])[None]) for one in tri_masks]


def _same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=ATOL, rtol=0.0)
