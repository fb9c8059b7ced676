"""Files as the authors lay them out, imported by hand, give the arrays that the authors' own code gave with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from vimatte.engine.checkpoints import NETWORKS, load_state
from vimatte.engine.checkpoints.bring import import_weights
from vimatte.engine.checkpoints.fit import new_network
from vimatte.engine.checkpoints.verify import verify
from vimatte.engine.matting.common.pictures import normalised
from vimatte.engine.matting.instmatt.infer import infer
from vimatte.engine.matting.instmatt.tri_masks import summed_tri_masks

from support.maggie_weights import maggie_weights, network_input
from support.recipe_weights import INSTMATT, MSG_VIM, recipe_weights, shapes_of

Arrays = Mapping[str, NDArray[Any]]


def msg_vim(folder: Path) -> dict[str, Tensor]:
    return recipe_weights(shapes_of(folder / "msg_vim" / "keys.json"), MSG_VIM)


def instmatt(folder: Path) -> dict[str, Tensor]:
    return recipe_weights(shapes_of(folder / "instmatt" / "keys_stage2.json"), INSTMATT)


def maggie(folder: Path, kind: str) -> dict[str, Tensor]:
    overrides = json.loads((folder / "maggie" / "bn_overrides.json").read_text())[kind]
    return maggie_weights(shapes_of(folder / "maggie" / f"keys_{kind}.json"), overrides=overrides)


def run_msg_vim(network: nn.Module, golden: Arrays) -> tuple[Tensor, NDArray[Any]]:
    frames = [
        torch.cat([normalised(image.astype(np.float32) / 255), torch.from_numpy(masks).float()])
        for image, masks in zip(golden["image_rgb_u8"], golden["mask_u8"].swapaxes(0, 1), strict=True)
    ]
    return network(torch.stack(frames)[None])[0].os1, golden["inst0/alpha_os1"]


def run_instmatt(network: Any, golden: Arrays) -> tuple[Tensor, NDArray[Any]]:
    picture = normalised(golden["N2/image_rgb_u8"].astype(np.float32) / np.float32(255.0))
    masks = summed_tri_masks(torch.from_numpy(golden["N2/mask_u8"]).float())
    return infer(network, picture, masks).final[:, 0], golden["N2/final_T"]


def run_maggie(network: nn.Module, golden: Arrays) -> tuple[Tensor, NDArray[Any]]:
    masks = torch.from_numpy(golden["masks_u8"]).float()
    return network(network_input(golden["frames_u8"])[None], masks[None]).refined[0], golden["out_refined_masks"]


Runner = Callable[[Any, Arrays], tuple[Tensor, NDArray[Any]]]
SYSTEMS: Mapping[str, tuple[Callable[[Path], dict[str, Tensor]], Runner, str]] = {
    "instmatt": (instmatt, run_instmatt, "instmatt/golden_net128.npz"),
    "maggie_image": (lambda f: maggie(f, "image"), run_maggie, "maggie/golden_image_96x160_n1.npz"),
    "maggie_video": (lambda f: maggie(f, "video"), run_maggie, "maggie/golden_video_t3_96x160_n1.npz"),
    "msg_vim": (msg_vim, run_msg_vim, "msg_vim/golden_net128.npz"),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "cache"))


@pytest.mark.parametrize("layout", ["torch", "safetensors"])
@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_an_imported_file_gives_the_golden_output(name: str, layout: str, goldens: Path, tmp_path: Path) -> None:
    make, run, golden = SYSTEMS[name]
    weights = make(goldens)
    file = tmp_path / "given"
    prefixed = {f"module.{key}": tensor for key, tensor in weights.items()}
    if layout == "torch":
        torch.save({"state_dict": prefixed, "iter": 20000, "loss": np.float64(0.1), "opt_state_dict": {}}, file)
    else:
        save_file(prefixed, file)
    import_weights(name, file)
    assert verify(name).state == "whole"
    network = new_network(NETWORKS[name])
    network.load_state_dict(load_state(name).tensors, strict=True)
    with np.load(goldens / golden) as arrays, torch.no_grad():
        found, expected = run(network.eval(), arrays)
    off = np.abs(found.numpy() - expected) > 3e-5
    assert off.mean() <= 2e-4, f"{off.sum()} of {off.size} values are off"
