"""What the buttons do: the steps of finding people and of matting, and what is made of the answers."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import bpy

from ..bridge import Job  # noqa: TID252 - the package has another name inside Blender
from . import node_group, source, thumbnails
from .errors import UserError
from .plan import Options, Source, build_job, missing_text, plain_edits, safe_name, scene_range
from .properties import quietly
from .session import Step, Task, current


def find_task(tree: Any, scene: Any) -> Task:
    """Find and follow everybody, then show them in the panel. Raises UserError."""
    made = _Making(tree, scene)
    return Task(title="Find people", steps=deque(made.find_steps()), folder=made.folder, group=tree.name)


def matte_task(tree: Any, scene: Any) -> Task:
    """Write the layers, of people found before or found now, then show them in the group. Raises UserError."""
    made = _Making(tree, scene)
    steps = deque(made.matte_steps())
    return Task(title="Matte", steps=steps, folder=made.folder, group=tree.name)


def doctor_task() -> Task:
    """Ask the engine what this machine can do."""

    def then(job: Job) -> None:
        current.doctor = [(str(what), str(how)) for what, how in job.result["machine"]]
        for what, how in current.doctor:
            current.note(f"{what}: {how}")
        current.say("The engine answers.")

    return Task(title="Test engine", steps=deque([Step(kind="doctor", title="Test engine", fields={}, then=then)]))


class _Making:
    """The files and jobs of one press of a button."""

    def __init__(self, tree: Any, scene: Any) -> None:
        self.name = tree.name
        settings = tree.vimatte
        self.source: Source = source.read_source(settings)
        self.folder, self.relative = output_folder(tree)
        self.tracks = self.folder / "layers.tracks"
        still = self.source.kind == "still"
        self.pattern = "layers.exr" if still else "layers.####.exr"
        self.wanted = (scene.frame_start, scene.frame_end) if settings.only_scene else None
        options = Options(
            out=str(self.folder / self.pattern),
            masks=source.mask_path(settings),
            matting=settings.quality,
            depth=settings.depth,
            device=settings.device or "auto",
            cryptomatte=settings.cryptomatte,
            max_instances=settings.max_people,
            proxy=int(settings.resolution),
        )
        self.job = build_job(self.source, options, scene_frames=self.wanted)
        self.title = self.source.path.name

    @property
    def tree(self) -> Any:
        """The node group; raises UserError when it was deleted or renamed meanwhile."""
        tree = bpy.data.node_groups.get(self.name)
        if tree is None:
            raise UserError(f"The node group '{self.name}' is gone; what was written is in {self.folder}.")
        return tree

    def find_steps(self) -> Iterable[Step]:
        job = {**self.job, "overwrite": True}
        yield Step(
            kind="track", title=f"Finding people in {self.title}", fields={"job": job, "folder": str(self.tracks)}
        )
        yield self._people_step()

    def matte_steps(self) -> Iterable[Step]:
        settings = self.tree.vimatte
        known = bool(settings.people and settings.tracks) and (self.tracks / "tracks.json").is_file()
        if not known:
            yield from self.find_steps()
        else:
            names = {p.uid: p.name for p in settings.people}
            edits = plain_edits(json.loads(settings.edits or "[]"), names)
            fields = {"folder": str(self.tracks), "edits": edits}
            yield Step(kind="tracks-edit", title="Correcting tracks", fields=fields, then=self._edited)
        job = {k: v for k, v in self.job.items() if k not in ("masks", "max_instances")}
        job |= {"tracks": str(self.tracks), ("overwrite" if settings.redo else "resume"): True}
        yield Step(kind="run", title=f"Matting {self.title}", fields={"job": job}, then=self._matted)

    def _people_step(self) -> Step:
        fields = {"folder": str(self.tracks), "job": self.job, "thumbnails": str(self.folder / "people")}
        return Step(kind="people", title="Making thumbnails", fields=fields, then=self._found)

    def _found(self, job: Job) -> None:
        show_people(self.tree, job.result["people"], relative=self.relative)
        self.tree.vimatte.tracks = self.relative(self.tracks)
        count = len(job.result["people"])
        current.say(f"{count} {'person' if count == 1 else 'people'} found in {self.title}.")

    def _edited(self, _job: Job) -> None:
        self.tree.vimatte.edits = "[]"

    def _matted(self, job: Job) -> None:
        tree = self.tree
        settings = tree.vimatte
        with quietly():
            for person in settings.people:
                person.layer, person.added = person.name, ""
        numbers = job.written
        place = self.source.layers_map(numbers)
        settings.layers_start, settings.layers_duration = place.start, place.duration
        settings.layers_offset = place.offset
        settings.layers = self._load(self._file("layers", numbers), settings.layers, f"{tree.name} layers")
        if settings.cryptomatte:
            first = self._file("layers_crypto", numbers)
            settings.crypto = self._load(first, settings.crypto, f"{tree.name} crypto")
        self._report_missing(settings, numbers)
        node_group.rebuild(tree)
        if settings.cryptomatte:
            node_group.place_cryptomatte(tree)

    def _report_missing(self, settings: Any, numbers: list[int]) -> None:
        settings.missing = ""
        count = len(numbers)
        said = f"{count} {'frame' if count == 1 else 'frames'} of {len(settings.people)} people in {self.folder}."
        if self.source.kind != "still":
            first, last = scene_range(self.source, self.wanted)
            of = {n: f for f in range(first, last + 1) for n in [self.source.layer_number(f)]}
            settings.missing = missing_text((of[n] for n in numbers if n in of), first=first, last=last)
            if settings.missing:
                said += f" Scene frames without layers, because the source lacks them: {settings.missing}."
        current.say(said)

    def _file(self, stem: str, numbers: list[int]) -> Path:
        if self.source.kind == "still":
            return self.folder / f"{stem}.exr"
        return self.folder / f"{stem}.{min(numbers):04d}.exr"

    def _load(self, path: Path, before: Any, name: str) -> Any:
        image = before
        if image is None:
            image = bpy.data.images.load(str(path))
            image.name = name
        image.filepath = self.relative(path)
        image.source = "FILE" if self.source.kind == "still" else "SEQUENCE"
        # Files may have been written anew under the same names.
        image.reload()
        return image


def output_folder(tree: Any) -> tuple[Path, Any]:
    """The folder of a group's files, and how to spell paths in it: relative to the .blend where the artist did.

    Raises UserError for a relative folder in a .blend that was never saved.
    """
    text = tree.vimatte.folder or "//mattes/"
    relative = text.startswith("//")
    if relative and not bpy.data.filepath:
        raise UserError(f"The folder {text} is relative to the .blend, which is not saved yet; save it first.")
    folder = Path(bpy.path.abspath(text)) / re.sub(r"[^\w.-]+", "_", tree.name).strip("._")
    return folder, (lambda path: bpy.path.relpath(str(path)) if relative else str(path))


def show_people(tree: Any, people: Iterable[Mapping[str, Any]], *, relative: Any = str) -> None:
    """Fill the panel with newly found people; those who were there before keep name, socket and links."""
    settings = tree.vimatte
    before = [(p.uid, p.name, p.layer, p.origin) for p in settings.people]
    sockets: dict[str, str] = json.loads(settings.sockets or "{}")
    kept = {key: value for key, value in sockets.items() if not key.startswith("person:")}
    with quietly():
        settings.people.clear()
        settings.edits, settings.solo, settings.active = "[]", 0, 0
        for one in people:
            person = settings.people.add()
            person.uid, person.origin = one["id"], one["name"]
            person.name = person.layer = one["name"]
            # Somebody found again keeps the artist's name, the socket and its links.
            known = next((b for b in before if one["name"] in (b[3], b[1])), None)
            if known is not None:
                before.remove(known)
                person.name, person.layer = known[1], known[2]
                if f"person:{known[0]}" in sockets:
                    kept[f"person:{person.uid}"] = sockets[f"person:{known[0]}"]
            person.colour = one["colour"]
            person.first, person.last = one["first"] or 0, one["last"] or 0
            person.thumbnail = relative(one["thumbnail"]) if one["thumbnail"] else ""
        settings.sockets = json.dumps(kept)
        _make_unique(settings.people)
    thumbnails.forget()
    node_group.rebuild(tree)


def _make_unique(people: Iterable[Any]) -> None:
    taken: list[str] = []
    for person in people:
        person.name = safe_name(person.name, taken=taken)
        taken.append(person.name)
