"""Clips for training tests: discs with soft rims that move over a plane, exact in every value."""

from __future__ import annotations

import torch

from vimatte.engine.training.recipes.batch import Batch


def disc_clips(*, clips: int, frames: int, people: int, side: int = 64, seed: int = 0) -> Batch:
    """People from left to right, moving right a pixel a frame; who comes first stands in front."""
    draw = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    colours = torch.rand(clips, 1, people, 3, 1, 1, generator=draw).expand(clips, frames, people, 3, side, side)
    alphas = torch.zeros(clips, frames, people, side, side)
    left = torch.ones(clips, frames, side, side)
    for clip in range(clips):
        for frame in range(frames):
            for person in range(people):
                middle = side * (person + 0.7 + 0.1 * clip) / (people + 0.5) + frame
                far = ((x - middle) ** 2 + (y - side / 2) ** 2).sqrt()
                alpha = ((side * 0.22 - far) / 4 + 0.5).clamp(0, 1)
                alphas[clip, frame, person] = alpha * left[clip, frame]
                left[clip, frame] *= 1 - alpha
    behind = torch.rand(clips, 1, 3, 1, 1, generator=draw)
    return Batch(
        pictures_BT3HW=(alphas[:, :, :, None] * colours).sum(2) + left[:, :, None] * behind,
        alphas_BTPHW=alphas,
        masks_BTPHW=(alphas > 0.5).float(),
        colours_BTP3HW=colours,
    )
