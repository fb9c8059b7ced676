"""The `videomt` people finder: VidEoMT finds and follows people in one network, window by window.

VidEoMT (Norouzi et al., "Your ViT is Secretly Also a Video Segmentation Model", 2026) hands its queries on from frame
to frame within a window: a query is one instance. Windows overlap and are stitched by what they share.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from vimatte.engine.events import Progress
from vimatte.engine.masks import Rle
from vimatte.engine.shot import Shot
from vimatte.engine.vis import propagate
from vimatte.engine.vis.backend import KeyMasks, Tracking, VisOptions
from vimatte.engine.vis.hub.checkpoint import (
    Checkpoint,
    class_number,
    find_checkpoint,
    load_model,
    on_device,
    require_transformers,
)
from vimatte.engine.vis.hub.people import Found, apart, finish, in_order, lasting
from vimatte.engine.vis.hub.pictures import Preparation, Prepared, read_preparation
from vimatte.engine.vis.hub.stitch import Piece, Stitcher, spans

__all__ = ["Videomt"]

_SETTINGS: Mapping[str, str | int | float] = {
    "finder": "videomt 1",
    "window": 16,
    "overlap": 4,
    "score": 0.5,
    "score_again": 0.25,
    "stitch_iou": 0.3,
    "same_iou": 0.7,
}
_TYPES = {"videomt": "VideomtForUniversalSegmentation"}


class Videomt:
    """Finds and follows people with a VidEoMT checkpoint of transformers."""

    name: ClassVar[str] = "videomt"

    def __init__(self) -> None:
        """Raises BackendError when transformers is not installed."""
        require_transformers(self.name)

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Parameters; the weights are in `checkpoint`."""
        return {**_SETTINGS, **propagate.SETTINGS}

    def checkpoint(self, options: VisOptions) -> Checkpoint:
        """The weights these options choose. Raises BackendError saying what to type."""
        return find_checkpoint(self.name, options.weights, types=_TYPES)

    def track(self, shot: Shot, *, keys: KeyMasks | None, options: VisOptions) -> Tracking:
        """Find and follow everybody; `options.prompt` names another class than 'person'; the artist's masks win."""
        checkpoint = self.checkpoint(options)
        label = options.prompt or "person"
        wanted = class_number(checkpoint, label)
        model = load_model(checkpoint, architecture=_TYPES[checkpoint.model_type], device=options.device)
        side = model.config.image_size
        high, wide = (side, side) if isinstance(side, int) else side
        prepare = read_preparation(checkpoint.folder, fallback=Preparation(size={"height": high, "width": wide}))
        numbers = shot.frames.numbers
        stitcher = Stitcher(least=float(_SETTINGS["stitch_iou"]))
        held: deque[tuple[int, Prepared]] = deque()
        pictures = shot.pictures(numbers)
        yield Progress(phase="find", done=0, total=len(numbers))
        try:
            for start, end in spans(len(numbers), length=int(_SETTINGS["window"]), overlap=int(_SETTINGS["overlap"])):
                window = numbers[start:end]
                while held and held[0][0] not in window:
                    held.popleft()
                shared = [n for n, _ in held]
                while not held or held[-1][0] != window[-1]:
                    number, picture = next(pictures)
                    held.append((number, prepare(picture)))
                pieces = self._look(model, prepare, list(held), wanted, shot, options.device)
                stitcher.add(pieces, shared=shared)
                yield Progress(phase="find", done=end, total=len(numbers), detail=f"{len(pieces)} people")
        finally:
            pictures.close()
        found = [Found({n: masks.get(n) for n in numbers}, score) for masks, score in stitcher.people()]
        kept = in_order(lasting(found, shot=shot, options=options), shot=shot)
        source = {"backend": self.name, **self.settings, "prompt": label, "weights": checkpoint.digest}
        return (yield from finish(shot, found=kept, keys=keys, label=label, source=source))

    def _look(
        self,
        model: Any,
        prepare: Preparation,
        window: Sequence[tuple[int, Prepared]],
        wanted: int,
        shot: Shot,
        device: str,
    ) -> list[Piece]:
        """Run one window; everybody in it with masks that do not overlap."""
        with on_device(device):
            values = torch.stack([p.values for _, p in window])[None].to(device)
            out = model(pixel_values_videos=values)
            masks_tqhw = out.masks_queries_logits.float()
            classes_tq = out.class_queries_logits.float().softmax(dim=-1)[..., :-1]
            chance_tq = torch.where(classes_tq.argmax(-1) == wanted, classes_tq[..., wanted], 0.0)
            scores_tq = chance_tq * _sharpness(masks_tqhw)
            queries = torch.nonzero(scores_tq.amax(dim=0) >= float(_SETTINGS["score"])).flatten().tolist()
            queries = _each_once(queries, masks_tqhw, scores_tq)
            scores = scores_tq[:, queries].cpu().numpy()
            by_query: list[dict[int, Rle]] = [{} for _ in queries]
            for t, (number, prepared) in enumerate(window):
                there = [k for k in range(len(queries)) if scores[t, k] >= float(_SETTINGS["score_again"])]
                if not there:
                    continue
                logits = masks_tqhw[t, [queries[k] for k in there]]
                soft = prepare.back(logits, prepared=prepared, height=shot.info.height, width=shot.info.width)
                for k, mask in zip(there, apart(soft), strict=True):
                    if mask.any():
                        by_query[k][number] = Rle.encode(mask)
        return [
            Piece(masks, float(np.mean([scores[t, k] for t, (n, _) in enumerate(window) if n in masks])))
            for k, masks in enumerate(by_query)
            if masks
        ]


def _sharpness(masks_tqhw: torch.Tensor) -> torch.Tensor:
    """(T, Q) mean probability within each mask: how sure the network is of its pixels; 0 for an empty mask."""
    sharp: list[torch.Tensor] = []
    for masks_qhw in masks_tqhw:  # frame by frame: a window's masks at once would need another gigabyte
        inside = masks_qhw > 0
        total = (masks_qhw.sigmoid() * inside).sum(dim=(-2, -1))
        sharp.append(total / inside.sum(dim=(-2, -1)).clamp(min=1))
    return torch.stack(sharp)


def _each_once(queries: Sequence[int], masks_tqhw: torch.Tensor, scores_tq: torch.Tensor) -> list[int]:
    """Without queries that show somebody whom a surer query shows, in order of query."""
    mean = scores_tq.mean(dim=0)
    kept: list[int] = []
    for one in sorted(queries, key=lambda q: (-float(mean[q]), q)):
        mine = masks_tqhw[:, one] > 0
        for other in kept:
            theirs = masks_tqhw[:, other] > 0
            both = int((mine & theirs).sum())
            if both > float(_SETTINGS["same_iou"]) * max(int((mine | theirs).sum()), 1):
                break
        else:
            kept.append(one)
    return sorted(kept)
