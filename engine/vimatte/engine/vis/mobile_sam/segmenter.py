"""From prompts in a picture's own pixels to a soft mask of the picture's own size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.errors import ConfigError
from vimatte.engine.shot import Picture
from vimatte.engine.vis.mobile_sam.state_dict import MobileSam, load_mobile_sam
from vimatte.engine.weights import locate, weight_set

__all__ = ["Embedding", "Point", "Segmenter"]

Point = tuple[float, float, bool]
"""x and y in pixels of the picture (0, 0 is the middle of the upper left one), and whether that is the person."""
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the picture, half open."""

_MEAN = (0.485, 0.456, 0.406)
_SPREAD = (0.229, 0.224, 0.225)
"""Of ImageNet's pictures, display-referred (SAM's preprocessing)."""
_SUREST = 8.0
"""Logit given to a prior that is 0 or 1: what the decoder itself says of sure pixels."""

_NEAR = 0.1
"""How much less than the best a reading of a lone click may be expected to score (IoU with people 0.39 -> 0.92)."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A picture as the decoder sees it; made once for any number of prompts."""

    values: Tensor
    """(1, 256, 64, 64)."""
    height: int
    width: int
    """Of the picture."""


class Segmenter:
    """MobileSAM on a device. Make it with `open`."""

    def __init__(self, network: MobileSam, *, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._network = network.eval().to(self._device)
        self._side = network.config.side

    @classmethod
    def open(cls, *, device: str = "cpu") -> Self:
        """Load the fetched weights. Raises BackendError with the command that fetches them."""
        return cls(load_mobile_sam(locate("mobile_sam")["mobile_sam.pt"]), device=device)

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """What changes a mask."""
        return {"mobile_sam": weight_set("mobile_sam").files[0].sha256[:12], "mobile_sam_version": 1}

    @torch.inference_mode()
    def look(self, picture: Picture) -> Embedding:
        """Encode a picture: (h, w, 3) float32, display-referred sRGB in 0..1. The slow part; seconds on a CPU."""
        height, width = picture.shape[:2]
        high, wide = self._fitted(height, width)
        values = torch.from_numpy(np.ascontiguousarray(picture, dtype=np.float32)).to(self._device)
        small = F.interpolate(
            values.permute(2, 0, 1)[None], (high, wide), mode="bilinear", align_corners=False, antialias=True
        )
        mean, spread = (small.new_tensor(v)[:, None, None] for v in (_MEAN, _SPREAD))
        padded = F.pad((small - mean) / spread, (0, self._side - wide, 0, self._side - high))
        return Embedding(self._network.image_encoder(padded), height, width)

    @torch.inference_mode()
    def mask(
        self,
        embedding: Embedding,
        *,
        points: Sequence[Point] = (),
        box: Box | None = None,
        prior: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.float32], float]:
        """Soft mask (h, w) float32 in 0..1 and the IoU that the network expects of it, 0..1.

        `prior` is a rough soft mask (h, w) in 0..1. A lone click is ambiguous (a sleeve, a shirt, a person): of the
        three readings the largest is taken whose expected IoU is near the best. Raises ConfigError without any prompt,
        or for a prompt outside the picture.
        """
        _check(embedding, points, box, prior)
        high, wide = self._fitted(embedding.height, embedding.width)
        scale_x, scale_y = wide / embedding.width, high / embedding.height
        at = [((x + 0.5) * scale_x - 0.5, (y + 0.5) * scale_y - 0.5) for x, y, _ in points]
        tokens, dense = self._network.prompt_encoder(
            points_NP2=torch.tensor([at], dtype=torch.float32, device=self._device).reshape(1, -1, 2),
            kinds_NP=torch.tensor([[int(yes) for *_, yes in points]], device=self._device).reshape(1, -1),
            box_N4=None
            if box is None
            else torch.tensor([[box[0] * scale_x, box[1] * scale_y, box[2] * scale_x, box[3] * scale_y]]).to(
                self._device, torch.float32
            ),
            mask_N1HW=None if prior is None else self._logits(prior, high, wide),
        )
        logits, expected = self._network.mask_decoder(
            embedding_NCHW=embedding.values,
            places_1CHW=self._network.prompt_encoder.places(),
            tokens_NPC=tokens,
            dense_NCHW=dense,
        )
        alone = len(points) == 1 and box is None and prior is None
        pick = _largest_good(logits[0], expected[0]) if alone else 0
        large = F.interpolate(logits[:, pick : pick + 1], (self._side, self._side), mode="bilinear")
        own = F.interpolate(large[:, :, :high, :wide], (embedding.height, embedding.width), mode="bilinear")
        soft: NDArray[np.float32] = own.sigmoid()[0, 0].float().cpu().numpy()
        return soft, float(expected[0, pick].clamp(0, 1))

    def _fitted(self, height: int, width: int) -> tuple[int, int]:
        scale = self._side / max(height, width)
        return int(height * scale + 0.5), int(width * scale + 0.5)

    def _logits(self, prior: NDArray[np.float32], high: int, wide: int) -> Tensor:
        cells = self._side // 4
        small = cv2.resize(prior, (max(1, round(wide / 4)), max(1, round(high / 4))), interpolation=cv2.INTER_AREA)
        least = 1.0 / (1.0 + np.exp(_SUREST))
        full = np.full((cells, cells), least, np.float32)
        full[: small.shape[0], : small.shape[1]] = np.clip(small, least, 1 - least)
        return torch.from_numpy(np.log(full / (1 - full))).to(self._device)[None, None]


def _largest_good(logits: Tensor, expected: Tensor) -> int:
    """Which of the masks 1 to 3: a click on a shirt means its wearer, though the shirt alone scores a little better."""
    good = expected >= expected[1:].max() - _NEAR
    areas = [int((logits[at] > 0).sum()) if good[at] else -1 for at in (1, 2, 3)]
    return 1 + areas.index(max(areas))


def _check(embedding: Embedding, points: Sequence[Point], box: Box | None, prior: NDArray[np.float32] | None) -> None:
    height, width = embedding.height, embedding.width
    if not points and box is None and prior is None:
        raise ConfigError("A mask needs a prompt: give a click on the person, a box, or a rough mask.")
    for x, y, _ in points:
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise ConfigError(f"The click {x:g},{y:g} is outside the picture, which is {width}x{height}.")
    if box is not None and not (box[0] < box[2] and box[1] < box[3]):
        raise ConfigError(
            f"The box {','.join(f'{v:g}' for v in box)} is empty; give X0,Y0,X1,Y1 with X0 < X1, Y0 < Y1."
        )
    if box is not None and (box[2] <= 0 or box[3] <= 0 or box[0] >= width or box[1] >= height):
        raise ConfigError(
            f"The box {','.join(f'{v:g}' for v in box)} is outside the picture, which is {width}x{height}."
        )
    if prior is not None and prior.shape != (height, width):
        raise ConfigError(f"The rough mask is {prior.shape[1]}x{prior.shape[0]}, the picture is {width}x{height}.")
