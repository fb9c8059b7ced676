"""Sparse progressive refinement: each person's uncertain region alone, from 1/8 up to the full size.

Huynh et al., MaGGIe (CVPR 2024), section 3.3. The cost goes by the pixels to refine, not by people times pixels.
"""

# ruff: noqa: N803, N806, N815 - names carry shapes:
# B clips, T frames, F = B * T, N people, M = F * N maps, R active cells of a level, C channels, H height, W width
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from vimatte.engine.matting.common.up_blocks import SLOPE
from vimatte.engine.matting.maggie.attention import FeedForward
from vimatte.engine.sparse import ActiveSet, InverseConv2d, PointwiseConv2d, SubmanifoldConv2d

__all__ = ["Refined", "Refinement", "Sources", "to_alpha"]

_OFF = -99.0
"""Logit of cells that are not active: an alpha of 0, also after it has been mixed with neighbours'."""
_CELLS = {"cpu": 1 << 17, "cuda": 1 << 22}
"""Full-size cells refined at once in evaluation: on a CPU their features stay in the cache."""


class Sources(NamedTuple):
    """What refinement reads."""

    f1_FCHW: Tensor
    """(f, 32, h, w) of the encoder."""
    f2_FCHW: Tensor
    """(f, 32, h/2, w/2)."""
    f3_FCHW: Tensor
    """(f, 64, h/4, w/4)."""
    f8_FCHW: Tensor
    """(f, 64, h/8, w/8) of the instance decoder, without knowledge of other frames but through attention."""
    tokens_FQC: Tensor
    """(f, 10, 64), of the frame's clip."""


class Refined(NamedTuple):
    """Alphas (f, n, h, w) in [0, 1] at the full size, from logits at 1/4 and at full size; 0 outside the region."""

    os4: Tensor
    os1: Tensor


