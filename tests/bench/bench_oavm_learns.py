"""Whether OAVM can learn: overfit one composited clip of rendered people from random weights; prints the losses.

    OMP_NUM_THREADS=1 python tests/bench/bench_oavm_learns.py [--humans FOLDER] [--clips NAME,NAME] [--height 96]
                                [--width 128] [--frames 4] [--steps 200] [--rate 1e-3] [--out weights.safetensors]

Two people (folders of straight RGBA pictures with true alpha) are merged over a made-up wall by equations 8 and 9 of
the paper; each is to be matted from their dilated first mask, and the object queries are to find both. Loss: alpha +
mask + a twentieth of the set prediction's. `MAD` is times 1000 over both people, in training mode as the loss sees it.

At the end the batch norms' means are taken anew (so few steps do not settle them: MobileNet's move by a hundredth a
step), and the clip is matted in evaluation mode: the frames learned, those after them that were not, and all with the
people's first masks exchanged, which must exchange the mattes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from vimatte.engine.matting.common.pictures import normalised
from vimatte.engine.matting.oavm.losses import alpha_loss, instance_loss, mask_loss
from vimatte.engine.matting.oavm.merging import Clip, merge
from vimatte.engine.matting.oavm.network import OavmNetwork

ROOT = Path(__file__).resolve().parents[2]
HUMANS = Path(os.environ.get("VIMATTE_HUMANS", ROOT.parent / "shared" / "data" / "humans" / "train"))
SET_WEIGHT = 0.05


def read_clip(folder: Path, *, size: tuple[int, int], side: int) -> Clip:
    """A person made as high as the picture, in its left (0) or right (1) half, softly over the middle."""
    colours, alphas = [], []
    width, height = size
    for path in sorted(folder.glob("*.webp")):
        bgra = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.float32) / np.float32(255)
        scale = min(height / bgra.shape[0], 0.7 * width / bgra.shape[1])
        small = cv2.resize(bgra, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:height, :width]
        whole = np.zeros((height, width, 4), np.float32)
        left = side * (width - small.shape[1])
        whole[height - small.shape[0] :, left : left + small.shape[1]] = small
        colours.append(whole[..., 2::-1])
        alphas.append(whole[..., 3])
    return Clip(colour=np.stack(colours), alpha=np.stack(alphas))


def wall(frames: int, size: tuple[int, int]) -> NDArray[np.float32]:
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    shade = 0.45 + 0.2 * np.sin(x / 6) * np.cos(y / 9)
    return np.stack([np.stack([shade, shade * 0.9, 0.8 - shade], axis=2)] * frames).astype(np.float32)


def visible(first: Clip, second: Clip) -> Tensor:
    """What shall be found of both, (t, 2, h, w): the one behind is cut where the one in front covers it."""
    return torch.from_numpy(np.stack([first.alpha, second.alpha * (1.0 - first.alpha)], axis=1))


def matte(network: OavmNetwork, pictures: Tensor, masks: Tensor) -> Tensor:
    state, alphas = network.start(masks), []
    for picture in pictures:
        found, state = network(network.encode(picture[None]), state)
        alphas.append(found.alpha_BNHW)
    return torch.cat(alphas)


def settle(network: OavmNetwork, pictures: Tensor, masks: Tensor) -> None:
    """Take the means and variances of all batch norms anew, over one pass with the weights as they are."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    network.train()
    frames, state = network.encode(pictures), network.start(masks)
    for at in range(len(pictures)):
        _, state = network(frames.clip([at]), state)
    network.eval()


def mad(alphas: Tensor, true: Tensor) -> float:
    return float((alphas - true).abs().mean().item()) * 1e3


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--humans", type=Path, default=HUMANS)
    options.add_argument("--clips", default="clip_2024_00000,clip_2024_00002")
    options.add_argument("--height", type=int, default=96)
    options.add_argument("--width", type=int, default=128)
    options.add_argument("--frames", type=int, default=4)
    options.add_argument("--steps", type=int, default=200)
    options.add_argument("--rate", type=float, default=1e-3)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    torch.manual_seed(1)
    size = chosen.width, chosen.height
    first, second = (
        read_clip(chosen.humans / name, size=size, side=side) for side, name in enumerate(chosen.clips.split(","))
    )
    clip = merge(first, second, wall(len(first.alpha), size))
    pictures = torch.stack([normalised(p) for p in clip.pictures])
    true = visible(first, second)
    binary = (true > 0.5).float()
    coarse = torch.nn.functional.max_pool2d(binary[:1], 7, stride=1, padding=3)
    objects = torch.from_numpy(clip.masks.swapaxes(0, 1)).float()
    network = OavmNetwork().train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=chosen.rate, weight_decay=0.07)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, chosen.rate, total_steps=chosen.steps, pct_start=0.1)
    sys.stdout.write(f"{chosen.frames} frames {chosen.width}x{chosen.height}, {torch.get_num_threads()} thread(s)\n")
    sys.stdout.write("| step | s | loss | alpha | mask | set | MAD |\n|---|---|---|---|---|---|---|\n")
    began = time.perf_counter()
    totals: list[float] = []
    for step in range(chosen.steps):
        frames = network.encode(pictures[: chosen.frames], instances=True)
        state = network.start(coarse)
        parts = {
            "alpha": torch.zeros(()),
            "mask": torch.zeros(()),
            "set": instance_loss(frames.instances, objects[: chosen.frames]),
        }
        error = 0.0
        for at in range(chosen.frames):
            found, state = network(frames.clip([at]), state)
            parts["alpha"] = parts["alpha"] + alpha_loss(found.alpha_BNHW, true[at][None]) / chosen.frames
            parts["mask"] = parts["mask"] + mask_loss(found.mask_logits_BNHW, binary[at][None]) / chosen.frames
            error += mad(found.alpha_BNHW.detach(), true[at][None]) / chosen.frames
        loss = parts["alpha"] + parts["mask"] + SET_WEIGHT * parts["set"]
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        totals.append(loss.item())
        if step % 20 == 0 or step == chosen.steps - 1:
            each = " | ".join(f"{p.item():.3f}" for p in parts.values())
            sys.stdout.write(
                f"| {step} | {time.perf_counter() - began:.0f} | {totals[-1]:.3f} | {each} | {error:.1f} |\n"
            )
            sys.stdout.flush()
    with torch.no_grad():
        settle(network, pictures[: chosen.frames], coarse)
        plain, exchanged = (matte(network, pictures, masks) for masks in (coarse, coarse.flip(1)))
    learned, new = slice(0, chosen.frames), slice(chosen.frames, None)
    sys.stdout.write(
        f"loss {totals[0]:.3f} -> {totals[-1]:.3f} ({totals[0] / totals[-1]:.1f} times less)\n"
        f"in evaluation: MAD {mad(plain[learned], true[learned]):.1f} on the {chosen.frames} frames learned, "
        f"{mad(plain[new], true[new]):.1f} on the {len(true) - chosen.frames} after them, "
        f"{mad(exchanged.flip(1)[learned], true[learned]):.1f} with masks exchanged; empty mattes "
        f"{mad(torch.zeros_like(true), true):.1f}\n"
    )
    if chosen.out is not None:
        save_file(network.state_dict(), chosen.out)


if __name__ == "__main__":
    main()
