"""Who is where in a shot: instances with ids that never change, and a mask of each on every frame they are seen.

A `TrackSet` is a value: edits return a new one. It is saved as a folder of two files (see `docs/tracks_format.md`):
`tracks.json` for people to read and `masks.npz` for the run lengths. The same track set always gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.masks import BoolMask, Rle
from vimatte.ocio.layer_name import layer_name_rule, safe_name

__all__ = ["FORMAT_VERSION", "Instance", "TrackSet"]

FORMAT_VERSION = 1
_JSON, _MASKS = "tracks.json", "masks.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One tracked person (or thing): identity is `id`, never a position in a list."""

    id: int
    """1 or more; unique in the shot; never reused, not even after a drop."""
    name: str
    """Layer name, unique in the shot."""
    label: str = "person"
    """What it is."""
    score: float = 1.0
    """How sure the finder was, 0 to 1; 1 for masks an artist gave. Six decimals: what is saved is what is held."""

    def __post_init__(self) -> None:
        # Headers tell the score: one that lost digits on disk would make a farm's files differ from a single run's.
        object.__setattr__(self, "score", round(self.score, 6))
        if self.id < 1:
            raise ConfigError(f"An instance id must be 1 or more, found {self.id}.")
        if safe_name(self.name) != self.name:
            raise ConfigError(layer_name_rule(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackSet:
    """The people of a shot."""

    width: int
    height: int
    frames: tuple[int, ...]
    """Frame numbers of the shot that were tracked, ascending."""
    instances: tuple[Instance, ...]
    """In order of id."""
    masks: Mapping[int, Mapping[int, Rle]]
    """Instance id -> frame number -> mask; a frame without an entry means absent, and empty masks are left out.

    Every instance has an entry, whatever was given; so has `keys`.
    """
    keys: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Instance id -> frames whose mask was given or found rather than propagated."""
    next_id: int = 1
    """The lowest id never used in this shot."""
    source: Mapping[str, object] = field(default_factory=dict)
    """How it was made: backend, settings, weights; JSON values."""

    def __post_init__(self) -> None:
        ids = [i.id for i in self.instances]
        names = [i.name for i in self.instances]
        if ids != sorted(set(ids)):
            raise ConfigError(f"Instance ids must ascend without repeats, found {ids}.")
        if len(set(names)) != len(names):
            raise ConfigError(f"Two people have the same name among {', '.join(names)}; rename one of them.")
        for what, given in (("Masks", self.masks), ("Keyframes", self.keys)):
            if set(given) - set(ids):
                raise ConfigError(f"{what} of unknown instances {sorted(set(given) - set(ids))}.")
        if ids and self.next_id <= ids[-1]:
            object.__setattr__(self, "next_id", ids[-1] + 1)
        for by_frame in self.masks.values():
            for number, rle in by_frame.items():
                if (rle.width, rle.height) != (self.width, self.height):
                    raise ConfigError(
                        f"The mask on frame {number} is {rle.width}x{rle.height}, "
                        f"the shot is {self.width}x{self.height}."
                    )
        tracked = set(self.frames)
        for by_frame in self.masks.values():
            for number in by_frame:
                if number not in tracked:
                    raise ConfigError(f"There is a mask on frame {number}, which was not tracked.")
        masks = {i: {f: r for f, r in sorted(self.masks.get(i, {}).items()) if r.area} for i in ids}
        object.__setattr__(self, "masks", masks)
        object.__setattr__(self, "keys", {i: tuple(sorted(set(self.keys.get(i, ())))) for i in ids})

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def ids(self) -> tuple[int, ...]:
        """All instance ids, ascending."""
        return tuple(i.id for i in self.instances)

    @property
    def names(self) -> tuple[str, ...]:
        """All layer names, in order of id."""
        return tuple(i.name for i in self.instances)

    def instance(self, key: int | str) -> Instance:
        """Look up by id or by name. Raises ConfigError listing who there is."""
        for one in self.instances:
            if key in (one.id, one.name) or str(key) == str(one.id):
                return one
        known = ", ".join(f"{i.id}={i.name}" for i in self.instances) or "nobody"
        raise ConfigError(f"There is no '{key}' in these tracks; there is: {known}.")

    def mask(self, instance_id: int, frame: int) -> BoolMask:
        """(h, w) bool; all false where the instance is absent."""
        rle = self.masks.get(instance_id, {}).get(frame)
        return rle.decode() if rle is not None else np.zeros((self.height, self.width), dtype=bool)

    def masks_on(self, frame: int) -> dict[int, BoolMask]:
        """Masks of those present on a frame, by id."""
        return {i: self.masks[i][frame].decode() for i in self.ids if frame in self.masks.get(i, {})}

    def presence(self, instance_id: int) -> tuple[int, ...]:
        """Frames on which the instance has a mask, ascending."""
        return tuple(sorted(self.masks.get(instance_id, {})))

    def digest(self) -> str:
        """Sha256 over everything that changes a matte; what `--resume` compares."""
        hasher = hashlib.sha256(json.dumps(self._header(), sort_keys=True).encode())
        for one in self.ids:
            for frame in self.presence(one):
                hasher.update(self.masks[one][frame].counts.tobytes())
        return hasher.hexdigest()

    # -- editing ---------------------------------------------------------------------------------------------------

    def pick(self, keys: Iterable[int | str]) -> Self:
        """Keep only these people (ids or names)."""
        return self._keep({self.instance(k).id for k in keys})

    def drop(self, keys: Iterable[int | str]) -> Self:
        """Leave these people out; their ids are not used again."""
        gone = {self.instance(k).id for k in keys}
        return self._keep(set(self.ids) - gone)

    def rename(self, names: Mapping[int, str] | Mapping[str, str]) -> Self:
        """Give new layer names: {id or old name: new name}. Raises ConfigError for clashes and bad names."""
        wanted = {self.instance(k).id: v for k, v in names.items()}
        return replace(self, instances=tuple(replace(i, name=wanted.get(i.id, i.name)) for i in self.instances))

    def merge(self, into: int | str, *others: int | str) -> Self:
        """Make one person of several (found twice, or under two ids); the first keeps its id and name."""
        target = self.instance(into).id
        merged = dict(self.masks.get(target, {}))
        keys = set(self.keys.get(target, ()))
        gone = {self.instance(o).id for o in others} - {target}
        for other in sorted(gone):
            keys |= set(self.keys.get(other, ()))
            for frame, rle in self.masks.get(other, {}).items():
                merged[frame] = Rle.encode(merged[frame].decode() | rle.decode()) if frame in merged else rle
        kept = replace(
            self,
            masks={**self.masks, target: merged},
            keys={**self.keys, target: tuple(sorted(keys))},
        )
        return kept._keep(set(self.ids) - gone)

    def split(self, key: int | str, frame: int, *, name: str | None = None) -> Self:
        """From `frame` on this is somebody else: a new instance with a new id takes those masks."""
        one = self.instance(key)
        by_frame = self.masks.get(one.id, {})
        before = {f: r for f, r in by_frame.items() if f < frame}
        after = {f: r for f, r in by_frame.items() if f >= frame}
        if not before or not after:
            raise ConfigError(
                f"'{one.name}' cannot be split at frame {frame}: it is on frames "
                f"{min(by_frame, default='none')} to {max(by_frame, default='none')}."
            )
        new = replace(one, id=self.next_id, name=name or self.free_name())
        own = self.keys.get(one.id, ())
        return replace(
            self,
            instances=(*self.instances, new),
            masks={**self.masks, one.id: before, new.id: after},
            keys={
                **self.keys,
                one.id: tuple(f for f in own if f < frame),
                new.id: tuple(f for f in own if f >= frame),
            },
            next_id=self.next_id + 1,
        )

    def free_name(self, stem: str = "person") -> str:
        """Next free `person_NN`, counting on from `next_id`."""
        number = self.next_id
        while f"{stem}_{number:02d}" in self.names:
            number += 1
        return f"{stem}_{number:02d}"

    def _keep(self, ids: Collection[int]) -> Self:
        return replace(
            self,
            instances=tuple(i for i in self.instances if i.id in ids),
            masks={i: m for i, m in self.masks.items() if i in ids},
            keys={i: k for i, k in self.keys.items() if i in ids},
        )

    # -- on disk ---------------------------------------------------------------------------------------------------

    def _header(self) -> dict[str, object]:
        return {
            "format": "vimatte.tracks",
            "version": FORMAT_VERSION,
            "width": self.width,
            "height": self.height,
            "frames": list(self.frames),
            "next_id": self.next_id,
            "instances": [
                {
                    "id": i.id,
                    "name": i.name,
                    "label": i.label,
                    "score": i.score,
                    "frames": list(self.presence(i.id)),
                    "keys": list(self.keys.get(i.id, ())),
                }
                for i in self.instances
            ],
            "source": json.loads(json.dumps(dict(self.source), sort_keys=True)),
        }

    def save(self, folder: Path) -> None:
        """Write the folder whole or not at all; older tracks there are replaced, nothing else is. Raises MediaError."""
        folder = Path(folder)
        if folder.exists() and not (folder.is_dir() and ((folder / _JSON).is_file() or not any(folder.iterdir()))):
            raise MediaError(f"The tracks cannot be saved to {folder}: it is not a tracks folder; choose another name.")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            temp = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        except OSError as error:
            raise MediaError(
                f"The tracks cannot be saved to {folder}: {error.strerror}; choose another --out."
            ) from error
        try:
            (temp / _JSON).write_text(json.dumps(self._header(), indent=1) + "\n", encoding="utf-8")
            arrays: dict[str, np.ndarray] = {}
            for one in self.ids:
                rles = [self.masks[one][f] for f in self.presence(one)]
                arrays[f"{one}.sizes"] = np.array([r.counts.size for r in rles], np.uint32)
                arrays[f"{one}.counts"] = np.concatenate([r.counts for r in rles]) if rles else np.zeros(0, np.uint32)
            with (temp / _MASKS).open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
                file.flush()
                os.fsync(file.fileno())
            temp.chmod(0o755)
            if folder.exists():
                old = folder.with_name(f".{folder.name}.old")
                shutil.rmtree(old, ignore_errors=True)
                folder.rename(old)
                temp.rename(folder)
                shutil.rmtree(old, ignore_errors=True)
            else:
                temp.rename(folder)
        except OSError as error:
            raise MediaError(f"The tracks cannot be saved to {folder}: {error.strerror}.") from error
        finally:
            shutil.rmtree(temp, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved folder. Raises MediaError when it is missing, broken or of a newer format."""
        folder = Path(folder)
        try:
            head = json.loads((folder / _JSON).read_text(encoding="utf-8"))
            if head.get("format") != "vimatte.tracks" or head.get("version") != FORMAT_VERSION:
                raise MediaError(
                    f"{folder} holds tracks of format {head.get('format')} version {head.get('version')}; "
                    f"this program reads vimatte.tracks version {FORMAT_VERSION}."
                )
            width, height = head["width"], head["height"]
            masks: dict[int, dict[int, Rle]] = {}
            with (folder / _MASKS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                for one in head["instances"]:
                    sizes, counts = arrays[f"{one['id']}.sizes"], arrays[f"{one['id']}.counts"]
                    parts = np.split(counts, np.cumsum(sizes)[:-1]) if sizes.size else []
                    masks[one["id"]] = {
                        f: Rle(height, width, part) for f, part in zip(one["frames"], parts, strict=True)
                    }
            return cls(
                width=width,
                height=height,
                frames=tuple(head["frames"]),
                instances=tuple(
                    Instance(id=i["id"], name=i["name"], label=i["label"], score=i["score"]) for i in head["instances"]
                ),
                masks=masks,
                keys={i["id"]: tuple(i["keys"]) for i in head["instances"]},
                next_id=head["next_id"],
                source=head["source"],
            )
        except MediaError:
            raise
        except FileNotFoundError as error:
            raise MediaError(
                f"No saved tracks at {folder}; make them with: vimatte track SHOT --out {folder}"
            ) from error
        except Exception as error:
            raise MediaError(f"The tracks at {folder} are broken ({error}); track the shot again.") from error
