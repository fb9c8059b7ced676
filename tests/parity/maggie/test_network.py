"""MaGGIe's networks against arrays of the authors' own: keys, outputs, and everything in between."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vimatte.engine.matting.common.unknown import unknown
from vimatte.engine.matting.maggie.network import Maggie, Mattes
from vimatte.engine.matting.maggie.regions import smoothed
from vimatte.engine.matting.maggie.temporal import steadied

from support.maggie_weights import maggie_weights, network_input, recipe_network

IMAGE = ("128x128_n3", "128x128_n3_settled", "96x160_n1", "128x64_n4_empty2", "64x96_n10_mask_os8")
VIDEO = (
    "t3_128x128_n3",
    "t3_128x128_n3_settled",
    "t3_96x160_n1",
    "t3_96x160_n1_prev_mem",
    "t5_64x96_n3",
    "t3_64x96_n3_empty",
)


class Golden(dict[str, NDArray[Any]]):
    """The arrays of a golden, and which of them were compared."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            super().__init__({key: arrays[key] for key in arrays.files})
        self.checked: set[str] = set()


GOLDENS = [*(f"image_{name}" for name in IMAGE), *(f"video_{name}" for name in VIDEO)]


@pytest.fixture(scope="module")
def folder(goldens: Path) -> Path:
    return goldens / "maggie"


@pytest.mark.parametrize(("video", "count"), [(False, 619), (True, 640)])
def test_keys_and_shapes_are_those_of_the_published_checkpoints(folder: Path, video: bool, count: int) -> None:
    published = json.loads((folder / f"keys_{'video' if video else 'image'}.json").read_text())
    with torch.device("meta"):
        network = Maggie(video=video)
    ours = network.state_dict()
    assert len(ours) == count
    assert {k: list(v.shape) for k, v in ours.items()} == {k: v["shape"] for k, v in published.items()}
    parameters = dict(network.named_parameters())
    assert set(parameters) == {k for k, v in published.items() if v["kind"] == "parameter"}
    fixed = {k for k, v in parameters.items() if not v.requires_grad}
    unused = {k for k in fixed if k.startswith("decoder.dummy_downscale.")}
    assert fixed - unused == {k for k, v in published.items() if v["kind"] == "parameter" and not v["trainable"]}


@pytest.mark.parametrize("name", ["image", "image_settled", "video", "video_settled"])
def test_the_recipe_gives_the_recorded_sums(folder: Path, name: str) -> None:
    checks = json.loads((folder / "weights_checksums.json").read_text())[name]
    keys = json.loads((folder / f"keys_{name.removesuffix('_settled')}.json").read_text())
    overrides = json.loads((folder / "bn_overrides.json").read_text())[name]
    state = maggie_weights(
        {key: keys[key]["shape"] for key in keys if key in checks or f"{key[:-1]}bar" in checks or key.endswith("bar")}
        if "settled" in name
        else {key: keys[key]["shape"] for key in checks},
        overrides=overrides,
        settled="settled" in name,
    )
    for key, expected in checks.items():
        value = state[key].double()
        found = [value.sum().item(), value.abs().sum().item(), value.flatten()[0].item()]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("name", GOLDENS)
def test_outputs(folder: Path, name: str) -> None:
    golden = Golden(folder / f"golden_{name}.npz")
    out, _ = _run(folder, name, golden)
    rare = 2e-4 if "video" in name else 0.0
    alphas = {"refined_masks": (out.refined, 3e-5), "alpha_os8": (out.os8, 3e-4)}
    alphas |= {"alpha_os4": (out.os4, 1e-4), "alpha_os1": (out.os1, 3e-5)}
    for key, (found, tolerance) in alphas.items():
        _check(golden, f"out_{key}", found[0], tolerance, rare=rare)
    found = out.coarse.instances
    _check(golden, "logits_os8", found.logits_FQhw, 5e-4)
    _check(golden, "tokens_final", found.tokens_BQc[0], 1e-4)
    _check(golden, "F_os8", found.features_Fchw, 1e-4)
    _check_bits(golden, "out_detail_mask_bits", out.region[0], rare=rare)
    region = out.region[0]
    at_4 = unknown(out.os8[0], 13, ends=False) & region
    _check_bits(golden, "R4_bits", at_4, rare=rare)
    at_1 = unknown(torch.where(at_4, out.os4[0], out.os8[0]), 7, ends=False) & region
    _check_bits(golden, "R1_bits", at_1, rare=rare)
    if "video" in name:
        assert out.before is not None
        assert out.after is not None
        assert out.memory is not None
        _check(golden, "out_diff_pred_forward", out.before[0, :, 0], 3e-5)
        _check(golden, "out_diff_pred_backward", out.after[0, :, 0], 3e-5)
        _check(golden, "pre_aggregation_refined_masks_t1t2", out.alone[0, 1:3], 3e-5, rare=rare)
        _check(golden, "out_mem_feat", out.memory[0], 1e-4)
        _check(golden, "out_temp_alpha", steadied(out.alone, out.before, out.after)[0], 3e-5, rare=rare)
        _check_bits(golden, "ungated_unknown_os8_bits", unknown(out.coarse.alpha_os8_FNHW, 15, ends=False), rare=rare)
        _check(golden, "smooth_os8", smoothed(out.coarse.alpha_os8_FNHW), 3e-4)


