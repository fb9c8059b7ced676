"""From what knobs say to what the engine is asked for, and from its answer to what is shown; no Nuke in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...bridge import in_runs  # noqa: TID252 - the package has another name inside Nuke
from .colour import Colour, colour_of
from .errors import UserError
from .graph import Person, Written
from .paths import FRAME_TOKEN, plain_path

__all__ = ["Plan", "Plate", "Settings", "Upstream", "make_plan", "plate_of"]

_MOVIES = frozenset({".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mxf", ".webm"})
_PASSES = frozenset({"Dot", "NoOp", "PostageStamp"})
"""Classes of nodes that leave the picture as it is."""
_NUMBERED = re.compile(r"(?P<head>.*?)(?P<number>\d+)(?P<tail>\.[^.\d][^.]*)")
_VIEW = re.compile(r"%[vV]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One node on the way from the group's input to its Read."""

    kind: str
    """Nuke's class."""
    name: str
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """A Read, as its knobs have it."""

    node: str
    """Its name."""
    file: str
    """Expressions already evaluated, the frame number still a token: '/shots/plate.%04d.exr'."""
    first: int
    """Numbers of the files, or frames of a movie counted from 1."""
    last: int
    frame_mode: str = ""
    """How it is shifted in time, in the knob's words; where this or `frame` is empty, frame t shows file t."""
    frame: str = ""
    colorspace: str = ""
    """In the knob's words: 'sRGB', 'default (ACES - ACEScg)'."""
    raw: bool = False

    @property
    def kind(self) -> str:
        """'movie', 'sequence' or 'still'."""
        path = PurePosixPath(self.file)
        if path.suffix.lower() in _MOVIES:
            return "movie"
        return "sequence" if FRAME_TOKEN.search(path.name) else "still"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The knobs of a Video Instance Matte, evaluated."""

    node: str
    """Its name."""
    folder: str
    """Where the folders of all these nodes are."""
    masks: str = ""
    finder: str = "auto"
    prompt: str = ""
    matting: str = "lite"
    device: str = "auto"
    max_people: int = 0
    """0: as many as there are."""
    range: str = "input"
    """'input', 'project' or 'custom'."""
    frames: tuple[int, int] = (1, 1)
    """First and last frame of the script for 'project' and 'custom'."""
    proxy: int = 1
    cryptomatte: bool = True
    plate: bool = False
    """Whether the plate goes into the layers too."""
    redo: bool = False
    """Whether whole frames are made anew."""
    from_read: bool = True
    """Whether the colour space is the Read's; else the file decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything one press of a button asks of the engine."""

    job: Mapping[str, Any]
    """As in a job file."""
    folder: Path
    """Where all its files go."""
    plate: Plate
    asked: tuple[int, ...]
    """Numbers of the frames in the range, there or not; none for a still."""
    redo: bool = False
    """Whether whole frames are made anew."""
    alone: int | None = None
    """Number of a still that is one file of a sequence, which the engine sees and counts by."""

    @property
    def tracks(self) -> Path:
        """Folder of the tracks."""
        return self.folder / "layers.tracks"

    def finding(self) -> dict[str, Any]:
        """Fields of the request that finds people."""
        return {"job": {**self.job, "overwrite": True}, "folder": str(self.tracks)}

    def matting(self) -> dict[str, Any]:
        """Fields of the request that mattes the people of the tracks."""
        job = {k: v for k, v in self.job.items() if k not in ("masks", "max_instances", "prompt", "vis")}
        return {"job": {**job, "tracks": str(self.tracks), ("overwrite" if self.redo else "resume"): True}}

    def written(self, people: Iterable[Mapping[str, Any]], numbers: Sequence[int]) -> Written:
        """Say how the layers of `people` in the frames `numbers` are to be shown over the plate.

        They carry the plate's own numbers, so they are shifted in time as it is.
        """
        there = tuple(sorted(set(numbers)))
        mode, frame = self.plate.frame_mode, self.plate.frame
        if there and self.plate.kind != "still" and frame and _starts(mode):
            # Its first frame is shown there; the layers may begin later.
            frame = str(_whole(frame, self.plate) + there[0] - self.plate.first)
        return Written(
            file=self._file("layers"),
            people=tuple(Person(id=int(p["id"]), name=str(p["name"])) for p in people),
            numbers=() if self.plate.kind == "still" else there,
            gaps=bool(self.missing(there)),
            crypto=self._file("layers_crypto") if self.job["cryptomatte"] else "",
            frame_mode=mode if frame else "",
            frame=frame,
        )

    def missing(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """Numbers of the range that are not among `numbers`."""
        there = set(numbers)
        return tuple(n for n in self.asked if n not in there)

    def _file(self, stem: str) -> str:
        number = ".####" if self.plate.kind != "still" else "" if self.alone is None else f".{self.alone:04d}"
        return (self.folder / f"{stem}{number}.exr").as_posix()


def plate_of(chain: Sequence[Upstream], *, node: str) -> str:
    """Return the name of the Read that `chain`, the nodes from the input up, ends in. Raises UserError.

    The engine reads the file of the Read: what nodes in between do to the picture it would not see.
    """
    for one in chain:
        if one.kind == "Read":
            return one.name
        if one.kind not in _PASSES and not one.disabled:
            raise UserError(
                f"Between {node} and its Read is {one.name} ({one.kind}), which the engine would not see; connect "
                f"{node} directly to the Read, or write the result of {one.name} to files and read those."
            )
    raise UserError(f"No Read is connected to {node}; connect its input to the Read of the plate.")


def make_plan(settings: Settings, plate: Plate, *, colour: Colour) -> Plan:
    """Decide what to ask for. Raises UserError for paths, ranges and shifts that cannot be followed."""
    if not plate.file:
        raise UserError(f"{plate.node} has no file; choose one in its properties.")
    if not Path(plate.file).is_absolute():
        raise UserError(
            f"The file of {plate.node}, {plate.file}, does not begin at the root; set the project directory in "
            "the project settings, or give a whole path."
        )
    if _VIEW.search(plate.file):
        raise UserError(f"{plate.node} reads several views ({plate.file}); give each eye a Read and a node of its own.")
    folder = _folder(settings)
    still = plate.kind == "still"
    alone = _one_of_many(Path(plate.file)) if still else None
    job: dict[str, Any] = {
        "shot": plate.file,
        "out": str(folder / ("layers.exr" if still and alone is None else "layers.####.exr")),
        "missing": "skip",
        "vis": settings.finder,
        "matting": settings.matting,
        "device": settings.device,
        "cryptomatte": settings.cryptomatte,
        "plate": settings.plate,
        "proxy": settings.proxy,
        **colour_of(colour, colorspace=plate.colorspace, raw=plate.raw, from_read=settings.from_read),
    }
    if not settings.plate:
        job["working_space"] = "source"
    if settings.masks:
        job["masks"] = settings.masks
    if settings.prompt:
        job["prompt"] = settings.prompt
    if settings.max_people > 0:
        job["max_instances"] = settings.max_people
    asked: tuple[int, ...] = ()
    if alone is not None:
        job["frames"] = str(alone)
    if not still:
        first, last = _range(settings, plate)
        asked = tuple(range(first, last + 1))
        there = _numbers_on_disk(plate) if plate.kind == "sequence" else []
        # Frames that the sequence lacks are not asked for; the artist is told which.
        job["frames"] = in_runs(n for n in there if first <= n <= last) or f"{first}-{last}"
        if plate.kind == "movie":
            job["start_frame"] = 1
    return Plan(job=job, folder=folder, plate=plate, asked=asked, redo=settings.redo, alone=alone)


def _folder(settings: Settings) -> Path:
    text = settings.folder.replace("\\", "/").strip()
    folder = Path(text)
    if not text or not folder.is_absolute():
        raise UserError(
            f"The folder '{text}' of {settings.node} does not begin at the root; save the script, which the folder is "
            "beside by default, or give a whole path."
        )
    plain_path(folder / "layers.exr")
    return folder / re.sub(r"[^\w.-]+", "_", settings.node)


def _range(settings: Settings, plate: Plate) -> tuple[int, int]:
    first, last = plate.first, plate.last
    if settings.range != "input":
        shift = _shift(plate, settings.range)
        low, high = sorted(settings.frames)
        first, last = max(first, low + shift), min(last, high + shift)
    if last < first:
        low, high = sorted(settings.frames)
        raise UserError(
            f"{plate.node} shows nothing on frames {low} to {high} (its files: {plate.first} to {plate.last}); "
            "change Range."
        )
    return first, last


def _shift(plate: Plate, name: str) -> int:
    """What to add to a frame of the script to have the number of the file."""
    if not plate.frame.strip():
        return 0
    if _starts(plate.frame_mode):
        return plate.first - _whole(plate.frame, plate)
    if plate.frame_mode == "offset":
        return -_whole(plate.frame, plate)
    raise UserError(
        f"{plate.node} is shifted in time by the expression '{plate.frame}', so Range cannot be '{name}'; "
        "set it to 'input'."
    )


def _starts(mode: str) -> bool:
    return mode.replace("_", " ") == "start at"


def _whole(text: str, plate: Plate) -> int:
    try:
        return int(float(text))
    except ValueError:
        raise UserError(
            f"{plate.node} is shifted in time by '{text}', which is no number; set its frame to a number, or to "
            "nothing."
        ) from None


def _numbers_on_disk(plate: Plate) -> list[int]:
    path = Path(plate.file)
    token = FRAME_TOKEN.search(path.name)
    if token is None or not path.parent.is_dir():
        return []
    head, tail = re.escape(path.name[: token.start()]), re.escape(path.name[token.end() :])
    ours = re.compile(f"{head}(-?\\d+){tail}")
    return sorted(int(found[1]) for p in path.parent.iterdir() if (found := ours.fullmatch(p.name)))


def _one_of_many(path: Path) -> int | None:
    match = _NUMBERED.fullmatch(path.name)
    if match is None or match["head"][-1:] in ("v", "V") or not path.parent.is_dir():
        return None
    ours = re.compile(f"{re.escape(match['head'])}\\d+{re.escape(match['tail'])}")
    count = sum(ours.fullmatch(p.name) is not None for p in path.parent.iterdir())
    return int(match["number"]) if count > 1 else None
