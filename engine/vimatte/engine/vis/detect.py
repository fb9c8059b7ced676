"""The `detect` people finder: any per-frame instance segmenter of transformers, and our own tracker over the shot.

Every other frame is segmented on its own; who is who is decided over the whole shot (`vis.identity`), and frames in
between are filled in by `vis.propagate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from vimatte.engine.events import Progress
from vimatte.engine.masks import BoolMask, Rle
from vimatte.engine.shot import Shot
from vimatte.engine.vis import identity, propagate
from vimatte.engine.vis.backend import KeyMasks, Tracking, VisOptions
from vimatte.engine.vis.flow import working_size
from vimatte.engine.vis.hub.checkpoint import (
    Checkpoint,
    class_number,
    find_checkpoint,
    load_model,
    on_device,
    require_transformers,
)
from vimatte.engine.vis.hub.people import Found, apart, finish, in_order, lasting
from vimatte.engine.vis.hub.pictures import Preparation, read_preparation
from vimatte.engine.vis.identity import Detection, Identity, IdentityOptions, IdentityTracker
from vimatte.engine.vis.propagation.frames import working_copy

__all__ = ["Detect"]

_SETTINGS: Mapping[str, str | int | float] = {
    "finder": "detect 1",
    "detect_every": 2,
    "score": 0.4,
    "score_best": 0.6,
    "same_iou": 0.7,
    "absent_after": 12,
    "long_side": 960,
}
_TYPES = {
    "eomt": "EomtForUniversalSegmentation",
    "eomt_dinov3": "EomtDinov3ForUniversalSegmentation",
    "mask2former": "Mask2FormerForUniversalSegmentation",
    "rf_detr": "RfDetrForInstanceSegmentation",
}


@dataclass(frozen=True, slots=True)
class _Seen:
    """Somebody on one frame."""

    mask: BoolMask
    """At the shot's size."""
    score: float


class Detect:
    """Segments people on single frames with a checkpoint of transformers and follows them with our own tracker."""

    name: ClassVar[str] = "detect"

    def __init__(self) -> None:
        """Raises BackendError when transformers is not installed."""
        require_transformers(self.name)

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Parameters; the weights are in `checkpoint`."""
        return {**_SETTINGS, **identity.SETTINGS, **propagate.SETTINGS}

    def checkpoint(self, options: VisOptions) -> Checkpoint:
        """The weights these options choose. Raises BackendError saying what to type."""
        return find_checkpoint(self.name, options.weights, types=_TYPES)

    def track(self, shot: Shot, *, keys: KeyMasks | None, options: VisOptions) -> Tracking:
        """Find and follow everybody; `options.prompt` names another class than 'person'; the artist's masks win."""
        checkpoint = self.checkpoint(options)
        label = options.prompt or "person"
        wanted = class_number(checkpoint, label)
        model = load_model(checkpoint, architecture=_TYPES[checkpoint.model_type], device=options.device)
        prepare = read_preparation(checkpoint.folder, fallback=_fallback(checkpoint.model_type, model.config))
        numbers = shot.frames.numbers
        every = max(1, options.detect_every or int(_SETTINGS["detect_every"]))
        width, height = working_size(shot.info.width, shot.info.height, long_side=int(_SETTINGS["long_side"]))
        tracker = IdentityTracker(IdentityOptions(every=every, min_duration=options.min_duration, fill=0))
        pictures = shot.pictures(numbers)
        try:
            for at, (_, picture) in enumerate(pictures):
                image = working_copy(picture, width, height)
                seen: list[_Seen] = []
                if at % every == 0 or at == len(numbers) - 1:
                    prepared = prepare(picture)
                    with on_device(options.device):
                        out = model(pixel_values=prepared.values[None].to(options.device))
                        logits, scores = _instances(out, wanted)
                        soft = prepare.back(logits, prepared=prepared, height=shot.info.height, width=shot.info.width)
                    seen = [_Seen(m, s) for m, s in zip(apart(soft), scores, strict=True) if m.any()]
                tracker.add(image, [Detection(Rle.encode(one.mask), one.score) for one in seen])
                yield Progress(phase="find", done=at + 1, total=len(numbers), detail=f"{len(seen)} found")
        finally:
            pictures.close()
        found = [_found(one, numbers) for one in tracker.people()]
        sure = [one for one in found if one.score >= float(_SETTINGS["score_best"])]
        lasted = in_order(lasting(sure, shot=shot, options=options), shot=shot)
        source = {
            **self.settings,
            "backend": self.name,
            "detect_every": every,
            "prompt": label,
            "weights": checkpoint.digest,
        }
        return (yield from finish(shot, found=lasted, keys=keys, label=label, source=source))


def _fallback(model_type: str, config: Any) -> Preparation:
    """What the architecture's own processor does where no file lies beside the weights."""
    if model_type == "mask2former":
        return Preparation(size={"shortest_edge": 800, "longest_edge": 1333}, divisor=32)
    size = config.backbone_config.image_size if model_type == "rf_detr" else config.image_size
    high, wide = (size, size) if isinstance(size, int) else size
    if model_type == "rf_detr":
        return Preparation(size={"height": high, "width": wide}, antialias=False)
    return Preparation(size={"shortest_edge": high, "longest_edge": wide}, pad=(high, wide))


def _instances(out: Any, wanted: int) -> tuple[torch.Tensor, list[float]]:
    """Mask logits (n, mh, mw) and scores of everybody of a class on one frame, each once, the surest first."""
    if hasattr(out, "class_queries_logits"):
        logits_qhw = out.masks_queries_logits[0].float()
        chances_qc = out.class_queries_logits[0].float().softmax(dim=-1)[..., :-1]
        inside = logits_qhw > 0
        total = (logits_qhw.sigmoid() * inside).sum(dim=(-2, -1))
        weight_q = total / inside.sum(dim=(-2, -1)).clamp(min=1)
    else:
        logits_qhw = out.pred_masks[0].float()
        chances_qc = out.logits[0].float().sigmoid()
        weight_q = torch.ones_like(chances_qc[:, 0])
    score_q = torch.where(chances_qc.argmax(-1) == wanted, chances_qc[:, wanted] * weight_q, 0.0).tolist()
    kept: list[int] = []
    for one in sorted(range(len(score_q)), key=lambda q: (-score_q[q], q)):
        if score_q[one] < float(_SETTINGS["score"]):
            break
        mine = logits_qhw[one] > 0
        overlaps = [
            int((mine & (logits_qhw[o] > 0)).sum()) / max(int((mine | (logits_qhw[o] > 0)).sum()), 1) for o in kept
        ]
        if bool(mine.any()) and max(overlaps, default=0.0) <= float(_SETTINGS["same_iou"]):
            kept.append(one)
    return logits_qhw[kept], [score_q[q] for q in kept]


def _found(one: Identity, numbers: Sequence[int]) -> Found:
    """Masks where seen; away on frames far from any on which they were seen; the rest is to be filled in."""
    far = int(_SETTINGS["absent_after"])
    away = {numbers[at]: None for at in range(len(numbers)) if min(abs(at - s) for s in one.masks) > far}
    return Found({**away, **{numbers[at]: mask for at, mask in one.masks.items()}}, one.score)