@pytest.mark.parametrize("name", ["image_128x128_n3", "video_t3_128x128_n3"])
def test_everything_in_between(folder: Path, name: str) -> None:
    golden = Golden(folder / f"golden_{name}.npz")
    out, seen = _run(folder, name, golden)
    decoder = "decoder.refine_OS8."
    for block in (0, 1):
        for key, layer in (("ca", "token_feat_ca_layers"), ("ffn", "mlp_layers"), ("sa", "sa_layers")):
            tokens = seen[f"{decoder}{layer}.{block}"][0]
            _check(golden, f"tokens_block{block}_{key}", (tokens[0] if key == "ca" else tokens)[0], 1e-4)
        _check(golden, f"attn_tok2feat_block{block}", _by_place(out, seen, block), 1e-5)
        told = seen[f"{decoder}feat_token_ca_layers.{block}"][0][1][0]
        _check(golden, f"attn_feat2tok_block{block}", told, 1e-5)
    _check(golden, "tokens_final_ca", seen[f"{decoder}final_token_feat_ca"][0][0][0], 1e-4)
    _check(golden, "attn_final", _by_place(out, seen, 2), 1e-5)
    _check(golden, "F_os8_temporal", seen[f"{decoder}conv"][-1], 1e-4)

    encoded = seen["encoder"][0]
    _check(golden, "enc_os32", encoded.deep, 1e-4)
    for index, detail in enumerate(encoded.details, start=1):
        _check(golden, f"fea{index}", detail, 1e-4)
    _check(golden, "aspp", seen["aspp"][0], 1e-4)
    _check(golden, "dec_layer1_before_add", seen["decoder.layer1"][0], 1e-4)
    _check(golden, "dec_os8", seen["decoder.layer2"][0] + encoded.details[3], 2e-4)

    s1 = out.region[0].flatten(0, 1)
    s2 = _pooled(s1)
    s4 = _pooled(s2)
    s8 = _pooled(s4)
    for key, active in (("S1_bits", s1), ("S2_bits", s2), ("S4_bits", s4)):
        _check_bits(golden, key, active)
    assert np.array_equal(golden["S8_index"], s8.nonzero().numpy())
    golden.checked.add("S8_index")
    _check(golden, "mask_embedding", seen["guided"][0][:, 3:, ::2, ::2], 1e-5)
    _check(golden, "logits_os8", out.coarse.instances.logits_FQhw, 5e-4)
    _check(golden, "tokens_final", out.coarse.instances.tokens_BQc[0], 1e-4)
    _check(golden, "F_os8", out.coarse.instances.features_Fchw, 1e-4)
    _check(golden, "feat_after_blocks", seen["before_conv"][0], 1e-4)
    layers = {"X8": "inst_spec_layer"}
    layers |= {key: key for key in ("layer3", "guidance_layer", "layer4", "layer5")}
    layers |= {f"layer{level}_smooth": f"layer{level}_smooth" for level in (3, 4, 5)}
    for key, layer in layers.items():
        _check_rows(golden, key, torch.cat(seen[f"decoder.{layer}"]))
    for level in (4, 1):
        _check_rows(golden, f"logits_os{level}", torch.cat(seen[f"decoder.refine_OS{level}"])[:, 0])
    if "video" in name:
        logits = torch.cat(seen["decoder.diff_module"])[:, 0]
        _check(golden, "diff_logits_os8_forward", logits[:2], 1e-4)
        _check(golden, "diff_logits_os8_backward_t_desc", logits[2:], 1e-4)
        _check(golden, "feat_after_gru", seen["decoder.os8_temp_module"][0][0][0], 1e-4)
    _check_vectors(golden, seen["network"][0])
    left = set(golden) - golden.checked
    assert all(key.startswith(("out_", "pre_", "ungated_", "smooth_", "R")) or key.endswith("_u8") for key in left), (
        left
    )


