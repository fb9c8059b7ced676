"""The `masks` backend: masks an artist already has, carried through the whole shot."""

from __future__ import annotations

from collections.abc import Mapping

import cv2

from vimatte.engine.errors import ConfigError
from vimatte.engine.masks import Rle
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import Instance, TrackSet
from vimatte.engine.vis.backend import KeyMasks, Tracking, VisOptions
from vimatte.engine.vis.propagate import SETTINGS, propagate, settings

__all__ = ["MasksBackend"]


class MasksBackend:
    """Follows the people of given masks; where every frame has masks they are used as they are."""

    name = "masks"

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Version of the propagation and its parameters."""
        return {**SETTINGS, "opencv": str(cv2.__version__)}

    def track(self, shot: Shot, *, keys: KeyMasks | None, options: VisOptions) -> Tracking:
        """Carry `keys` through `shot.frames`. Raises ConfigError without masks, or for masks of another size."""
        if keys is None or not keys.masks or not keys.names:
            raise ConfigError(
                "The people finder 'masks' follows masks you give it, and none were given; "
                "add --masks DIR, or let --people find them."
            )
        inside = [f for f in keys.frames if f in shot.frames.numbers]
        if not inside:
            raise ConfigError(
                f"No mask is on a frame of this job: the masks are on {_few(keys.frames)}, the frames are "
                f"{shot.frames}; mask one of these, or change --frames."
            )
        unknown = sorted({n for f in keys.frames for n in keys.masks[f]} - set(keys.names))
        if unknown:
            raise ConfigError(
                f"There are masks of {', '.join(unknown)}, who is not among the people ({', '.join(keys.names)})."
            )
        anchors = {
            number: {f: _present(rle) for f, rle in keys.of(name).items() if f in inside}
            for number, name in enumerate(keys.names, 1)
        }
        masks = yield from propagate(shot, anchors=anchors, carrier=options.propagation, device=options.device)
        return TrackSet(
            width=shot.info.width,
            height=shot.info.height,
            frames=shot.frames.numbers,
            instances=tuple(
                Instance(id=number, name=name, score=keys.scores.get(name, 1.0))
                for number, name in enumerate(keys.names, 1)
            ),
            masks=masks,
            keys={number: tuple(f for f, rle in by.items() if rle is not None) for number, by in anchors.items()},
            source={"backend": self.name, **self.settings, **settings(options.propagation, device=options.device)},
        )


def _present(rle: Rle | None) -> Rle | None:
    return rle if rle is not None and rle.area else None


def _few(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(str(n) for n in numbers[:5])
    return shown if len(numbers) <= 5 else f"{shown} and {len(numbers) - 5} more"
