"""TinyViT-5M (Wu et al. 2022, arXiv:2207.10666), the image encoder of MobileSAM (Zhang et al. 2023, arXiv:2306.14289).

Legend: N batch, C channels, H and W cells of the current grid, L = H*W tokens, T tokens of one window, D numbers of one
head. Attribute names are those of the published checkpoint.
"""

# ruff: noqa: N803, N806 - names carry shapes

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from vimatte.engine.vis.mobile_sam.layers import LayerNorm2d

__all__ = ["TINY_VIT_5M", "ImageEncoder", "TinyViTConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyViTConfig:
    """Sizes of a TinyViT."""

    side: int = 1024
    """Pixels of the square picture."""
    widths: tuple[int, int, int, int] = (64, 128, 160, 320)
    """Channels of the four stages."""
    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    """Blocks of the four stages; those of the first are convolutions."""
    heads: tuple[int, int, int, int] = (2, 4, 5, 10)
    windows: tuple[int, int, int, int] = (7, 7, 14, 7)
    """Side of an attention window, in cells."""
    strides: tuple[int, int, int] = (2, 2, 1)
    """Step of the merging after each of the first three stages; MobileSAM keeps stride 16 to the end."""
    out: int = 256
    """Channels of the embedding."""


TINY_VIT_5M = TinyViTConfig()


class ImageEncoder(nn.Module):
    """Picture of side x side to an embedding of a sixteenth of that."""

    def __init__(self, config: TinyViTConfig = TINY_VIT_5M) -> None:
        super().__init__()
        c = config
        self.patch_embed = _PatchEmbed(c.widths[0])
        self.layers = nn.ModuleList()
        for at, width in enumerate(c.widths):
            blocks: list[nn.Module] = (
                [_MBConv(width) for _ in range(c.depths[at])]
                if at == 0
                else [_Block(width, heads=c.heads[at], window=c.windows[at]) for _ in range(c.depths[at])]
            )
            merge = _Merge(width, c.widths[at + 1], stride=c.strides[at]) if at < 3 else None
            self.layers.append(_Stage(blocks, merge))
        self.neck = nn.Sequential(
            nn.Conv2d(c.widths[-1], c.out, 1, bias=False),
            LayerNorm2d(c.out),
            nn.Conv2d(c.out, c.out, 3, padding=1, bias=False),
            LayerNorm2d(c.out),
        )

    def forward(self, picture_NCHW: Tensor) -> Tensor:
        """(n, 3, side, side) normalised to (n, 256, side / 16, side / 16)."""
        x_NCHW: Tensor = self.patch_embed(picture_NCHW)
        for layer in self.layers:
            x_NCHW = layer(x_NCHW)
        embedding_NCHW: Tensor = self.neck(x_NCHW)
        return embedding_NCHW


class _ConvNorm(nn.Module):
    """A convolution without bias and its batch norm."""

    def __init__(self, inward: int, outward: int, size: int = 1, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inward, outward, size, stride, size // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outward)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        out: Tensor = self.bn(self.c(x_NCHW))
        return out


class _PatchEmbed(nn.Module):
    """Two strided convolutions: a quarter of the picture's side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            _ConvNorm(3, width // 2, 3, stride=2), nn.GELU(), _ConvNorm(width // 2, width, 3, stride=2)
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        out: Tensor = self.seq(x_NCHW)
        return out


class _MBConv(nn.Module):
    """Inverted bottleneck, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _ConvNorm(width, 4 * width)
        self.conv2 = _ConvNorm(4 * width, 4 * width, 3, groups=4 * width)
        self.conv3 = _ConvNorm(4 * width, width)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        inner = F.gelu(self.conv2(F.gelu(self.conv1(x_NCHW))))
        return F.gelu(x_NCHW + self.conv3(inner))


class _Merge(nn.Module):
    """From one stage to the next: fewer cells, more channels."""

    def __init__(self, inward: int, outward: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = _ConvNorm(inward, outward)
        self.conv2 = _ConvNorm(outward, outward, 3, stride=stride, groups=outward)
        self.conv3 = _ConvNorm(outward, outward)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        out: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x_NCHW)))))
        return out


class _Stage(nn.Module):
    """Blocks, then the way to the next stage, where there is one."""

    def __init__(self, blocks: list[nn.Module], merge: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = merge

    def forward(self, x_NCHW: Tensor) -> Tensor:
        for block in self.blocks:
            x_NCHW = block(x_NCHW)
        return x_NCHW if self.downsample is None else self.downsample(x_NCHW)


class _Attention(nn.Module):
    """Attention within a window, with a learned bias for each distance of two cells (Graham et al. 2021)."""

    steps: Tensor

    def __init__(self, width: int, *, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        at = torch.arange(window)
        rows, cols = (a.reshape(-1) for a in torch.meshgrid(at, at, indexing="ij"))
        apart = (rows[:, None] - rows).abs() * window + (cols[:, None] - cols).abs()
        self.register_buffer("steps", apart, persistent=False)

    def forward(self, x_NTC: Tensor) -> Tensor:
        n, t, c = x_NTC.shape
        # A head's queries, keys and values lie side by side, head after head.
        qkv = self.qkv(self.norm(x_NTC)).view(n, t, self.heads, 3, c // self.heads)
        q, k, v = qkv.permute(3, 0, 2, 1, 4).unbind(0)
        bias_1HTT = self.attention_biases[:, self.steps][None]
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias_1HTT)
        mixed: Tensor = self.proj(out.transpose(1, 2).reshape(n, t, c))
        return mixed


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x_NLC: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x_NLC))))
        return out


class _Block(nn.Module):
    """Window attention, a depthwise convolution, then a perceptron."""

    def __init__(self, width: int, *, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = _Attention(width, heads=heads, window=window)
        self.mlp = _Mlp(width)
        self.local_conv = _ConvNorm(width, width, 3, groups=width)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        n, c, h, w = x_NCHW.shape
        side = self.window
        down, right = -h % side, -w % side
        # Windows at the edge are filled with zeros, which take part in attention: so it was trained.
        padded = F.pad(x_NCHW, (0, right, 0, down))
        high, wide = (h + down) // side, (w + right) // side
        cut = padded.view(n, c, high, side, wide, side).permute(0, 2, 4, 3, 5, 1)
        seen = self.attn(cut.reshape(n * high * wide, side * side, c))
        back = seen.view(n, high, wide, side, side, c).permute(0, 5, 1, 3, 2, 4)
        x_NCHW = x_NCHW + back.reshape(n, c, h + down, w + right)[:, :, :h, :w]
        x_NCHW = self.local_conv(x_NCHW)
        x_NLC = x_NCHW.flatten(2).transpose(1, 2)
        mixed_NLC: Tensor = x_NLC + self.mlp(x_NLC)
        return mixed_NLC.transpose(1, 2).reshape(n, c, h, w)
