"""A clip with its colour decided: the `Shot` that jobs run on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar

import numpy as np
import torch

from vimatte.engine.colour_ops import TorchPicture
from vimatte.engine.errors import DeviceError
from vimatte.engine.shot import Picture
from vimatte.ocio.clip import Clip, ClipInfo
from vimatte.ocio.colour_decision import SpaceDecision, decide_space
from vimatte.ocio.config import ConfigChoice, load_config
from vimatte.ocio.errors import ConfigError, MediaError
from vimatte.ocio.frame import Frame
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.prefetch import prefetched
from vimatte.ocio.readers import open_clip
from vimatte.ocio.transform import PictureTransform, WorkingTransform

__all__ = ["ClipShot", "open_shot"]

Missing = Literal["error", "skip"]

_CACHE_BYTES = 256 * 2**20
_KEPT = 16
"""Plates and pictures at most; more than any matting model of ours runs ahead of what it gives."""
_AHEAD = 2
_Value = TypeVar("_Value")


class ClipShot:
    """An open clip whose colour space is decided; plates untouched, pictures display-referred sRGB.

    The last few plates and pictures are kept, so neighbours are not decoded twice; treat them as read-only. Whoever
    opens closes, in `with`.
    """

    def __init__(
        self,
        clip: Clip,
        *,
        config: ConfigChoice,
        decision: SpaceDecision,
        working: WorkingTransform,
        frames: FrameRange,
        device: str = "cpu",
    ) -> None:
        """`frames` must all be readable; `device` is where pictures are transformed ('cpu' is always exact)."""
        self.config = config
        """The OCIO config, and why it is this one."""
        self.decision = decision
        """The plate's colour space, and why."""
        self.working = working
        """From the plate to R, G, B of the layers file."""
        self._clip = clip
        self._frames = frames
        self._cpu = PictureTransform(config, decision.space)
        ops = None if device == "cpu" else self._cpu.ops()
        # A lattice is only near; OCIO on the CPU is right.
        self._device_picture = TorchPicture(ops, device) if ops and ops.exact else None
        self._device = device
        self._lock = RLock()
        info = clip.info
        room = max(2, min(_KEPT, _CACHE_BYTES // (info.width * info.height * 12)))
        self._keeps_all = room == _KEPT
        self._plates: _Recent[Frame] = _Recent(room)
        self._pictures: _Recent[Picture] = _Recent(max(2, room // 2))

    def __repr__(self) -> str:
        return f"ClipShot({self.info.path.name}, frames={self._frames}, space={self.decision.space!r})"

    @property
    def info(self) -> ClipInfo:
        """What the clip is."""
        return self._clip.info

    @property
    def frames(self) -> FrameRange:
        """The frames the job asked for, all of them readable."""
        return self._frames

    def plate(self, number: int) -> Frame:
        """Read the untouched plate of one frame, in `decision.space`. Raises MediaError."""
        self._check(number)
        with self._lock:
            if (kept := self._plates.get(number)) is None:
                kept = self._named(self._clip.read(number))
                self._plates.put(number, kept)
            return kept

    def picture(self, number: int) -> Picture:
        """Read the display-referred picture of one frame. Raises MediaError."""
        self._check(number)
        with self._lock:
            if (kept := self._pictures.get(number)) is None:
                kept = self._seen(self.plate(number))
                self._pictures.put(number, kept)
            return kept

    def plates(self, numbers: Iterable[int]) -> Generator[Frame]:
        """Plates in this order, decoded ahead on threads; close the generator to end them."""
        asked = self._checked(numbers)
        return self._read_ahead(asked)

    def plates_seen(self, numbers: Iterable[int]) -> Generator[Frame]:
        """Plates in this order, to somebody who was given their pictures just now: not decoded again where kept."""
        asked = self._checked(numbers)
        return (self.plate(number) for number in asked) if self._keeps_all else self._read_ahead(asked)

    def pictures(self, numbers: Iterable[int]) -> Generator[tuple[int, Picture]]:
        """(number, picture) in this order, decoded and transformed ahead on threads; close it to end them."""
        asked = self._checked(numbers)
        return self._pictures_ahead(asked)

    def close(self) -> None:
        """Let go of the clip's files and threads."""
        self._plates.clear()
        self._pictures.clear()
        self._clip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_ahead(self, numbers: tuple[int, ...]) -> Generator[Frame, None, None]:
        with closing(self._clip.frames(numbers)) as frames:
            for frame in frames:
                named = self._named(frame)
                with self._lock:
                    self._plates.put(named.number, named)
                yield named

    def _pictures_ahead(self, numbers: tuple[int, ...]) -> Generator[tuple[int, Picture], None, None]:
        def seen(frame: Frame) -> tuple[int, Picture]:
            return frame.number, self._seen(frame)

        with (
            closing(self._read_ahead(numbers)) as plates,
            closing(prefetched(plates, seen, threads=1, ahead=_AHEAD)) as ready,
        ):
            for number, picture in ready:
                with self._lock:
                    self._pictures.put(number, picture)
                yield number, picture

    def _named(self, frame: Frame) -> Frame:
        return frame if frame.space == self.decision.space else replace(frame, space=self.decision.space)

    def _seen(self, frame: Frame) -> Picture:
        if self._device_picture is None:
            return self._cpu.apply(frame.rgb)
        try:
            # A reader may hand out read-only or strided pixels, which torch does not take.
            plate = torch.from_numpy(np.require(frame.rgb, requirements=["C", "W"]))
            picture: Picture = self._device_picture(plate).cpu().contiguous().numpy()
        except torch.OutOfMemoryError:
            raise DeviceError(
                f"{self._device} has not enough free memory for a picture of {self.info.width}x{self.info.height}; "
                "end what else runs there, or type --device cpu."
            ) from None
        return picture

    def _check(self, number: int) -> None:
        if number not in self._frames.numbers:
            raise MediaError(f"Frame {number} is not in this shot; it has {self._frames}.")

    def _checked(self, numbers: Iterable[int]) -> tuple[int, ...]:
        asked = tuple(numbers)
        there = set(self._frames.numbers)
        for number in asked:
            if number not in there:
                self._check(number)
        return asked


class _Recent(Generic[_Value]):
    """The few values used last."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[int, _Value] = OrderedDict()

    def get(self, number: int) -> _Value | None:
        if number in self._kept:
            self._kept.move_to_end(number)
        return self._kept.get(number)

    def put(self, number: int, value: _Value) -> None:
        self._kept[number] = value
        self._kept.move_to_end(number)
        while len(self._kept) > self._room:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()


def open_shot(
    path: str | Path,
    *,
    frames: FrameRange | None = None,
    start_frame: int = 1001,
    in_space: str | None = None,
    ocio: str | None = None,
    working: str = "auto",
    missing: Missing = "error",
    device: str = "cpu",
) -> ClipShot:
    """Open a clip, load the OCIO config, decide the plate's colour space and check that the frames are there.

    `frames` are the shot's own numbers, None for all; `start_frame` numbers a movie's first frame; `missing` 'skip'
    leaves frames out that a sequence lacks. `in_space`, `ocio` and `working` are described in `decide_space`,
    `load_config` and `WorkingTransform`. Raises MediaError, ColourError and ConfigError; the clip is closed then.
    """
    config = load_config(ocio)
    clip = open_clip(Path(path), start_frame=start_frame)
    try:
        chosen = _chosen(clip.info, frames, missing)
        decision = decide_space(clip.info, config, in_space=in_space)
        return ClipShot(
            clip,
            config=config,
            decision=decision,
            working=WorkingTransform(config, decision, working),
            frames=chosen,
            device=device,
        )
    except BaseException:
        clip.close()
        raise


def _chosen(info: ClipInfo, frames: FrameRange | None, missing: Missing) -> FrameRange:
    name, there = info.path.name, info.frames
    if not there.numbers:
        raise MediaError(f"{name} has no frames that can be read.")
    if frames is None:
        gaps = info.missing
        wanted = there
    else:
        if not frames.numbers:
            raise ConfigError(f"--frames names no frame at all; {name} has {there}.")
        outside = FrameRange.of(n for n in frames if not there.first <= n <= there.last)
        if outside.numbers:
            raise ConfigError(
                f"--frames {frames} asks for {outside}, which {name} does not have; it has {there}; type for instance "
                f"--frames {there.first}-{there.last}."
            )
        gaps = frames.missing_from(there)
        wanted = FrameRange.of(set(frames.numbers) - set(gaps.numbers))
    if gaps.numbers and missing == "error":
        raise MediaError(
            f"{name} lacks frames {gaps} (it has {there}); bring them, or type --missing skip to go on without them."
        )
    if not wanted.numbers:
        raise MediaError(f"{name} has none of the frames {frames}; it has {there}.")
    return wanted
