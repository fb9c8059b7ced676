"""People given by masks, boxes and clicks, followed both ways by a network with a memory (SAM 2 and its kin).

Ravi et al., "SAM 2: Segment Anything in Images and Videos" (2024): a prompted frame goes into a person's memory, and
every frame is segmented by attending to the prompted frames and the last few. Each person has a session of their own;
all sessions share the picture's features. A sweep forwards fills what comes after a person's first prompt, a sweep
backwards what comes before it. Memory holds the prompted frames and the last few, however long the shot is.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from vimatte.engine.events import Progress
from vimatte.engine.masks import Rle
from vimatte.engine.shot import Shot
from vimatte.engine.vis.hub.checkpoint import on_device
from vimatte.engine.vis.hub.people import Found, apart
from vimatte.engine.vis.hub.pictures import Preparation, Prepared
from vimatte.engine.vis.hub.prompts import Pointers
from vimatte.engine.vis.hub.streamed import Streamed

__all__ = ["SETTINGS", "Person", "follow"]

SETTINGS: Mapping[str, str | int | float] = {"most_prompts": 16, "prompts_seen": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody to follow."""

    name: str
    score: float = 1.0
    masks: Mapping[int, Rle | None] = field(default_factory=dict)
    """Place of a frame in the shot -> known mask at the shot's size, None for known to be away."""
    pointers: Mapping[int, Pointers] = field(default_factory=dict)
    """Place -> box and clicks."""

    def prompted(self, count: int) -> list[int]:
        """Places that go into the memory: those beside a frame that is not known, at most `most_prompts`, spread."""
        known = set(self.masks)
        useful = [
            at
            for at, mask in sorted(self.masks.items())
            if mask is not None and mask.area and any(0 <= n < count and n not in known for n in (at - 1, at + 1))
        ]
        places = sorted({*useful, *self.pointers})
        most = int(SETTINGS["most_prompts"])
        if len(places) > most:
            places = [places[round(i * (len(places) - 1) / (most - 1))] for i in range(most)]
        return places


class _Follower:
    """One person's session."""

    def __init__(self, model: Any, session: Any, person: Person, prepare: Preparation, device: str) -> None:
        self.person = person
        self._model, self._session, self._prepare, self._device = model, session, prepare, device
        self._session.obj_id_to_idx(1)
        config = model.config
        self._reach = max(int(config.num_maskmem), int(config.max_object_pointers_in_encoder)) + 1

    def prompt(self, at: int, values: torch.Tensor, width: int, height: int) -> torch.Tensor:
        """Take in a prompted frame; logits (1, mh, mw)."""
        high, wide = (int(s) for s in values.shape[-2:])
        pointers = self.person.pointers.get(at)
        if pointers is not None:
            scale = torch.tensor((wide / width, high / height))
            points = torch.tensor(pointers.points, dtype=torch.float32) * scale
            labels = torch.tensor(pointers.labels, dtype=torch.int32)
            self._session.add_point_inputs(
                0, at, {"point_coords": points[None, None], "point_labels": labels[None, None]}
            )
        else:
            mask = self.person.masks[at]
            if mask is None:
                raise AssertionError("only frames with a mask are prompted")
            soft = torch.from_numpy(mask.decode().astype(np.float32))[None, None]
            small = torch.nn.functional.interpolate(
                soft, size=(high, wide), mode="bilinear", align_corners=False, antialias=True
            )
            # Somebody tiny must not vanish from their own prompt.
            small = (small >= min(0.5, 0.5 * float(small.max()))).float()
            self._session.add_mask_inputs(0, at, small)
        self._session.obj_with_new_inputs = [1]
        return self._run(at, values, reverse=False)

    def step(self, at: int, values: torch.Tensor, *, reverse: bool) -> torch.Tensor:
        """Follow onto the next frame; logits (1, mh, mw)."""
        logits = self._run(at, values, reverse=reverse)
        kept = self._session.output_dict_per_obj[0]["non_cond_frame_outputs"]
        for place in [p for p in kept if abs(p - at) > self._reach]:
            del kept[place]
        return logits

    def _run(self, at: int, values: torch.Tensor, *, reverse: bool) -> torch.Tensor:
        self._session.add_new_frame(values, at)
        out = self._model(self._session, frame_idx=at, reverse=reverse)
        self._session.processed_frames.pop(at, None)
        for stored in self._session.output_dict_per_obj[0].values():
            if at in stored:
                stored[at].pop("high_res_masks", None)
        logits: torch.Tensor = out.pred_masks[:, 0].float()
        return logits


