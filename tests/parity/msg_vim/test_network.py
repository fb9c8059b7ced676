"""The network against what the authors' code computed with the same weights (`SPEC.md` beside the goldens)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.matting.common.decoder import Scales
from vimatte.engine.matting.common.fold import fold
from vimatte.engine.matting.common.unknown import unknown
from vimatte.engine.matting.msg_vim.guidance import OS1_WIDTH, OS4_WIDTH, fuse
from vimatte.engine.matting.msg_vim.network import Network

from support.recipe_weights import draw

Load = Callable[[str], tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]]
Clip = Callable[..., Tensor]
EVAL, TRAIN = 3e-5, 2e-4
"""Of alphas; the reference in float32 is 7e-6 and 6e-5 from itself in float64."""
FEATURE = 2e-5
"""Of features, relative to the largest of the map."""
GRADIENT = 5e-3
FLIPPED = 5e-4
"""Share of the pixels that may fall on the other side of a threshold."""


@pytest.fixture(scope="module", params=["as stored", "folded"])
def network(trained: Network, request: pytest.FixtureRequest) -> Network:
    return trained if request.param == "as stored" else fold(deepcopy(trained))


@torch.inference_mode()
def run(network: Network, x: Tensor) -> Scales:
    return network(x)[0]


def check(found: Tensor, expected: NDArray[Any], atol: float = EVAL) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=atol)


def test_entries_are_those_of_the_checkpoint(folder: Path) -> None:
    """Names, shapes and kinds; strict."""
    own = {n: (tuple(v.shape), str(v.dtype).removeprefix("torch.")) for n, v in Network().state_dict().items()}
    listed = json.loads((folder / "keys.json").read_text())
    assert own == {n: (tuple(e["shape"]), e["dtype"]) for n, e in listed.items()}


def test_the_recipe_makes_the_weights_of_the_goldens(folder: Path, weights: Mapping[str, Tensor]) -> None:
    for name, (total, norm, first, last) in json.loads((folder / "weights_check.json").read_text()).items():
        values = weights[name].double().flatten()
        assert [values.sum(), values.norm(), values[0], values[-1]] == pytest.approx(
            [total, norm, first, last], rel=2e-8, abs=1e-8
        )


def test_norms_are_those_that_the_stored_vectors_give(folder: Path, trained: Network) -> None:
    """7 to 27 % below the true ones."""
    for name, (used, true) in json.loads((folder / "sigmas.json").read_text()).items():
        raw = trained.get_parameter(f"{name}.weight_bar")
        owner: Any = trained.get_submodule(name.removesuffix(".module"))
        sigma = (raw.double().norm() / owner.weight().double().norm()).item()
        assert sigma == pytest.approx(used, rel=1e-5)
        assert sigma < 0.95 * true


def test_every_part_on_the_way(load: Load, clip: Clip, network: Network) -> None:
    """Features after each stage of the encoder and the decoder, on one clip of three frames."""
    golden, meta = load("net128")
    seen: dict[str, Tensor] = {}
    hooks = [
        # A stage of the decoder is walked block by block, so its last block answers for it.
        network.get_submodule({"decoder.layer4": "decoder.layer4.1"}.get(name, name)).register_forward_hook(
            lambda _, __, out, name=name: seen.__setitem__(name, out.clone())
        )
        for name in meta["strides"]
    ]
    masks = golden["mask_u8"]
    x = clip(golden["image_rgb_u8"], masks[0], masks[1])
    np.testing.assert_allclose(x[0, :, :, ::8, ::8].numpy(), golden["net_input_i0_s8"], atol=1e-6)
    run(network, x)
    for hook in hooks:
        hook.remove()
    for name, (channels, space, *shape) in meta["strides"].items():
        assert list(seen[name].shape) == shape
        expected = golden[f"mid/{name}"]
        check(seen[name][..., ::channels, ::space, ::space], expected, FEATURE * float(np.abs(expected).max()))


@pytest.mark.parametrize("of", [0, 1])
def test_alphas_of_a_clip(load: Load, clip: Clip, network: Network, of: int) -> None:
    golden, _ = load("net128")
    masks = golden["mask_u8"]
    scales = run(network, clip(golden["image_rgb_u8"], masks[of], masks[1 - of]))
    check(scales.os1, golden[f"inst{of}/alpha_os1"])
    check(scales.os4[..., ::2, ::2], golden[f"inst{of}/alpha_os4_s2"])
    check(scales.os8[..., ::4, ::4], golden[f"inst{of}/alpha_os8_s4"])
    coarse = torch.where(unknown(scales.os8[:, 0], OS4_WIDTH), scales.os4[:, 0], scales.os8[:, 0])
    flipped = unknown(scales.os8[:, 0], OS4_WIDTH).numpy() != golden[f"inst{of}/w_os4"]
    flipped |= unknown(coarse, OS1_WIDTH).numpy() != golden[f"inst{of}/w_os1"]
    assert flipped.mean() < FLIPPED
    apart = np.abs(fuse(scales).numpy() - golden[f"inst{of}/fused"]) > EVAL
    assert not (apart & ~flipped).any()


def test_fusion_alone_is_exact(load: Load) -> None:
    golden, _ = load("net128")
    maps = [torch.from_numpy(golden[f"inst0/alpha_os{k}_c0"])[:, None] for k in (8, 4)]
    os1 = torch.from_numpy(golden["inst0/alpha_os1"])
    assert np.array_equal(fuse(Scales(*maps, os1, os1)).numpy(), golden["inst0/fused"])


@pytest.mark.parametrize("length", [6, 3, 1])
def test_the_recurrence_begins_anew_with_every_chunk(load: Load, clip: Clip, network: Network, length: int) -> None:
    golden, _ = load("chunks")
    x = clip(golden["image_rgb_u8"], golden["tg_u8"], golden["re_u8"])
    alphas = torch.cat([run(network, chunk).os1[:, 0] for chunk in x.split(length, dim=1)])
    check(alphas, golden[f"chunk{length}/alpha_os1_c0"])


def test_frames_one_by_one_with_the_state_are_the_chunk(load: Load, clip: Clip, network: Network) -> None:
    golden, _ = load("chunks")
    x = clip(golden["image_rgb_u8"], golden["tg_u8"], golden["re_u8"])
    state = None
    alphas = []
    with torch.inference_mode():
        for frame in x.split(1, dim=1):
            scales, state = network(frame, state)
            alphas.append(scales.os1[:, 0])
    check(torch.cat(alphas), golden["chunk6/alpha_os1_c0"])


def test_training(load: Load, clip: Clip, folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Two forward passes in training mode, the state after each, and the gradient of the second."""
    golden, meta = load("train")
    network = Network()
    network.load_state_dict(weights)
    network.train()
    x = clip(golden["image_rgb_u8"], golden["tg_u8"], golden["re_u8"])[0].unflatten(0, (meta["B"], meta["T"]))
    for turn in ("fwd1", "fwd2"):
        scales, _ = network(x)
        check(scales.os1[..., ::2, ::2], golden[f"{turn}/alpha_os1_s2"], TRAIN)
        now = network.state_dict()
        for name in (n for n in golden if n.startswith(f"{turn}/state/")):
            if turn == "fwd1" and "running" in name:
                assert np.array_equal(golden[name], golden[name.replace("fwd1", "fwd2")]), "written down after fwd2"
                continue
            np.testing.assert_allclose(now[name.removeprefix(f"{turn}/state/")], golden[name], rtol=1e-4, atol=2e-5)
        if turn == "fwd1":
            check(scales.os4[..., ::4, ::4], golden["fwd1/alpha_os4_s4"], TRAIN)
            check(scales.os8[..., ::8, ::8], golden["fwd1/alpha_os8_s8"], TRAIN)
    source = draw("vim/train/probe")
    probes = [torch.from_numpy(source.standard_normal(scales.os1.shape).astype(np.float32)) for _ in range(3)]
    maps = (scales.os1, scales.os4, scales.os8)
    loss = torch.stack([(a * p).mean() for a, p in zip(maps, probes, strict=True)]).sum()
    assert loss.item() == pytest.approx(meta["loss"], rel=1e-3, abs=1e-6)
    loss.backward()
    own = dict(network.named_parameters())
    for name, norm in json.loads((folder / "train_grad_norms.json").read_text()).items():
        gradient = own[name].grad
        if norm is None:
            assert gradient is None
        else:
            assert gradient is not None
            assert gradient.norm().item() == pytest.approx(norm, rel=GRADIENT, abs=1e-6), name
    for name in (n for n in golden if n.startswith("grad/")):
        expected = golden[name]
        gradient = own[name.removeprefix("grad/")].grad
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=GRADIENT * float(np.abs(expected).max()))
