"""Object-Aware Video Matting: alpha and mask of each person on a frame, from their mask on the first one.

Zhang, Wu, Shao, Sang, Gao, 'Object-Aware Video Matting with Cross-Frame Guidance', from the
paper alone: no code was published. What its text leaves open is said at the line, and in docs/decisions.

Names carry shapes: B clips, N people, C channels, H W of the picture (multiples of 16), h w its sixteenth, P = h w.
"""

# ruff: noqa: N803, N806, N815 - names carry shapes

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from vimatte.engine.matting.oavm.config import OavmConfig
from vimatte.engine.matting.oavm.correction import Correction, Recall
from vimatte.engine.matting.oavm.decoder import MattingDecoder
from vimatte.engine.matting.oavm.matching import Cells, Memory, PixelMatching
from vimatte.engine.matting.oavm.mobilenet import MobileNetV3Large
from vimatte.engine.matting.oavm.objects import Instances, ObjectQueries
from vimatte.engine.matting.oavm.resnet import ResNet50

__all__ = ["STRIDE", "EncodedFrame", "Found", "OavmNetwork", "OavmState"]

STRIDE = 16
"""Pictures are multiples of this on both sides; matching and correction work at this fraction of the size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OavmState:
    """What one frame hands to the next, for people who began on the same frame."""

    mask_BNP: Tensor
    """S_{k-1} at a sixteenth, in [0, 1]: the given first mask before the first frame, predictions from then on."""
    long: Memory | None = None
    """The first frame; None before it."""
    short: Memory | None = None
    """The last frame; None before the first one."""

    def pick(self, rows: list[int]) -> Self:
        """The state of some of the people, in this order."""
        return type(self)(
            mask_BNP=self.mask_BNP[:, rows], long=_picked(self.long, rows), short=_picked(self.short, rows)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedFrame:
    """What is seen on a frame whoever is asked for: computed once a frame."""

    sides: tuple[Tensor, ...]
    """What the matting decoder takes of the picture and the backbone's features, coarsest first."""
    cells: Cells
    """The coarsest features, projected for matching."""
    objects_BOC: Tensor | None
    """q_o; None without object queries."""
    instances: tuple[Instances, ...]
    """What the queries say the objects are, before and after each layer; empty unless asked for."""

    def clip(self, rows: list[int]) -> Self:
        """Some of the frames of a batch, without `instances`: clips are encoded as a whole, then stepped through."""
        cells = self.cells
        return type(self)(
            sides=tuple(side[rows] for side in self.sides),
            cells=Cells(
                grid=cells.grid,
                feature_BPC=cells.feature_BPC[rows],
                query_BPC=cells.query_BPC[rows],
                key_BPC=cells.key_BPC[rows],
                value_BPC=cells.value_BPC[rows],
            ),
            objects_BOC=None if self.objects_BOC is None else self.objects_BOC[rows],
            instances=(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the network says about the people of one frame."""

    alpha_BNHW: Tensor
    """In [0, 1]."""
    mask_logits_BNHW: Tensor
    """Of the foreground mask; their sigmoid is S_k."""


class OavmNetwork(nn.Module):
    """Backbone, pixel matching, object queries, correction and matting decoder."""

    def __init__(self, config: OavmConfig | None = None) -> None:
        super().__init__()
        self.config = config = OavmConfig() if config is None else config
        # Open: which MobileNet, and the strides of the four features. The paper's citation is of V3; a half to a
        # sixteenth keeps hair at one end and the global attention affordable at the other.
        self.backbone = MobileNetV3Large() if config.backbone == "mobilenet_v3_large" else ResNet50()
        channels = self.backbone.channels
        width = config.width
        self.matching = PixelMatching(channels[-1], width=width, window=config.window)
        self.objects: ObjectQueries | None = None
        self.recall: Recall | None = None
        self.correction: Correction | None = None
        if config.object_queries:
            self.objects = ObjectQueries(channels, width=width, queries=config.queries, heads=config.heads)
        if config.correction:
            dilation = config.dilation if config.guidance else None
            self.correction = Correction(width, queries=config.queries, heads=config.heads, dilation=dilation)
        elif config.object_queries:
            # Open: how Table 4's second row uses the queries "due to the lack of a reasonable fusion". Here they are
            # called back to the pixels as they are.
            self.recall = Recall(width, queries=config.queries)
        self.decoder = MattingDecoder(width, skips=channels[:-1])
        self.apply(_initialise)

    def start(self, mask_BNHW: Tensor) -> OavmState:
        """The state before people's first frame, from a coarse mask of each, in [0, 1]."""
        return OavmState(mask_BNP=_small(mask_BNHW))

    def encode(self, picture_BCHW: Tensor, *, instances: bool = False) -> EncodedFrame:
        """Look at a frame, normalised as ImageNet's pictures are (`common.pictures`); `instances` for training.

        Raises ValueError for sides that are no multiples of 16.
        """
        H, W = picture_BCHW.shape[2:]
        if H % STRIDE or W % STRIDE:
            raise ValueError(f"the picture is {W}x{H}; both sides must be multiples of {STRIDE}")
        features = self.backbone(picture_BCHW)
        objects_BOC: Tensor | None = None
        said: tuple[Instances, ...] = ()
        if self.objects is not None:
            objects_BOC, said = self.objects(features, predict=instances)
        return EncodedFrame(
            sides=self.decoder.sides(picture_BCHW, features[:-1]),
            cells=self.matching.cells(features[-1]),
            objects_BOC=objects_BOC,
            instances=said,
        )

    def forward(self, frame: EncodedFrame, state: OavmState) -> tuple[Found, OavmState]:
        """Matte the people of `state` on a frame, and give the state for the next one."""
        cells = frame.cells
        # On the first frame both attentions are self-attention. Open: whether the given mask is embedded there; it is,
        # as nothing else in equation 2 could tell the person from the rest.
        own = Memory(key_BPC=cells.key_BPC, value_BPC=cells.value_BPC, mask_BNP=state.mask_BNP)
        feature_BNPC = self.matching.match(cells, long=state.long or own, short=state.short or own)
        if self.correction is not None and frame.objects_BOC is not None:
            feature_BNPC = self.correction(
                feature_BNPC, frame.objects_BOC, last_mask_BNP=state.mask_BNP, grid=cells.grid
            )
        elif self.recall is not None and frame.objects_BOC is not None:
            N = feature_BNPC.shape[1]
            objects_AOC = frame.objects_BOC[:, None].expand(-1, N, -1, -1).flatten(0, 1)
            feature_BNPC = torch.unflatten(self.recall(feature_BNPC.flatten(0, 1), objects_AOC), 0, (-1, N))
        feature_BNChw = torch.unflatten(feature_BNPC.transpose(2, 3), 3, cells.grid)
        alpha_logits_BNHW, mask_logits_BNHW = self.decoder(feature_BNChw, frame.sides)
        mask_BNP = _small(torch.sigmoid(mask_logits_BNHW))
        # Open: whether the long-term memory keeps the given coarse mask or the one predicted there. Section 3.1 has
        # "the predicted foreground masks of the memory frames".
        last = Memory(key_BPC=cells.key_BPC, value_BPC=cells.value_BPC, mask_BNP=mask_BNP)
        return (
            Found(alpha_BNHW=torch.sigmoid(alpha_logits_BNHW), mask_logits_BNHW=mask_logits_BNHW),
            OavmState(mask_BNP=mask_BNP, long=state.long or last, short=last),
        )


def _small(mask_BNHW: Tensor) -> Tensor:
    """Resample to a sixteenth by the mean of each cell (open in the paper): thin parts weigh what they cover."""
    return functional.avg_pool2d(mask_BNHW, STRIDE).flatten(2)


def _picked(memory: Memory | None, rows: list[int]) -> Memory | None:
    if memory is None:
        return None
    return Memory(key_BPC=memory.key_BPC, value_BPC=memory.value_BPC, mask_BNP=memory.mask_BNP[:, rows])


def _initialise(module: nn.Module) -> None:
    """He et al.'s scale for convolutions, by what comes in: features keep their size before anything is learned."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