def test_settled_networks_give_the_same_again_and_raw_ones_do_not(folder: Path) -> None:
    for name, same in (("image_128x128_n3_settled", True), ("image_128x128_n3", False)):
        golden = Golden(folder / f"golden_{name}.npz")
        network = recipe_network(folder, video=False, settled=same)
        runs = [_forward(network, golden).refined for _ in range(2)]
        assert torch.allclose(*runs, atol=3e-5) == same


def _run(folder: Path, name: str, golden: Golden) -> tuple[Mattes, dict[str, list[Any]]]:
    """One forward with weights as they were filled, and what every module gave in it."""
    network = recipe_network(folder, video="video" in name, settled="settled" in name)
    seen: dict[str, list[Any]] = defaultdict(list)

    def keep(key: str, _module: nn.Module, _args: Any, output: Any) -> None:
        seen[key].append(output)

    for key, module in network.named_modules():
        module.register_forward_hook(partial(keep, key))
    head = network.get_submodule("decoder.refine_OS8.conv")
    head.register_forward_pre_hook(lambda _module, args: seen["before_conv"].append(args[0]))
    network.encoder.register_forward_pre_hook(lambda _module, args: seen["guided"].append(args[0]))
    out = _forward(network, golden)
    seen["network"] = [network]
    return out, seen


@torch.no_grad()
def _forward(network: Maggie, golden: Golden) -> Mattes:
    given = {key: torch.from_numpy(golden[key]) for key in ("in_prev_pred", "in_mem_feat") if key in golden}
    out: Mattes = network(
        network_input(golden["frames_u8"])[None],
        torch.from_numpy(golden["masks_u8"]).float()[None],
        previous_BNHW=given.get("in_prev_pred"),
        memory_BC88=given.get("in_mem_feat"),
    )
    return out


def _check(golden: Golden, key: str, found: Tensor, tolerance: float, *, rare: float = 0.0) -> None:
    """Compare with every array of this name, also those of every k-th channel (_c) and pixel (_s)."""
    for name, expected in golden.items():
        steps = name.removeprefix(key)
        if not name.startswith(key) or (
            steps and not all(s[0] in "cs" and s[1:].isdigit() for s in steps[1:].split("_"))
        ):
            continue
        golden.checked.add(name)
        array = found.detach().numpy()
        for step in steps[1:].split("_") if steps else ():
            by = int(step[1:])
            array = array[..., ::by, ::by] if step[0] == "s" else array[:, ::by]
        assert array.shape == expected.shape, name
        off = np.abs(array - expected) > tolerance
        assert off.mean() <= rare, f"{name}: {off.sum()} of {off.size} off, most {np.abs(array - expected).max():.1e}"


def _check_bits(golden: Golden, key: str, found: Tensor, *, rare: float = 0.0) -> None:
    if key in golden:
        golden.checked.add(key)
        expected = np.unpackbits(golden[key])[: found.numel()]
        assert (expected != found.reshape(-1).numpy()).mean() <= rare, key


def _check_rows(golden: Golden, key: str, found: Tensor) -> None:
    names = [name for name in golden if name.startswith(f"{key}_rows")]
    assert names, key
    for name in names:
        golden.checked.add(name)
        step = int(name.rpartition("_s")[2]) if "_rows_s" in name else 1
        rows = found[::step].numpy()
        assert rows.shape == golden[name].shape, name
        np.testing.assert_allclose(rows, golden[name], rtol=0, atol=2e-4, err_msg=name)


def _check_vectors(golden: Golden, network: Maggie) -> None:
    """Spectral vectors after one forward; signs and all."""
    for name, expected in golden.items():
        if name.startswith("after_"):
            golden.checked.add(name)
            kind, _, path = name.removeprefix("after_").partition(":")
            vector = network.get_parameter(f"{path}.module.weight_{kind}").detach().numpy()
            np.testing.assert_allclose(vector, expected, atol=1e-6, err_msg=name)


def _by_place(out: Mattes, seen: Mapping[str, list[Any]], block: int) -> Tensor:
    """Attention (10, L) with positions in the goldens' order: y, x, frame."""
    frames = out.refined.shape[1]
    weights: Tensor = out.coarse.instances.attentions_BQL[block][0]
    return weights.unflatten(1, (frames, -1)).transpose(1, 2).flatten(1)


def _pooled(active: Tensor) -> Tensor:
    return nn.functional.max_pool2d(active[:, None].float(), 3, stride=2, padding=1)[:, 0] > 0
