"""MobileSAM as one module whose names are those of the published checkpoint, and the loading of that file."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vimatte.engine.errors import BackendError
from vimatte.engine.vis.mobile_sam.image_encoder import TINY_VIT_5M, ImageEncoder, TinyViTConfig
from vimatte.engine.vis.mobile_sam.mask_decoder import MaskDecoder
from vimatte.engine.vis.mobile_sam.prompt_encoder import PromptEncoder

__all__ = ["MobileSam", "load_mobile_sam"]

_UNUSED = ("image_encoder.norm_head.", "image_encoder.head.")
"""The classifier TinyViT was first trained with; SAM never runs it."""


class MobileSam(nn.Module):
    """The three parts."""

    def __init__(self, config: TinyViTConfig = TINY_VIT_5M, *, inner: int = 2048) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ImageEncoder(config)
        self.prompt_encoder = PromptEncoder(channels=config.out, cells=config.side // 16, side=config.side)
        self.mask_decoder = MaskDecoder(channels=config.out, inner=inner)


def load_mobile_sam(path: Path) -> MobileSam:
    """Read the published `mobile_sam.pt`; every name and shape must fit. Raises BackendError."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise BackendError(f"{path} cannot be read as weights; type: vimatte weights pull mobile_sam") from error
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()):
        raise BackendError(f"{path} does not hold MobileSAM's weights; type: vimatte weights pull mobile_sam")
    network = MobileSam()
    try:
        network.load_state_dict({k: v for k, v in found.items() if not k.startswith(_UNUSED)}, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise BackendError(f"{path} is not MobileSAM ({reason}); type: vimatte weights pull mobile_sam") from error
    return network.eval()
