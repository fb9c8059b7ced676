"""Who is who among the finds of a whole shot."""

from __future__ import annotations

from collections.abc import Generator

from vimatte.engine.events import Progress
from vimatte.engine.vis.blazepose.search import Search
from vimatte.engine.vis.blazepose.sighting import Tracklet
from vimatte.engine.vis.identity import Detection, IdentityOptions, IdentityTracker

__all__ = ["people_of"]


def people_of(search: Search, *, min_duration: int) -> Generator[Progress, None, list[Tracklet]]:
    """Everybody, by first appearance, then left to right; finds that swallow two people belong to nobody.

    The last third of finding people.
    """
    tracker = IdentityTracker(IdentityOptions(min_duration=min_duration, every=search.stride, fill=0))
    count = len(search.finds)
    for at, finds in enumerate(search.finds):
        tracker.add(search.image(at), [Detection(f.mask, f.sighting.quality, f.sighting.colour) for f in finds])
        yield Progress(phase="find", done=2 * count + at + 1, total=3 * count)
    return [
        Tracklet(tuple(search.finds[at][index].sighting for at, index in one.seen.items())) for one in tracker.people()
    ]
