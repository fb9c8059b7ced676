"""`lite.propagate`: how the propagator that comes with the program was trained."""

# ruff: noqa: N806, N815 - names carry shapes: B clips, T frames, N people, H height, W width

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vimatte.engine.lite.propagate.judge import Judge, View, ask, shares
from vimatte.engine.lite.propagate.network import Features, Memory, Prior, PropagateNet
from vimatte.engine.training.optim import AdamW, FixedNorm, WarmUpCosine
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.masks import MaskChange
from vimatte.engine.training.recipes.recipe import Data, Moment, Recipe
from vimatte.engine.vis.appearance import Palette
from vimatte.engine.vis.flow import WorkingImage
from vimatte.engine.vis.propagation.soft import Probability
from vimatte.engine.vis.propagation.sweep import Planes, Tracker

__all__ = ["LitePropagateObjective", "lite_propagate"]

_SEEN = 12.0
"""Pixels at a half of the picture from which somebody's first mask is one, and an overlap is measured."""
_HARD = 0.2
"""Share of the pixels, those with the largest errors, whose cross entropy counts."""
_KEPT = 0.6
"""How often a frame on which nobody new is met is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LitePropagateObjective:
    """Masks of everybody on every frame, from one mask of each on the first frame they are seen on."""

    def network(self) -> nn.Module:
        """Make the network."""
        return PropagateNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> Mapping[str, Tensor]:
        """entropy over the hardest pixels; overlap, one less the soft IoU; match, of the masks memory alone gives."""
        own = cast(PropagateNet, network)
        entropy, overlap, match = [], [], []
        for clip in _clips(own, batch):
            for frame in clip.run(own, keep=lambda: moment.chance() < _KEPT, exact=moment.chance() < 0.5):
                for found in frame.found:
                    known = (found.known_N > 0) & (frame.true_NHW.sum(dim=(1, 2)) > _SEEN)
                    true = frame.true_NHW * found.known_N[:, None, None]
                    target = torch.cat([(1.0 - true.sum(dim=0, keepdim=True)).clamp_min(0.0), true])
                    wrong = -(target * found.shares_1HW).sum(dim=0).flatten()
                    entropy.append(wrong.topk(round(_HARD * len(wrong))).values.mean())
                    mask = found.shares_1HW[1:].exp()
                    if known.any():
                        both = torch.minimum(mask, true).sum(dim=(1, 2))
                        either = torch.maximum(mask, true).sum(dim=(1, 2))
                        overlap.append((1.0 - both / either.clamp_min(1.0))[known].mean())
                    small = functional.avg_pool2d(true[:, None], 2)[:, 0].clamp(0.0, 1.0)
                    sure = found.matched_NHW.clamp(0.01, 0.99)
                    weight = found.known_N[:, None, None].expand_as(small)
                    match.append(functional.binary_cross_entropy(sure, small, weight=weight))
        zero = torch.stack([p.sum() for p in own.parameters()]).sum() * 0.0
        parts = {"entropy": entropy, "overlap": overlap, "match": match}
        return {name: torch.stack(values).mean() if values else zero for name, values in parts.items()}

    def mattes(self, network: nn.Module, batch: Batch) -> Tensor:
        """Carry masks through clips, everything remembered; soft masks at full size."""
        own = cast(PropagateNet, network)
        out = torch.zeros_like(batch.alphas_BTPHW)
        for b, clip in enumerate(_clips(own, batch)):
            for frame in clip.run(own, keep=lambda: True, exact=True):
                for row, mask in frame.masks.items():
                    out[b, frame.t, clip.rows[row]] = torch.from_numpy(mask)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What the network said of a frame."""

    shares_1HW: Tensor
    """(n + 1, h, w) logarithms."""
    matched_NHW: Tensor
    known_N: Tensor
    """1 for those of whom it could know."""


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """What a frame was like."""

    t: int
    true_NHW: Tensor
    masks: Planes
    """What is carried on."""
    found: tuple[_Found, ...]
    """From frames before, and of masks given on this very one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """One clip of a batch, of those who are seen in it."""

    frames: list[Features]
    codes: list[WorkingImage]
    true_TNHW: Tensor
    """At a half."""
    given_TNHW: Tensor
    """At full size."""
    rows: Tensor
    """Which rows of the batch they are."""

    def run(self, network: PropagateNet, *, keep: Callable[[], bool], exact: bool) -> Iterator[_Frame]:
        """Carry masks from the first frame on which one is given, as a sweep does.

        A frame on which nobody new is met is remembered if `keep` says so.
        """
        people = len(self.rows)
        judge = _Learner(network, self, keep=keep)
        height, width = self.codes[0].shape[:2]
        tracker = Tracker(Palette.choose(self.codes), height, width, judge=judge, exact=exact)
        seen_TN = (self.given_TNHW.sum(dim=(2, 3)) > 4 * _SEEN).cpu().numpy()
        met: set[int] = set()
        for t, codes in enumerate(self.codes):
            new = [n for n in range(people) if seen_TN[t, n] and n not in met]
            met |= set(new)
            if not met:
                continue
            judge.at(t)
            given = {n: self.given_TNHW[t, n].cpu().numpy() for n in new}
            masks = {n: soft.unpack(height, width) for n, soft in tracker.step(codes, given).items()}
            yield _Frame(t, self.true_TNHW[t], masks, tuple(judge.found))


class _Learner(Judge):
    """The judge of a sweep, whose gradients are kept: through what it says of a frame, not through what it carries on.

    Over five frames gradients through carried masks grow twentyfold.
    """

    def __init__(self, network: PropagateNet, clip: _Clip, *, keep: Callable[[], bool]) -> None:
        height, width = clip.codes[0].shape[:2]
        super().__init__(network, height=height, width=width, device=str(clip.true_TNHW.device))
        self._clip, self._wanted = clip, keep
        self._memory: list[tuple[Memory, bool]] = []
        self._meet(range(len(clip.rows)))
        self._t = 0
        self.found: list[_Found] = []

    def at(self, t: int) -> None:
        """A frame begins."""
        self._t, self.found = t, []

    def forget(self) -> None:
        """There are no cuts in a clip, whatever a sweep takes for one."""

    def _running(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _seen(self, image: WorkingImage, around: Iterable[Probability]) -> tuple[View, Features]:
        height, width = self._clip.codes[0].shape[:2]
        return View(0, height, 0, width), self._clip.frames[self._t]

    def _keep(self, now: Memory, *, given: bool) -> None:
        self._memory.append((now, given))

    def _remembered(self) -> list[Memory]:
        return [memory for memory, needed in self._memory if needed or self._wanted()]

    def _said(self, frame: Features, memory: Sequence[Memory], prior: Prior, claims: Planes, view: View) -> Planes:
        logits, found, known_N = ask(self._network, frame, memory, prior)
        self.found.append(_Found(shares(logits), found.matched_NHW, known_N))
        return self._changed(claims, prior, view, logits_NHW=logits.detach())


def _clips(network: PropagateNet, batch: Batch) -> Iterator[_Clip]:
    """The clips of a batch in which somebody is seen; pictures are looked at all at once."""
    B, T = batch.alphas_BTPHW.shape[:2]
    pictures = batch.pictures_BT3HW.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    frames = network.encode(pictures)
    codes = (batch.pictures_BT3HW * 255).round().to(torch.uint8).permute(0, 1, 3, 4, 2).cpu().numpy()
    for b in range(B):
        rows = batch.alphas_BTPHW[b].flatten(2).any(dim=2).any(dim=0).nonzero()[:, 0]
        if not len(rows):
            continue
        yield _Clip(
            frames=frames[b * T : (b + 1) * T],
            codes=[np.ascontiguousarray(one) for one in codes[b]],
            true_TNHW=functional.avg_pool2d(batch.alphas_BTPHW[b][:, rows], 2),
            given_TNHW=batch.masks_BTPHW[b][:, rows].float(),
            rows=rows,
        )


def lite_propagate() -> Recipe:
    """`lite.propagate`, ours.

    vimatte train lite-propagate --data DIR --start FILE --out OUT

    The weights that ship are the average after 800 of these steps; docs/model_cards/lite_propagate.md has data, hours
    and figures.
    """
    return Recipe(
        name="lite_propagate",
        objective=LitePropagateObjective(),
        weights={"entropy": 1.0, "overlap": 1.0, "match": 0.3},
        optimiser=AdamW(decay=0.01),
        schedule=WarmUpCosine(peak=8e-4, warm_up=60, of=2000, floor=1e-5),
        clipping=FixedNorm(most=1.0),
        steps=2000,
        data=Data(
            protocol="crossings",
            frames=8,
            crop=256,
            clips=2,
            masks=(
                MaskChange(kind="erode or dilate", odds=0.25, strength=0.3),
                MaskChange(kind="coarse", odds=0.2, strength=0.4),
                MaskChange(kind="blobs", odds=0.25, strength=0.5),
            ),
        ),
        ema=0.997,
        frozen=tuple(f"encoder.features.{k}" for k in range(4)),
        paces={"encoder": 0.2},
        start="an earlier network of the same parts, which began with torchvision's MobileNetV2 of ImageNet",
    )
