"""From the plate's colours to what networks look at, and to what lands in R, G, B."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import PyOpenColorIO as OCIO  # noqa: N814 - what everybody calls it
from numpy.typing import NDArray

from vimatte.ocio.array_ops import ArrayOps
from vimatte.ocio.colour_decision import SpaceDecision
from vimatte.ocio.config import BUILTIN_CONFIGS, OCIO_ERRORS, ConfigChoice, processor_between
from vimatte.ocio.errors import ColourError
from vimatte.ocio.transform_ops import ColourOp, LatticeOp, formulas_of, ops_of

__all__ = ["PictureOps", "PictureTransform", "WorkingTransform", "describe_ops"]

Pixels = NDArray[np.float32]
"""(h, w, 3) float32."""

_SRGB: Final = "sRGB Encoded Rec.709 (sRGB)"
_SRGB_DISPLAY: Final = "sRGB - Display"
_LINEAR_709: Final = "Linear Rec.709 (sRGB)"

_LINEAR_LIMIT: Final = 65504.0
"""Largest half float: no plate holds more light than that."""
_CODE_LIMIT: Final = 4.0
"""Encoded values beyond this are broken pixels; raising them to light would overflow."""
_HDR_WHITE: Final = 100.0 / 203.0
"""ITU-R BT.2408: diffuse white of HDR video is at 203 cd/m², while OCIO puts 1.0 at 100."""
_STRIP_ROWS: Final = 64
_FORMULA_ROWS: Final = 16
"""Rows on which formulas are worked out one after the other: they stay in the processor's cache."""
_THREADED_PIXELS: Final = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOps:
    """A picture transform as data: clean, clip to ±limit, the ops one after the other, clamp to [0, 1]."""

    ops: tuple[ColourOp, ...]
    limit: float
    """NaN becomes 0, and values are clipped to ±limit before the first op."""

    @property
    def exact(self) -> bool:
        """Whether no op is a lattice, which is only near (saturated colours are off by a lot)."""
        return not any(isinstance(op, LatticeOp) for op in self.ops)


class PictureTransform:
    """Plate pixels to the display-referred sRGB picture that networks look at.

    The transform is colorimetric, without tone mapping: scene light 0 to 1 becomes the sRGB picture of that light, more
    is clipped to white, less than nothing to black. So one shot gives one picture, whichever space it comes in, and an
    sRGB picture comes through unchanged (docs/decisions/0002-colour.md says what lost). HDR video is scaled so that its
    diffuse white is white. Data passes through, clamped.
    """

    def __init__(self, choice: ConfigChoice, space: str, *, threads: int | None = None) -> None:
        """Build the transform once; raises ColourError when the config cannot get from `space` to sRGB."""
        self._choice = choice
        self._threads = threads if threads is not None else min(4, os.cpu_count() or 1)
        self.space = choice.require(space, asked_by="The picture transform")
        self._scene_linear = choice.is_scene_linear(self.space)
        self._limit = _LINEAR_LIMIT if self._scene_linear else _CODE_LIMIT
        self._processor = None if choice.is_data(self.space) else _picture_processor(choice, self.space)
        self._change = None
        if self._processor is not None and not self._processor.isNoOp():
            self._change = _change_by(self._processor)

    def apply(self, rgb: Pixels) -> Pixels:
        """Transform (h, w, 3) float32 in `space` to a new C-contiguous (h, w, 3) float32 in [0, 1].

        NaN counts as 0, infinities as the largest value; the input is never written to.
        """
        picture = np.array(rgb, dtype=np.float32, order="C", copy=True)
        _in_strips(picture, self._strip, threads=self._threads)
        return picture

    def ops(self) -> PictureOps:
        """Describe the transform as data, for a GPU."""
        if self._change is None or self._processor is None:
            return PictureOps(ops=(), limit=self._limit)
        ops = ops_of(self._processor, config=self._choice.config, scene_linear=self._scene_linear)
        return PictureOps(ops=ops, limit=self._limit)

    def _strip(self, strip: Pixels) -> None:
        if np.isnan(strip.max(initial=0.0)):
            np.nan_to_num(strip, copy=False, nan=0.0, posinf=self._limit, neginf=-self._limit)
        np.clip(strip, -self._limit, self._limit, out=strip)
        if self._change is not None:
            self._change(strip)
        # fmax, unlike clip, turns a NaN that a config's own LUT made into 0.
        np.fmax(strip, 0.0, out=strip)
        np.fmin(strip, 1.0, out=strip)


class WorkingTransform:
    """Plate pixels to those that land in R, G, B of the layers file."""

    def __init__(
        self, choice: ConfigChoice, decision: SpaceDecision, working: str = "auto", *, threads: int | None = None
    ) -> None:
        """Choose the working space.

        'auto' leaves a scene-linear plate (and data) exactly as it is, and takes any other to the scene_linear role of
        the studio's config, or to Linear Rec.709 where no studio config was given; 'source' leaves every plate as it
        is; anything else is a space's name. Raises ColourError for an unknown name.
        """
        self._threads = threads if threads is not None else min(4, os.cpu_count() or 1)
        self.space = _working_space(choice, decision, working)
        """Canonical name of the working space."""
        processor = None if self.space == decision.space else processor_between(choice, decision.space, self.space)
        self.identity = processor is None or bool(processor.isNoOp())
        """True when the plate's values are not touched at all."""
        self._change = None if self.identity else _change_by(processor)
        # What the plate does not say of itself, the layers file does not say either.
        told = not (self.identity and decision.guessed)
        known = choice.known(self.space) if told and choice.is_scene_linear(self.space) else None
        self.chromaticities: tuple[float, ...] | None = known.chromaticities if known else None
        """Red, green, blue and white x, y for the EXR header, None where not known, not linear or only guessed."""
        self.interop_id: str | None = choice.interop_id(self.space) if told else None
        """colorInteropID for the EXR header, or None."""

    def apply(self, rgb: Pixels) -> Pixels:
        """Transform (h, w, 3) float32; nothing is clamped. The very same array comes back where `identity`."""
        if self._change is None:
            return rgb
        pixels = np.array(rgb, dtype=np.float32, order="C", copy=True)
        _in_strips(pixels, self._change, threads=self._threads)
        return pixels


