"""What training of the networks that ship begins with: an encoder that knows ImageNet."""

from __future__ import annotations

import torch
from torch import Tensor

from vimatte.engine.lite.encoder import imagenet
from vimatte.engine.weights import locate

__all__ = ["START", "imagenet_start"]

START = "imagenet"
"""What `--start` calls it."""
_SET = "mobilenet_v2"


def imagenet_start() -> dict[str, Tensor]:
    """Give the weights of `encoder` from torchvision's file in the cache. Raises BackendError with what to type."""
    (path,) = locate(_SET).values()
    published = torch.load(path, map_location="cpu", weights_only=True)
    return {f"encoder.{key}": value for key, value in imagenet(published).items()}
