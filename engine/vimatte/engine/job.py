"""A job: everything one run of the main job needs to know, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

from vimatte.engine.errors import ConfigError
from vimatte.engine.vis.backend import MIN_AREA, MIN_DURATION, VisOptions
from vimatte.engine.vis.carriers import CARRIER, CARRIERS, Carrier
from vimatte.engine.vis.choose import choose_finder
from vimatte.ocio.compressions import COMPRESSIONS
from vimatte.ocio.layer_name import layer_name_rule, safe_name

__all__ = ["PROXIES", "Depth", "Layers", "MatteJob", "Missing"]

Depth = Literal["half", "float"]
Layers = Literal["alpha", "rgba"]
Missing = Literal["error", "skip"]

PROXIES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteJob:
    """One shot to be turned into layers. Paths may be relative to the working folder."""

    shot: Path
    """A movie, an image sequence (pattern, folder or one of its frames) or a still."""
    out: str
    """Layers file: `layers.exr`, or with a frame token, `layers.####.exr`."""
    frames: str | None = None
    """Frame range in the shot's own numbers, `1001-1040x2`; None for all."""
    start_frame: int = 1001
    """Number of a movie's first frame."""
    missing: Missing = "error"
    """What to do about frames a sequence lacks."""

    in_space: str | None = None
    """Colour space of the plate; None to decide by what the file says."""
    ocio: str | None = None
    """OCIO config: a path or an ocio:// name; None for $OCIO or the built-in one."""
    working_space: str = "auto"
    """Colour space of R,G,B in the layers: 'auto', 'source' or a name in the config."""

    masks: Path | None = None
    """The artist's masks: one frame, some keyframes or all."""
    tracks: Path | None = None
    """Saved tracks to use instead of finding and following people again."""
    vis: str = "auto"
    """Who finds and follows people; 'auto' is decided by `vis.choose.choose_finder`."""
    weights: Path | None = None
    """Folder of the people finder's weights; None for those in the cache."""
    prompt: str | None = None
    """What to find or where: a text for `sam3`, a class, boxes and clicks for `sam2`."""
    propagate: Carrier | None = None
    """Who carries masks to the frames between; None: `vis.carriers.CARRIER`, where masks are carried by us."""
    clean_edges: bool = False
    """Outline found people again, with MobileSAM, on the frames they are followed from."""
    max_instances: int | None = None
    min_area: float = MIN_AREA
    min_duration: int = MIN_DURATION
    detect_every: int | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    """Layer names to give: {id or present name: new name}."""

    matting: str = "lite"
    """Matting model."""
    proxy: int = 1
    """Matte at 1, 1/2, 1/4 or 1/8 of the plate's width and height, for a quick look; files keep the plate's size."""
    device: str = "auto"
    """'auto', 'cpu', 'cuda', 'cuda:1', 'mps'."""

    layers: Layers = "alpha"
    """'rgba' adds each person's own colour, premultiplied."""
    plate: bool = True
    """Whether R,G,B (and A, the union) are written."""
    depth: Depth = "half"
    compression: str = "zip"
    cryptomatte: bool = False
    preview: bool = False

    resume: bool = False
    """Keep the frames that are whole and made by the same settings."""
    overwrite: bool = False
    """Replace what is there."""

    def __post_init__(self) -> None:
        for name, kind in (("depth", Depth), ("layers", Layers), ("missing", Missing)):
            _one_of(name, getattr(self, name), get_args(kind))
        _one_of("compression", self.compression, COMPRESSIONS)
        if self.propagate is not None:
            _one_of("propagate", self.propagate, CARRIERS)
        if self.resume and self.overwrite:
            raise ConfigError("--resume keeps frames and --overwrite replaces them: give one of the two.")
        if self.masks is not None and self.tracks is not None:
            raise ConfigError("--masks starts new tracks and --tracks uses saved ones: give one of the two.")
        if self.proxy not in PROXIES:
            raise ConfigError(f"--proxy {self.proxy} is unknown; possible: {', '.join(map(str, PROXIES))}.")
        if not 0 <= self.min_area < 1:
            raise ConfigError(f"--min-area is a share of the picture, 0 to 1, found {self.min_area}.")
        for name, low in (("max_instances", 1), ("min_duration", 1), ("detect_every", 1)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"--{name.replace('_', '-')} must be {low} or more, found {value}.")
        for new in self.names.values():
            if safe_name(new) != new:
                raise ConfigError(layer_name_rule(new))

    @property
    def vis_name(self) -> str:
        """The people finder that will run."""
        return choose_finder(self.vis, masks=self.masks is not None, weights=self.weights, prompt=self.prompt)

    def vis_options(self, device: str) -> VisOptions:
        """What the people finder is asked for."""
        return VisOptions(
            device=device,
            max_instances=self.max_instances,
            min_area=self.min_area,
            min_duration=self.min_duration,
            detect_every=self.detect_every,
            weights=None if self.weights is None else str(self.weights),
            prompt=self.prompt,
            propagation=self.propagate or CARRIER,
            clean_edges=self.clean_edges,
        )

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Field names, as a job file spells them."""
        return tuple(f.name for f in fields(cls))


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"--{name} '{value}' is unknown; possible: {', '.join(allowed)}.")
