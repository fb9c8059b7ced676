"""What a farm is to do for a shot: three command lines, and the parameters that differ from farm to farm.

Arguments hold `{{Param.Name}}` where a parameter goes, as Open Job Description writes it. Everything that an artist
typed freely is a parameter, so that no text of theirs is ever read as a template.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vimatte.engine.errors import ConfigError
from vimatte.engine.farm import chunks_of
from vimatte.engine.job import MatteJob
from vimatte.engine.pipeline import open_for_mattes
from vimatte.engine.pipeline.plan import open_model, pattern_of, refuse_to_overwrite
from vimatte.engine.pipeline.track_pass import open_backend
from vimatte.engine.precision import VARIABLE as PRECISION
from vimatte.ocio.frame_range import FrameRange

__all__ = ["CHUNK", "FarmJob", "Needs", "Parameter", "Worker", "farm_job"]

CHUNK = "{{Chunk}}"
"""Stands in the arguments of the Matte step where a task's own frames go."""
_TOKENS = "#@%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One value of the job that may differ on another farm."""

    name: str
    value: str
    about: str
    """One sentence for the person who submits."""
    kind: Literal["STRING", "PATH"] = "STRING"
    object_type: Literal["FILE", "DIRECTORY"] = "FILE"
    """What lies at a PATH."""
    flow: Literal["IN", "OUT", "NONE"] = "IN"
    """Whether what lies at a PATH is read, written, or neither copied nor collected."""

    @property
    def slot(self) -> str:
        """How arguments name it."""
        return f"{{{{Param.{self.name}}}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a worker must have; zero asks for nothing."""

    gpu_memory: float = 0.0
    """GiB on one GPU; more than zero asks for a GPU."""
    memory: float = 0.0
    """GiB of main memory."""
    cpus: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """How a worker starts the program: a path, in a conda environment, or in an Apptainer container."""

    program: str = "vimatte"
    conda: str | None = None
    """Name or path of a conda environment."""
    container: str | None = None
    """Image file or address for Apptainer."""

    def __post_init__(self) -> None:
        if self.conda is not None and self.container is not None:
            raise ConfigError("--conda and --container are two ways to bring the program to a worker: give one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmJob:
    """A shot as three steps that any worker can run, any number of times, with the same files in the end."""

    name: str
    job: MatteJob
    """With absolute paths and nothing left to the worker's own settings."""
    frames: FrameRange
    chunk: int
    """Frames a task."""
    needs: Needs
    parameters: tuple[Parameter, ...]
    program: tuple[str, ...]
    """What stands before every command's arguments."""
    track: tuple[str, ...]
    matte: tuple[str, ...]
    """With CHUNK where the task's frames go."""
    verify: tuple[str, ...]

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that every step runs with: a worker's own $OCIO must not decide what the submitter's did.

        Workers differ, and a frame is to be the same on each: float32, unless the submitter's own variable says else.
        """
        precision = os.environ.get(PRECISION, "").strip() or "full"
        return {PRECISION: precision, **({} if self.job.ocio else {"OCIO": ""})}

    @property
    def chunks(self) -> tuple[FrameRange, ...]:
        """The frames of each task."""
        return chunks_of(self.frames, self.chunk)


class _Writing:
    """Collects parameters while arguments are written."""

    def __init__(self) -> None:
        self.parameters: list[Parameter] = []

    def put(self, name: str, value: str, about: str) -> str:
        """Add free text and return its slot."""
        self.parameters.append(Parameter(name=name, value=value, about=about))
        return self.parameters[-1].slot

    def path(self, name: str, path: Path, about: str) -> str:
        """Add what is read at `path`; of a numbered sequence its folder, so that all of it travels."""
        path = path.absolute()
        folder = path.is_dir()
        if not path.exists() and any(mark in path.name for mark in _TOKENS):
            slot = self._add(name, path.parent, f"{about} (folder)", folder=True)
            return f"{slot}/{self.put(f'{name}Name', path.name, f'{about} (name in the folder)')}"
        return self._add(name, path, about, folder=folder)

    def _add(self, name: str, path: Path, about: str, *, folder: bool) -> str:
        self.parameters.append(
            Parameter(
                name=name, value=str(path), about=about, kind="PATH", object_type="DIRECTORY" if folder else "FILE"
            )
        )
        return self.parameters[-1].slot


def farm_job(job: MatteJob, *, chunk: int, needs: Needs | None = None, worker: Worker | None = None) -> FarmJob:
    """Open the shot, decide what is decided once for all workers, and write the steps down. Raises VimatteError.

    What a vim-batch run would refuse is refused here: bad frames, unknown models, files that are there already.
    """
    needs, worker = needs or Needs(), worker or Worker()
    shot, frames = open_for_mattes(job, "cpu")
    with shot:
        pattern = pattern_of(job, shot)
        refuse_to_overwrite(job, pattern, frames)
        sequence = shot.info.path if shot.info.kind == "sequence" else None
        # The built-in config is chosen by the lack of one: named with --ocio it would be a studio's, and decide more.
        ocio = shot.config.name if shot.config.from_studio else None
    if job.tracks is None:
        open_backend(job)
    device = job.device if job.device != "auto" else "cuda" if needs.gpu_memory else "cpu"
    fixed = replace(job, ocio=ocio, device=device, shot=sequence or job.shot)
    open_model(fixed, device="cpu")
    chunks_of(frames, chunk)
    writing = _Writing()
    program = _program(worker, writing, needs=needs)
    shot_slot = writing.path("Shot", fixed.shot, "The plate")
    out = Parameter(
        name="OutDir", value=str(pattern.folder.absolute()), about="Folder of the layers", kind="PATH",
        object_type="DIRECTORY", flow="OUT",
    )  # fmt: skip
    writing.parameters.append(out)
    out_slot = f"{out.slot}/{writing.put('OutName', Path(job.out).name, 'Name of the layers file')}"
    tracks_slot = f"{out.slot}/{writing.put('TracksName', pattern.beside('.tracks').name, 'Name of the tracks folder')}"
    frames_slot = writing.put("Frames", str(frames).replace("x", ":"), "Frames, in the shot's own numbers")
    device_slot = writing.put("Device", device, "Where networks run: cpu, cuda, cuda:1")
    opening = _opening(fixed, writing)
    missing = ("--missing", fixed.missing)
    output = _output(fixed, writing)
    track = ("track", shot_slot, "--out", tracks_slot, "--frames", frames_slot, *missing, *opening)
    finding = _finding(fixed, writing)
    if worker.container is not None:
        writing.put("ContainerBind", _folders(writing.parameters), "Folders that the container sees, with commas")
    return FarmJob(
        name=pattern.folder.absolute().name + "/" + pattern.stem,
        job=fixed,
        frames=frames,
        chunk=chunk,
        needs=needs,
        program=program,
        track=(*track, *finding, "--device", device_slot, "--resume"),
        matte=(
            *("matte", shot_slot, "--tracks", tracks_slot, "--out", out_slot, "--frames", CHUNK, *missing, *opening),
            *("--device", device_slot, *output, "--resume"),
        ),
        verify=(
            *("verify", out_slot, "--tracks", tracks_slot, "--frames", frames_slot, *missing, "--shot", shot_slot),
            *opening,
            *(["--cryptomatte"] if fixed.cryptomatte else []),
            *(["--preview"] if fixed.preview else []),
        ),
        parameters=tuple(writing.parameters),
    )


def _opening(job: MatteJob, writing: _Writing) -> tuple[str, ...]:
    args = ["--start-frame", str(job.start_frame)]
    if job.in_space is not None:
        args += ["--in-space", writing.put("InSpace", job.in_space, "Colour space of the plate")]
    if job.ocio is not None and not job.ocio.startswith("ocio://"):
        path = Path(job.ocio).absolute()
        config = Parameter(name="Ocio", value=str(path), about="OCIO config", kind="PATH", flow="NONE")
        writing.parameters.append(config)
        args += ["--ocio", config.slot]
    elif job.ocio is not None:
        args += ["--ocio", writing.put("Ocio", job.ocio, "OCIO config")]
    return tuple(args)


def _finding(job: MatteJob, writing: _Writing) -> tuple[str, ...]:
    """Who is found; with saved tracks only those, and the new names."""
    args: list[str] = []
    for old, new in job.names.items():
        args += ["--name", _literal(f"{old}={new}")]
    if job.tracks is not None:
        return (*args, "--tracks", writing.path("SavedTracks", job.tracks, "Tracks that were saved before"))
    # What 'auto' finds on the submitting machine is what every worker uses.
    args += ["--vis", _literal(job.vis_name)]
    if job.masks is not None:
        args += ["--masks", writing.path("Masks", job.masks, "Masks of the people")]
    if job.weights is not None:
        args += ["--weights", writing.path("Weights", job.weights, "Weights of the people finder")]
    if job.prompt is not None:
        args += ["--prompt", writing.put("Prompt", job.prompt, "What to find")]
    for key in ("max_instances", "detect_every", "min_area", "min_duration"):
        value = getattr(job, key)
        if value is not None:
            args += [f"--{key.replace('_', '-')}", str(value)]
    if job.propagate is not None:
        args += ["--propagate", job.propagate]
    return (*args, *(["--clean-edges"] if job.clean_edges else []))


def _output(job: MatteJob, writing: _Writing) -> tuple[str, ...]:
    args = ["--matting", _literal(job.matting), "--proxy", str(job.proxy), "--layers", job.layers]
    args += ["--plate" if job.plate else "--no-plate", "--depth", job.depth, "--compression", job.compression]
    args += ["--working-space", writing.put("WorkingSpace", job.working_space, "Colour space of R,G,B in the layers")]
    return (*args, *(["--cryptomatte"] if job.cryptomatte else []))


def _program(worker: Worker, writing: _Writing, *, needs: Needs) -> tuple[str, ...]:
    program = writing.put("Program", worker.program, "The vimatte command on the worker")
    if worker.conda is not None:
        flag = "-p" if os.sep in worker.conda or "/" in worker.conda else "-n"
        slot = writing.put("CondaEnvironment", worker.conda, "Conda environment on the worker")
        return ("conda", "run", "--no-capture-output", flag, slot, program)
    if worker.container is not None:
        image = writing.put("Container", worker.container, "Apptainer image that holds vimatte")
        gpu = ("--nv",) if needs.gpu_memory else ()
        return ("apptainer", "exec", *gpu, "--bind", "{{Param.ContainerBind}}", image, program)
    return (program,)


def _folders(parameters: list[Parameter]) -> str:
    """Every folder that the job reads or writes."""
    paths = [(Path(one.value), one.object_type) for one in parameters if one.kind == "PATH"]
    return ",".join(dict.fromkeys(str(path if kind == "DIRECTORY" else path.parent) for path, kind in paths))


def _literal(text: str) -> str:
    if "{{" in text:
        raise ConfigError(f"'{text}' holds '{{{{', which Open Job Description reads as a template; use another name.")
    return text


def substituted(argument: str, values: Mapping[str, str]) -> str:
    """Put values where slots are."""
    for name, value in values.items():
        argument = argument.replace(f"{{{{Param.{name}}}}}", value)
    return argument