class Refinement(nn.Module):
    """The sparse half of the decoder; a base so that its weights lie under the decoder's own name."""

    def __init__(self) -> None:
        super().__init__()
        self.inst_spec_layer = FeedForward(64, dropout=0.1)
        # The published code downsampled index sets by convolutions whose results nobody reads: weights to carry along.
        self.dummy_downscale = nn.ModuleList(
            SubmanifoldConv2d(inward, outward).requires_grad_(False)
            for inward, outward in ((3, 32), (32, 32), (32, 64), (64, 64))
        )
        self.layer3 = _Layers(
            [InverseConv2d(64, 64), nn.BatchNorm1d(64), nn.LeakyReLU(SLOPE, inplace=True), SubmanifoldConv2d(64, 64)]
        )
        self.guidance_layer = _Layers(
            [
                PointwiseConv2d(128, 64),
                nn.BatchNorm1d(64),
                nn.LeakyReLU(SLOPE, inplace=True),
                SubmanifoldConv2d(64, 64, bias=True),
                nn.Sigmoid(),
            ]
        )
        self.layer3_smooth = _smooth(64, 64)
        self.refine_OS4 = _logits(64)
        self.layer4 = _Layers(
            [InverseConv2d(64, 32), nn.BatchNorm1d(32), nn.LeakyReLU(SLOPE, inplace=True), PointwiseConv2d(32, 32)]
        )
        self.layer4_smooth = _smooth(64, 32)
        self.layer5 = _Layers(
            [InverseConv2d(32, 32), nn.BatchNorm1d(32), nn.LeakyReLU(SLOPE, inplace=True), SubmanifoldConv2d(32, 32)]
        )
        self.layer5_smooth = _smooth(64, 32)
        self.refine_OS1 = _logits(32)

    def fold(self) -> None:
        """Take batch norms into the sparse convolutions right before them, for evaluation; exact to rounding."""
        for layers in self.children():
            if isinstance(layers, _Layers):
                layers.fold()

    def refine(self, sources: Sources, region_FNHW: Tensor) -> Refined:
        """Refine where `region` (f, n, h, w), bool, is set. Sides must be multiples of 8."""
        frames, people, height, width = region_FNHW.shape
        region_MHW = region_FNHW.flatten(0, 1)
        tables = _Tables(sources)
        logits4_MHW = tables.f1_LC.new_full((frames * people, height // 4, width // 4), _OFF)
        # Off at full size is an alpha of exactly 0, so that only active cells go through the tanh.
        alphas1_MHW = tables.f1_LC.new_zeros((frames * people, height, width))
        for maps in self._runs(region_MHW):
            s1 = ActiveSet(region_MHW[maps])
            if not len(s1):
                continue
            logits4_R, logits1_R = self._logits(tables, s1, first=maps.start, people=people)
            logits4_MHW[maps].view(-1).index_copy_(0, s1.coarser.coarser.cells_R, _rounded(logits4_R))
            alphas1_MHW[maps].view(-1).index_copy_(0, s1.cells_R, to_alpha(_rounded(logits1_R)))
        larger = F.interpolate(
            logits4_MHW.view(frames, people, *logits4_MHW.shape[1:]),
            scale_factor=4,
            mode="bilinear",
            align_corners=False,
        )
        return Refined(os4=to_alpha(larger), os1=alphas1_MHW.view_as(region_FNHW))

    def _runs(self, region_MHW: Tensor) -> Iterator[slice]:
        """Maps to refine together: all in training, whose statistics are of all cells; else as many as are cheap.

        In evaluation no cell knows of another map, so that this is about memory alone.
        """
        maps = region_MHW.shape[0]
        if self.training:
            yield slice(0, maps)
            return
        room = _CELLS.get(region_MHW.device.type, _CELLS["cuda"])
        start, held = 0, 0
        for index, count in enumerate(region_MHW.flatten(1).sum(1).tolist()):
            if held and held + count > room:
                yield slice(start, index)
                start, held = index, 0
            held += count
        yield slice(start, maps)

    def _logits(self, tables: _Tables, s1: ActiveSet, *, first: int, people: int) -> tuple[Tensor, Tensor]:
        """Logits at the active cells of 1/4 and of the full size; map 0 of the set is map `first` of all."""
        s2 = s1.coarser
        s4 = s2.coarser
        s8 = s4.coarser

        def detail(table_LC: Tensor, active: ActiveSet) -> Tensor:
            return table_LC.index_select(0, _places(active, first=first, people=people))

        m = s8.positions_R[0] + first
        frame, person = m // people, m % people
        tokens_RC = tables.tokens_LC.index_select(0, frame * tables.slots + person)
        x_RC = self.inst_spec_layer(detail(tables.f8_LC, s8) * tokens_RC)

        x_RC = self.layer3(x_RC, active=s4)
        d_RC = detail(tables.f3_LC, s4)
        x_RC = d_RC * self.guidance_layer(torch.cat([d_RC, x_RC], dim=1), active=s4)
        x_RC = self.layer3_smooth(x_RC, active=s4)
        logits4_R = self.refine_OS4(x_RC, active=s4)[:, 0]

        x_RC = self.layer4(x_RC, active=s2)
        x_RC = self.layer4_smooth(torch.cat([detail(tables.f2_LC, s2), x_RC], dim=1), active=s2)
        x_RC = self.layer5(x_RC, active=s1)
        x_RC = self.layer5_smooth(torch.cat([detail(tables.f1_LC, s1), x_RC], dim=1), active=s1)
        return logits4_R, self.refine_OS1(x_RC, active=s1)[:, 0]


class _Layers(nn.ModuleList):
    """Layers on a feature table; those that look at neighbours are told the active set."""

    def forward(self, x_RC: Tensor, *, active: ActiveSet) -> Tensor:
        """Apply one after the other; `active` is the set of the result."""
        for layer in self:
            x_RC = layer(x_RC, active=active) if isinstance(layer, InverseConv2d | SubmanifoldConv2d) else layer(x_RC)
        return x_RC

    def fold(self) -> None:
        for index in range(1, len(self)):
            before, norm = self[index - 1], self[index]
            if isinstance(norm, nn.BatchNorm1d) and isinstance(
                before, InverseConv2d | PointwiseConv2d | SubmanifoldConv2d
            ):
                before.absorb(norm)
                self[index] = nn.Identity()


class _Tables:
    """The sources as tables of one row for each place, so that a row is read in one piece."""

    def __init__(self, sources: Sources) -> None:
        self.f1_LC, self.f2_LC, self.f3_LC, self.f8_LC = (x.permute(0, 2, 3, 1).flatten(0, 2) for x in sources[:4])
        self.slots = sources.tokens_FQC.shape[1]
        self.tokens_LC = sources.tokens_FQC.flatten(0, 1)


def _places(active: ActiveSet, *, first: int, people: int) -> Tensor:
    """Rows of a frame's table under the cells of its people's maps, (R,)."""
    _, height, width = active.shape
    m, y, x = active.positions_R
    return ((m + first) // people * height + y) * width + x


def _smooth(inward: int, outward: int) -> _Layers:
    # Rectified before it is normalised; the published weights were trained so.
    return _Layers([PointwiseConv2d(inward, outward, bias=True), nn.ReLU(inplace=True), nn.BatchNorm1d(outward)])


def _logits(inward: int) -> _Layers:
    return _Layers(
        [
            SubmanifoldConv2d(inward, 32),
            nn.BatchNorm1d(32),
            nn.LeakyReLU(SLOPE, inplace=True),
            SubmanifoldConv2d(32, 1, bias=True),
        ]
    )


def _rounded(logits_R: Tensor) -> Tensor:
    """As published: added to a map of -99 and 99 taken off again, which rounds to about 4e-6."""
    return (logits_R + _OFF) - _OFF


def to_alpha(logits: Tensor) -> Tensor:
    """(tanh z + 1) / 2, in place where no gradient is asked for: these maps are the largest there are."""
    return (logits.tanh() + 1.0) / 2.0 if logits.requires_grad else logits.tanh_().add_(1.0).div_(2.0)
