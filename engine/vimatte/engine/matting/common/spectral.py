"""Convolutions whose weight is divided by an estimate of its spectral norm (Miyato et al., ICLR 2018, algorithm 1)."""

# ruff: noqa: N803 - names carry shapes: N pictures, C channels, H height, W width

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

__all__ = ["PowerSteps", "SpectralConv"]

PowerSteps = Literal["training", "always"]
"""When a call takes a power step first: only while training, or on every call, also in evaluation (MaGGIe)."""

_TINY = 1e-12


class SpectralConv(nn.Module):
    """A convolution without bias, or a transposed one; the weight used is `weight_bar` / (u . W v).

    W is `weight_bar` as a matrix of its first dimension by the rest, so for a transposed convolution the rows are the
    input channels. A power step is v = W'u / |W'u|, u = Wv / |Wv|, and changes the stored vectors in place; gradients
    flow through `weight_bar` alone. Entries: `module.weight_u`, `module.weight_v`, `module.weight_bar`.
    """

    def __init__(
        self,
        inward: int,
        outward: int,
        size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        transposed: bool = False,
        steps: PowerSteps = "training",
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.transposed, self.steps = stride, padding, transposed, steps
        self.module = _Weight(_kernel(inward, outward, size, transposed=transposed))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Convolve (n, inward, h, w)."""
        convolve = F.conv_transpose2d if self.transposed else F.conv2d
        return convolve(x_NCHW, self.weight(), None, self.stride, self.padding)

    def weight(self) -> Tensor:
        """Return the weight that a call would use now; as a call does, take a power step first where one is due."""
        # Half precision is too coarse for a sum over thousands of products that everything is divided by.
        with torch.autocast(self.module.weight_bar.device.type, enabled=False):
            if self.training or self.steps == "always":
                self.module.step()
            return self.module.weight_bar / self.module.sigma()

    def plain(self) -> nn.Conv2d | nn.ConvTranspose2d:
        """Return an ordinary convolution without bias that does now what this one does."""
        rows, columns, size, _ = self.module.weight_bar.shape
        conv = (
            nn.ConvTranspose2d(rows, columns, size, stride=self.stride, padding=self.padding, bias=False)
            if self.transposed
            else nn.Conv2d(columns, rows, size, stride=self.stride, padding=self.padding, bias=False)
        )
        with torch.no_grad():
            conv.weight = nn.Parameter(self.weight())
        return conv.train(self.training)

    def extra_repr(self) -> str:
        """Say what cannot be seen from the shapes."""
        return f"stride={self.stride}, padding={self.padding}, transposed={self.transposed}, steps={self.steps}"


class _Weight(nn.Module):
    """The raw weight and its two vectors; these are parameters, as in the checkpoints, that are not trained."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.flatten(1)
        self.weight_u = nn.Parameter(_unit(torch.randn(matrix.shape[0])), requires_grad=False)
        self.weight_v = nn.Parameter(_unit(torch.randn(matrix.shape[1])), requires_grad=False)
        self.weight_bar = nn.Parameter(weight)

    @torch.no_grad()
    def step(self) -> None:
        matrix = self.weight_bar.flatten(1)
        self.weight_v.copy_(_unit(matrix.t() @ self.weight_u))
        self.weight_u.copy_(_unit(matrix @ self.weight_v))

    def sigma(self) -> Tensor:
        # Copies, since a later call may step in place before the gradient of this one is asked for.
        u, v = self.weight_u.clone(), self.weight_v.clone()
        return u.dot(self.weight_bar.flatten(1).mv(v))


def _kernel(inward: int, outward: int, size: int, *, transposed: bool) -> Tensor:
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    return kind(inward, outward, size, bias=False).weight.detach().clone()


def _unit(x: Tensor) -> Tensor:
    unit: Tensor = x / (x.norm() + _TINY)
    return unit
