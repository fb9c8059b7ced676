"""What `sam2` and `edgetam` share: masks, boxes and clicks in, everybody on every frame out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from vimatte.engine.errors import ConfigError
from vimatte.engine.shot import Shot
from vimatte.engine.vis import propagate
from vimatte.engine.vis.backend import KeyMasks, Tracking, VisOptions
from vimatte.engine.vis.hub import follow as following
from vimatte.engine.vis.hub.checkpoint import Checkpoint, find_checkpoint, load_model, quiet, require_transformers
from vimatte.engine.vis.hub.follow import Person, follow
from vimatte.engine.vis.hub.people import finish
from vimatte.engine.vis.hub.pictures import Preparation, read_preparation
from vimatte.engine.vis.hub.prompts import read_pointers

__all__ = ["Promptable"]


class Promptable:
    """A people finder that follows whom it is shown; subclasses name the architecture and nothing else."""

    name: ClassVar[str]
    types: ClassVar[Mapping[str, str]]
    """Model type in config.json -> class of transformers."""

    def __init__(self) -> None:
        """Raises BackendError when transformers is not installed."""
        require_transformers(self.name)

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Parameters; the weights are in `checkpoint`."""
        return {"finder": f"{self.name} 1", **following.SETTINGS, **propagate.SETTINGS}

    def checkpoint(self, options: VisOptions) -> Checkpoint:
        """The weights these options choose. Raises BackendError saying what to type."""
        return find_checkpoint(self.name, options.weights, types=self.types)

    def track(self, shot: Shot, *, keys: KeyMasks | None, options: VisOptions) -> Tracking:
        """Follow the people of `keys` and of the boxes and clicks in `options.prompt`.

        Raises ConfigError where neither says anything about a frame of the shot.
        """
        checkpoint = self.checkpoint(options)
        people = self._people(shot, keys, options)
        architecture = self.types[checkpoint.model_type]
        model = load_model(checkpoint, architecture=architecture, device=options.device)
        side = model.config.image_size
        high, wide = (side, side) if isinstance(side, int) else side
        prepare = read_preparation(checkpoint.folder, fallback=Preparation(size={"height": high, "width": wide}))

        def session() -> Any:
            with quiet():
                import transformers

                made = getattr(transformers, architecture.replace("Model", "InferenceSession"))
            return made(
                video_height=shot.info.height,
                video_width=shot.info.width,
                inference_device=options.device,
                inference_state_device=options.device,
                video_storage_device=options.device,
                dtype=torch.float32,
            )

        found = yield from follow(shot, people, model=model, session=session, prepare=prepare, device=options.device)
        source = {"backend": self.name, **self.settings, "prompt": options.prompt, "weights": checkpoint.digest}
        return (yield from finish(shot, found=found, keys=None, label="person", source=source))

    def _people(self, shot: Shot, keys: KeyMasks | None, options: VisOptions) -> list[Person]:
        place = {number: at for at, number in enumerate(shot.frames.numbers)}
        info = shot.info
        pointed = (
            read_pointers(options.prompt, frames=shot.frames, width=info.width, height=info.height)
            if options.prompt is not None
            else {}
        )
        names = [*(keys.names if keys is not None else ()), *pointed]
        people: list[Person] = []
        for name in dict.fromkeys(names):
            known = keys.of(name) if keys is not None and name in keys.names else {}
            masks = {place[n]: m if m is not None and m.area else None for n, m in known.items() if n in place}
            both = [n for n in pointed.get(name, {}) if place[n] in masks]
            if both:
                raise ConfigError(f"On frame {both[0]} {name} has a mask and a box or click; leave one of them out.")
            people.append(
                Person(
                    name=name,
                    score=keys.scores.get(name, 1.0) if keys is not None else 1.0,
                    masks=masks,
                    pointers={place[n]: p for n, p in pointed.get(name, {}).items()},
                )
            )
        if not any(p.pointers or any(m is not None for m in p.masks.values()) for p in people):
            raise ConfigError(
                f"The people finder '{self.name}' follows whom you show it on one of the frames {shot.frames}, and "
                "nobody is shown there; add --masks DIR, or --prompt 'NAME@FRAME:X0,Y0,X1,Y1' with a box."
            )
        return people
