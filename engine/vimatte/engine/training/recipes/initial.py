"""Weights to begin with where no trained ones are given."""

from __future__ import annotations

from torch import nn

from vimatte.engine.matting.common.spectral import SpectralConv

__all__ = ["xavier"]


def xavier(network: nn.Module) -> None:
    """Draw all convolutions but transposed ones anew by Glorot and Bengio's scale, as the released networks do.

    They leave the encoder's side branches and the ASPP with torch's own scale, begin the trunk with weights trained on
    ImageNet, set the last gain of each residual block to 0 and the first convolution's weights of the masks, too. With
    random weights the last two would hide guidance and depth from the first steps, so they are left out here.
    """
    for module in network.modules():
        if isinstance(module, SpectralConv) and not module.transposed:
            nn.init.xavier_uniform_(module.module.weight_bar)
        elif isinstance(module, nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
