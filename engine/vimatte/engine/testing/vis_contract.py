"""Questions every people finder must answer well: import the class, subclass it in a test, say how to make the backend.

    class TestMine(VisContract):
        def make(self) -> VisBackend:
            return Mine()

The methods are ordinary pytest tests on a small shot made here; override `shot` and `keys` for a finder that needs real
people, and return None from `keys` for one that takes no masks.
"""

from __future__ import annotations

import gc
import json
from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from vimatte.engine.events import Progress, Warned
from vimatte.engine.masks import Rle
from vimatte.engine.shot import Shot
from vimatte.engine.testing.matting_contract import crossing_shot
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.backend import KeyMasks, VisBackend, VisOptions

__all__ = ["VisContract"]

_COUNT = 10


class VisContract(ABC):
    """What `VisBackend` promises, asked of one backend."""

    @abstractmethod
    def make(self) -> VisBackend:
        """Make a new backend."""

    def shot(self) -> Shot:
        """Make the shot to track: here two discs that meet on ten frames."""
        return MemoryShot(crossing_shot(_COUNT)[0])

    def keys(self) -> KeyMasks | None:
        """Masks of its first and its seventh frame; None for a backend that takes none."""
        alphas = crossing_shot(_COUNT)[1]
        masks = {
            1001 + at: {name: Rle.encode(alphas[at, n] > 0.5) for n, name in enumerate(("front", "back"))}
            for at in (0, 6)
        }
        return KeyMasks(names=("front", "back"), masks=masks)

    @cached_property
    def _once(self) -> tuple[TrackSet, list[Progress | Warned]]:
        return self._run()

    def _run(self) -> tuple[TrackSet, list[Progress | Warned]]:
        said: list[Progress | Warned] = []
        steps = self.make().track(self.shot(), keys=self.keys(), options=VisOptions())
        while True:
            try:
                said.append(next(steps))
            except StopIteration as end:
                return end.value, said

    def test_it_names_itself_and_its_settings(self) -> None:
        """It has a name, and settings that are JSON."""
        backend = self.make()
        assert backend.name
        assert json.loads(json.dumps(dict(backend.settings))) == dict(backend.settings)

    def test_the_same_shot_gives_the_same_tracks(self) -> None:
        """Two runs give the same digest."""
        assert self._run()[0].digest() == self._once[0].digest()

    def test_every_frame_of_the_job_is_covered(self) -> None:
        """`frames` are the shot's; masks lie on no others."""
        tracks = self._once[0]
        assert tracks.frames == self.shot().frames.numbers
        for one in tracks.ids:
            assert set(tracks.presence(one)) <= set(tracks.frames)

    def test_ids_ascend_from_one_and_names_are_layer_names(self) -> None:
        """Ids are 1 to n; with key masks, in the order of their names."""
        tracks = self._once[0]
        assert tracks.ids == tuple(range(1, len(tracks.ids) + 1))
        assert tracks.next_id > max(tracks.ids, default=0)
        keys = self.keys()
        if keys is not None:
            assert tracks.names == keys.names

    def test_masks_have_the_size_of_the_shot(self) -> None:
        """Masks are not of a working size."""
        tracks, info = self._once[0], self.shot().info
        assert (tracks.width, tracks.height) == (info.width, info.height)
        for by_frame in tracks.masks.values():
            assert {(rle.width, rle.height) for rle in by_frame.values()} <= {(info.width, info.height)}

    def test_absent_means_no_entry(self) -> None:
        """No empty mask is stored."""
        for by_frame in self._once[0].masks.values():
            assert all(rle.area for rle in by_frame.values())

    def test_masks_of_one_frame_do_not_overlap(self) -> None:
        """A pixel shows one person."""
        tracks = self._once[0]
        for number in tracks.frames:
            masks = list(tracks.masks_on(number).values())
            assert not masks or int(np.sum(masks, axis=0).max()) <= 1

    def test_known_masks_come_back_on_their_frames(self) -> None:
        """Key masks are reproduced, absences too."""
        keys = self.keys()
        if keys is None:
            return
        tracks = self._once[0]
        for one in tracks.instances:
            for number, rle in keys.of(one.name).items():
                present = rle is not None and rle.area > 0
                assert (number in tracks.masks[one.id]) == present
                if rle is not None and present:
                    assert tracks.masks[one.id][number] == rle
                    assert number in tracks.keys[one.id]

    def test_progress_counts_up_to_its_total(self) -> None:
        """Progress ascends and ends at its total."""
        progress = [event for event in self._once[1] if isinstance(event, Progress)]
        phases = list(dict.fromkeys(event.phase for event in progress))
        for phase in phases:
            steps = [event for event in progress if event.phase == phase]
            assert [e.done for e in steps] == sorted(e.done for e in steps)
            assert steps[-1].done == steps[-1].total

    def test_it_can_be_stopped(self) -> None:
        """Closing the generator ends it without complaint."""
        steps = self.make().track(self.shot(), keys=self.keys(), options=VisOptions())
        next(steps, None)
        steps.close()
        gc.collect()

    def test_its_source_can_be_saved(self) -> None:
        """`source` names the backend and is JSON."""
        source = dict(self._once[0].source)
        assert source.get("backend") == self.make().name
        assert json.loads(json.dumps(source)) == source