def follow(
    shot: Shot, people: Sequence[Person], *, model: Any, session: Any, prepare: Preparation, device: str
) -> Generator[Progress, None, list[Found]]:
    """Everybody's masks on every frame of `shot`. `session()` makes an empty session; `model` is its network."""
    numbers = shot.frames.numbers
    width, height = shot.info.width, shot.info.height
    followers: list[_Follower] = []
    prompts: dict[int, list[_Follower]] = {}
    first: dict[int, int] = {}
    cache = None
    if int(getattr(model.config, "max_cond_frame_num", -1)) == -1:
        model.config.max_cond_frame_num = int(SETTINGS["prompts_seen"])
    for k, person in enumerate(people):
        own = session()
        own.processed_frames = Streamed(len(numbers))
        cache = cache or own.cache
        own.cache = cache
        followers.append(_Follower(model, own, person, prepare, device))
        shown = person.prompted(len(numbers))
        first[k] = min(shown, default=len(numbers))
        for at in shown:
            prompts.setdefault(at, []).append(followers[k])
    masks: list[dict[int, Rle | None]] = [{numbers[at]: m for at, m in p.masks.items()} for p in people]
    everybody = list(enumerate(people))
    places = range(len(numbers))
    ahead = [at for at in places if any(first[k] <= at and at not in p.masks for k, p in everybody)]
    back = [
        at for at in reversed(places) if any(at < first[k] < len(numbers) and at not in p.masks for k, p in everybody)
    ]
    total = len(prompts) + len(ahead) + len(back)
    done = 0

    def put(at: int, prepared: Prepared, who: list[int], logits: list[torch.Tensor]) -> None:
        taken = np.zeros((height, width), bool)
        for k, known in enumerate(masks):
            if k not in who and (rle := known.get(numbers[at])) is not None:
                taken |= rle.decode()
        soft = prepare.back(torch.cat(logits), prepared=prepared, height=height, width=width)
        for k, mask in zip(who, apart(soft), strict=True):
            mask &= ~taken
            masks[k][numbers[at]] = Rle.encode(mask) if mask.any() else None

    for at, values, prepared in _pictures(shot, sorted(prompts), prepare, device):
        with on_device(device):
            results = [(followers.index(f), f.prompt(at, values, width, height)) for f in prompts[at]]
        wanted = [(k, logits) for k, logits in results if at not in people[k].masks]
        if wanted:
            put(at, prepared, [k for k, _ in wanted], [logits for _, logits in wanted])
        done += 1
        yield Progress(phase="propagate", done=done, total=total)
    for route, reverse in ((ahead, False), (back, True)):
        for at, values, prepared in _pictures(shot, route, prepare, device):
            who = [
                k
                for k, person in enumerate(people)
                if (at < first[k] < len(numbers) if reverse else first[k] <= at)
                and at not in person.masks
                and not any(f is followers[k] for f in prompts.get(at, []))
            ]
            with on_device(device):
                logits = [followers[k].step(at, values, reverse=reverse) for k in who]
            if who:
                put(at, prepared, who, logits)
            done += 1
            yield Progress(phase="propagate", done=done, total=total)
    return [
        Found(
            masks=dict(sorted(masks[k].items())),
            score=person.score,
            name=person.name,
            given=tuple(numbers[at] for at in sorted({*person.masks, *person.pointers})),
        )
        for k, person in enumerate(people)
    ]


def _pictures(
    shot: Shot, places: Sequence[int], prepare: Preparation, device: str
) -> Generator[tuple[int, torch.Tensor, Prepared], None, None]:
    """(place, values (3, h, w) on the device, prepared) in this order."""
    numbers = shot.frames.numbers
    stream = shot.pictures([numbers[at] for at in places])
    try:
        for at, (_, picture) in zip(places, stream, strict=True):
            prepared = prepare(picture)
            yield at, prepared.values.to(device), prepared
    finally:
        stream.close()
