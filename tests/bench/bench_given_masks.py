"""Known people given now and then, nameless and shuffled, on real footage: do they come back as themselves?

    python tests/bench/bench_given_masks.py TRACKS [NAME…] [--every 2 5 8 12]

TRACKS holds a folder `NAME.tracks` for each clip of `real_footage.CLIPS` (by `vimatte track CLIP --out NAME.tracks`,
looked at): its masks stand in for what somebody gave. Prints, for each clip and step, how many people went in and
came out, how many masks found their person (those of the identity that holds most of them), and how many identities
hold masks of two.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from real_footage import CLIPS

from vimatte.engine import open_clip
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.flow import WorkingImage, working_size
from vimatte.engine.vis.identity import Detection, IdentityOptions, identify
from vimatte.engine.vis.propagation.frames import working_copy


def pictures(clip: Path, numbers: tuple[int, ...]) -> Iterator[WorkingImage]:
    with open_clip(clip, frames=f"{numbers[0]}-{numbers[-1]}") as shot:
        size = working_size(shot.info.width, shot.info.height, long_side=480)
        for _, picture in shot.pictures(numbers):
            yield working_copy(picture, *size)


def score(clip: Path, tracks: TrackSet, *, every: int) -> str:
    """One row of the table."""
    rng = np.random.default_rng(every)
    given: list[list[tuple[int, Detection]]] = []
    for at, number in enumerate(tracks.frames):
        there = [one for one in tracks.ids if at % every == 0 and number in tracks.masks[one]]
        order = rng.permutation(len(there))
        given.append([(there[k], Detection(tracks.masks[there[k]][number])) for k in order])
    people = identify(
        [[d for _, d in frame] for frame in given],
        pictures(clip, tracks.frames),
        options=IdentityOptions(every=every, fill=0),
    )
    whose = [Counter(given[at][k][0] for at, k in one.seen.items()) for one in people]
    total = Counter(who for frame in given for who, _ in frame)
    placed = sum(max((c[who] for c in whose), default=0) for who in total)
    mixed = sum(len(c) > 1 for c in whose)
    return f"{every} | {len(total)} | {len(people)} | {placed} of {total.total()} | {mixed}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracks", type=Path)
    parser.add_argument("names", nargs="*", default=list(CLIPS), metavar="NAME")
    parser.add_argument("--every", type=int, nargs="+", default=[2, 5, 8, 12])
    asked = parser.parse_args()
    print("| clip | every | people in | identities out | masks with their person | mixed |\n|---|---|---|---|---|---|")
    for name in asked.names:
        folder = asked.tracks / f"{name}.tracks"
        if not folder.is_dir():
            print(f"| {name} | (no {folder.name}) | | | | |")
            continue
        tracks = TrackSet.load(folder)
        for every in asked.every:
            print(f"| {name} | {score(CLIPS[name][0], tracks, every=every)} |", flush=True)


if __name__ == "__main__":
    main()
