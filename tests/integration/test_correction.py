"""A correction changes only the frames it should, in the tracks and in the layers; undo brings every byte back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from vimatte.engine.matting.lite import Lite
from vimatte.engine.tracks import TrackSet

from support.cli_runner import vim_batch, vimatte

HEIGHT, WIDTH, FIRST, COUNT = 72, 128, 1001, 20
KEYS = (1001, 1010, 1020)
"""Frames on which the artist masked everybody."""
FIXED = 1005


def figure(frame: int, *, row: int) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    middle = 25 + 3 * (frame - FIRST) if row == 0 else 100 - (frame - FIRST)
    return ((x - middle) / 9.0) ** 2 + ((y - (22 if row == 0 else 52)) / 15.0) ** 2 < 1


@dataclass(frozen=True)
class Clip:
    shot: Path
    masks: Path


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Clip:
    folder = tmp_path_factory.mktemp("clip")
    noise = np.random.default_rng(3)
    wall = cv2.GaussianBlur(noise.uniform(60, 200, (HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 2)
    (folder / "shot").mkdir()
    for frame in range(FIRST, FIRST + COUNT):
        picture = wall.copy()
        for row, name in enumerate(("anna", "bruno")):
            mask = figure(frame, row=row)
            picture[mask] = ((40, 60, 210), (190, 150, 30))[row]
            if frame in KEYS:
                (folder / "masks" / name).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / "masks" / name / f"{frame}.png"), mask.astype(np.uint8) * 255)
        picture = cv2.GaussianBlur(picture, (0, 0), 0.8) + noise.normal(0, 2, picture.shape)
        cv2.imwrite(str(folder / "shot" / f"shot.{frame}.png"), np.clip(picture, 0, 255).astype(np.uint8))
    return Clip(folder / "shot" / "shot.####.png", folder / "masks")


@pytest.fixture(scope="module")
def tracked(clip, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tracked") / "shot.tracks"
    run = vimatte("track", clip.shot, "--masks", clip.masks, "--out", folder, "--quiet")
    assert run.code == 0, run.err
    return folder


@pytest.fixture
def tracks(tracked, tmp_path) -> Path:
    """A copy that a test may edit."""
    TrackSet.load(tracked).save(tmp_path / "shot.tracks")
    return tmp_path / "shot.tracks"


@pytest.fixture
def painted(tmp_path) -> Path:
    """Anna without her right half: unlike anything propagation would say."""
    mask = figure(FIXED, row=0)
    mask[:, 25 + 3 * (FIXED - FIRST) :] = False
    cv2.imwrite(str(tmp_path / "m.png"), mask.astype(np.uint8) * 255)
    return tmp_path / "m.png"


def fix(tracks: Path, clip: Clip, painted: Path, *more: str):
    return vimatte(
        "tracks", "fix", tracks, "--shot", clip.shot, "--frame", str(FIXED), "--mask", painted, "--quiet", *more
    )


def matted(clip: Clip, tracks: Path, out: Path, *more: str) -> dict[str, str]:
    """Run the mattes; frame -> 'kept' or 'written'."""
    run = vim_batch(clip.shot, "--tracks", tracks, "--out", out / "layers.exr", "--cryptomatte", "--json", *more)
    assert run.code == 0, run.out
    events = [json.loads(line) for line in run.out.splitlines()]
    return {e["frame"]: "kept" if e["kept"] else "written" for e in events if e["event"] == "frame"}


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def masks_of(folder: Path) -> dict[tuple[str, int], str]:
    found = TrackSet.load(folder)
    return {
        (i.name, f): hashlib.sha256(found.masks[i.id][f].counts.tobytes()).hexdigest() if f in found.masks[i.id] else ""
        for i in found.instances
        for f in found.frames
    }


def test_a_correction_changes_only_the_frames_it_should(clip, tracks, painted, tmp_path):
    out = tmp_path / "out"
    before, tracks_before = masks_of(tracks), hashes(tracks)
    assert set(matted(clip, tracks, out).values()) == {"written"}
    layers_before = hashes(out)

    run = fix(tracks, clip, painted, "--name", "anna")
    assert run.code == 0, run.err
    assert "1002-1009" in run.out
    after = masks_of(tracks)
    changed = {where for where in after if after[where] != before[where]}
    assert ("anna", FIXED) in changed
    assert changed <= {("anna", f) for f in range(1002, 1010)}, (
        "the reach ends at the next keyframes; bruno is elsewhere"
    )
    assert TrackSet.load(tracks).keys[1] == (1001, FIXED, 1010, 1020)

    frames = {f for _, f in changed}
    near = {f for f in range(FIRST, FIRST + COUNT) if any(abs(f - c) <= Lite.reach for c in frames)}
    redone = matted(clip, tracks, out, "--resume")
    assert {f for f, how in redone.items() if how == "written"} == near
    assert near < set(redone)
    resumed = hashes(out)
    same = {name for name in resumed if resumed[name] == layers_before[name]}
    assert {f"layers.{f}.exr" for f in set(redone) - near} <= same
    assert f"layers.{FIXED}.exr" not in same

    fresh = tmp_path / "fresh"
    matted(clip, tracks, fresh)
    assert resumed == hashes(fresh), "resumed after a correction: byte for byte a fresh run"

    assert vimatte("tracks", "undo", tracks).code == 0
    assert hashes(tracks) == tracks_before
    assert not tracks.with_name("shot.tracks.1").exists()
    undone = matted(clip, tracks, out, "--resume")
    assert {f for f, how in undone.items() if how == "written"} == near
    assert hashes(out) == layers_before


def test_a_changed_header_redoes_every_frame(clip, tracks, tmp_path):
    out = tmp_path / "out"
    matted(clip, tracks, out, "--matting", "masks")
    assert vimatte("tracks", "cut", tracks, "bruno", "--frames", "1015-1020").code == 0
    redone = matted(clip, tracks, out, "--matting", "masks", "--resume")
    assert set(redone.values()) == {"written"}, "bruno's last frame is said in every header"
    assert vimatte("tracks", "cut", tracks, "bruno", "--frames", "1006-1007").code == 0
    redone = matted(clip, tracks, out, "--matting", "masks", "--resume")
    assert {f for f, how in redone.items() if how == "written"} == {1006, 1007}


def test_cut_stays_cut_when_the_person_is_corrected_later(clip, tracks, painted):
    run = vimatte("tracks", "cut", tracks, "anna", "--frames", "1007-1008")
    assert run.code == 0, run.err
    assert "1007-1008" in run.out
    assert fix(tracks, clip, painted, "--name", "anna").code == 0
    assert not {1007, 1008} & set(TrackSet.load(tracks).presence(1))
    assert [p.name for p in sorted(tracks.parent.glob("shot.tracks*"))] == [
        "shot.tracks",
        "shot.tracks.1",
        "shot.tracks.2",
    ]


def test_a_new_name_adds_a_person(clip, tracks, tmp_path):
    cv2.imwrite(str(tmp_path / "wall.png"), np.pad(np.full((20, 20), 255, np.uint8), ((0, 52), (54, 54))))
    run = vimatte(
        *("tracks", "fix", tracks, "--shot", clip.shot, "--frame", "1001", "--mask", tmp_path / "wall.png"),
        *("--name", "carla", "--out", tmp_path / "more.tracks", "--json"),
    )
    assert run.code == 0, run.err
    said = json.loads(run.out.splitlines()[-1])
    assert (said["event"], said["id"], said["name"], said["reach"]) == ("corrected", 3, "carla", "1001-1020")
    assert TrackSet.load(tmp_path / "more.tracks").names == ("anna", "bruno", "carla")
    assert TrackSet.load(tracks).names == ("anna", "bruno"), "--out leaves the old ones alone"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frame", "1005", "--name", "anna"], "in one way"),
        (["--frame", "1005", "--name", "anna", "--not", "3,4"], "is not enough"),
        (["--frame", "1005", "--name", "anna", "--click", "3"], "takes X,Y"),
        (["--frame", "1005", "--name", "anna", "--click", "3,nan"], "takes X,Y"),
        (["--frame", "1005", "--name", "anna", "--box", "9,9,3,3"], "takes X0,Y0,X1,Y1"),
        (["--frame", "1050", "--name", "anna", "--click", "3,4"], "was not tracked"),
        (["--frame", "1005", "--name", "7th", "--mask", "MASK"], "7th"),
        (["--frame", "1005", "--name", "anna", "--mask", "nowhere.png"], "nowhere.png"),
    ],
)
def test_wrong_corrections_say_what_to_type(clip, tracks, painted, arguments, said, tmp_path, monkeypatch):
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "none"))
    before = hashes(tracks)
    arguments = [str(painted) if a == "MASK" else a for a in arguments]
    run = vimatte("tracks", "fix", tracks, "--shot", clip.shot, *arguments)
    assert run.code in (2, 3)
    assert said in run.err
    assert run.err.count("\n") == 1
    assert hashes(tracks) == before


def test_clicks_without_weights_say_how_to_fetch_them(clip, tracks, tmp_path, monkeypatch):
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "none"))
    run = vimatte("tracks", "fix", tracks, "--shot", clip.shot, "--frame", "1005", "--name", "anna", "--click", "30,20")
    assert run.code == 4
    assert "vimatte weights pull mobile_sam" in run.err


def test_undo_without_an_edit_says_so(tracks):
    run = vimatte("tracks", "undo", tracks)
    assert run.code == 2
    assert "nothing to undo" in run.err