def describe_ops(choice: ConfigChoice, space: str) -> PictureOps:
    """Describe the picture transform of a space as data: `PictureTransform(choice, space).ops()`."""
    return PictureTransform(choice, space).ops()


def _working_space(choice: ConfigChoice, decision: SpaceDecision, working: str) -> str:
    wanted = working.strip() or "auto"
    if wanted == "source":
        return decision.space
    if wanted != "auto":
        return choice.require(wanted, asked_by="--working-space")
    if decision.scene_linear or choice.is_data(decision.space):
        return decision.space
    role = choice.find("scene_linear")
    linear = role if choice.from_studio and role else choice.resolve(_LINEAR_709) or role
    if linear is None:
        raise ColourError(
            f"The OCIO config {choice.name} has neither a scene_linear role nor Linear Rec.709 to put the plate into; "
            "type --working-space source to leave it as it is, or name one of its spaces."
        )
    return linear


def _picture_processor(choice: ConfigChoice, space: str) -> Any:
    """From a space to display-referred sRGB, by whatever the config has; else through the built-in config."""
    encoding = choice.config.getColorSpace(space).getEncoding()
    linear = choice.resolve(_LINEAR_709)
    if encoding == "hdr-video" and linear:
        return _through_linear(choice, space, linear, gain=_HDR_WHITE)
    order = (_SRGB_DISPLAY, _SRGB) if choice.is_display(space) else (_SRGB, _SRGB_DISPLAY)
    for target in order:
        if name := choice.resolve(target):
            return processor_between(choice, space, name)
    if linear:
        return _through_linear(choice, space, linear, gain=1.0)
    return _through_builtin(choice, space)


def _through_linear(choice: ConfigChoice, space: str, linear: str, *, gain: float) -> Any:
    processor_between(choice, space, linear)  # raises the sentence
    group = OCIO.GroupTransform()
    group.appendTransform(OCIO.ColorSpaceTransform(space, linear))
    group.appendTransform(OCIO.MatrixTransform([gain, 0, 0, 0, 0, gain, 0, 0, 0, 0, gain, 0, 0, 0, 0, 1]))
    encode = OCIO.ExponentWithLinearTransform(
        [2.4, 2.4, 2.4, 1.0], [0.055, 0.055, 0.055, 0.0], OCIO.NEGATIVE_LINEAR, OCIO.TRANSFORM_DIR_INVERSE
    )
    group.appendTransform(encode)
    return choice.config.getProcessor(group)


def _through_builtin(choice: ConfigChoice, space: str) -> Any:
    for address in BUILTIN_CONFIGS:
        try:
            builtin = OCIO.Config.CreateFromFile(address)
            return OCIO.Config.GetProcessorFromConfigs(choice.config, space, builtin, _SRGB)
        except OCIO_ERRORS:
            continue
    raise ColourError(
        f"The OCIO config {choice.name} has no sRGB and no Linear Rec.709 space, and no aces_interchange role to reach "
        f"them from '{space}'; add the role, or type --ocio {BUILTIN_CONFIGS[0]}."
    )


def _change_by(processor: Any) -> Callable[[Pixels], None]:
    """Make what changes pixels in place as a processor says: by formulas where it has nothing else."""
    formulas = formulas_of(processor)
    if formulas is not None:
        work = ArrayOps(formulas)

        def change(strip: Pixels) -> None:
            for row in range(0, len(strip), _FORMULA_ROWS):
                part = strip[row : row + _FORMULA_ROWS]
                part[:] = work(part)

        return change
    # The default optimisation approximates powers and logarithms: up to 0.005 off on LogC4.
    cpu = processor.getOptimizedCPUProcessor(OCIO.BIT_DEPTH_F32, OCIO.BIT_DEPTH_F32, OCIO.OPTIMIZATION_LOSSLESS)
    return lambda strip: cpu.apply(OCIO.PackedImageDesc(strip, strip.shape[1], strip.shape[0], 3))


def _in_strips(pixels: Pixels, work: Callable[[Pixels], None], *, threads: int) -> None:
    """Work on strips of rows in place; OCIO lets go of the interpreter's lock, so threads share them out."""
    strips = [pixels[row : row + _STRIP_ROWS] for row in range(0, pixels.shape[0], _STRIP_ROWS)]
    if threads > 1 and pixels.shape[0] * pixels.shape[1] >= _THREADED_PIXELS:
        with ThreadPoolExecutor(threads, thread_name_prefix="vimatte-colour") as pool:
            for _ in pool.map(work, strips):
                pass
        return
    for strip in strips:
        work(strip)
