"""The main job on small shots: what lands in the files is what the contract says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from support import cli_runner as runner
from support import faults


def read(path: Path) -> tuple[oiio.ImageSpec, dict[str, np.ndarray]]:
    image = oiio.ImageInput.open(str(path))
    spec = image.spec()
    pixels = image.read_image("float")
    image.close()
    return spec, {n: pixels[..., i] for i, n in enumerate(spec.channelnames)}


def _two_people(folder: Path, *, frames: int = 3) -> str:
    """Two blobs that touch, on a ground with values above 1 and below 0; masks of both on the first frame."""
    height, width = 72, 96
    rng = np.random.default_rng(7)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    for n in range(1001, 1001 + frames):
        plate = rng.normal(0.2, 0.02, (height, width, 3)).astype(np.float32)
        plate[:8] = 7.5
        plate[8:12] = -0.25
        for centre, colour in ((34 + n - 1001, (0.7, 0.3, 0.2)), (60 + n - 1001, (0.2, 0.35, 0.8))):
            reach = np.sqrt(((xs - centre) / 12) ** 2 + ((ys - 44) / 22) ** 2)
            soft = np.clip((1 - reach) * 4 + 0.5, 0, 1)[..., None]
            plate = (1 - soft) * plate + soft * np.array(colour, np.float32)
        faults.write_image(folder / f"plate.{n}.exr", plate)
    for name, centre in (("anna", 34), ("bruno", 60)):
        mask = ((xs - centre) / 12) ** 2 + ((ys - 44) / 22) ** 2 < 1
        faults.write_image(folder / "masks" / name / "1001.png", mask[..., None].astype(np.float32), "uint8")
    return str(folder / "plate.####.exr")


def test_layers_keep_the_contract(tmp_path):
    shot = _two_people(tmp_path)
    run = runner.vim_batch(shot, "--out", tmp_path / "layers.exr", "--masks", tmp_path / "masks", "--name", "2=bob")
    assert run.code == 0, run.err
    for n in (1001, 1002, 1003):
        spec, channels = read(tmp_path / f"layers.{n}.exr")
        assert list(channels) == ["R", "G", "B", "A", "anna.A", "bob.A"]
        assert (spec.width, spec.height, spec.x, spec.y) == (96, 72, 0, 0)
        _, plate = read(tmp_path / f"plate.{n}.exr")
        for c in "RGB":
            assert np.array_equal(channels[c], plate[c]), "the plate passes through bit-exact"
        alphas = np.stack([channels["anna.A"], channels["bob.A"]])
        assert alphas.min() >= 0
        assert alphas.sum(axis=0).max() <= 1
        assert np.array_equal(channels["A"], alphas.sum(axis=0))
        assert (alphas == 1).any(axis=(1, 2)).all()
        assert (alphas == 0).any(axis=(1, 2)).all()
        table = json.loads(spec.getattribute("vimatte/instances"))
        assert [(row["id"], row["name"]) for row in table] == [(1, "anna"), (2, "bob")]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--no-plate"], ["anna.A", "bruno.A"]),
        (
            ["--layers", "rgba", "--no-plate"],
            ["anna.R", "anna.G", "anna.B", "anna.A", "bruno.R", "bruno.G", "bruno.B", "bruno.A"],
        ),
    ],
)
def test_what_is_written_can_be_chosen(tmp_path, more, expected):
    shot = _two_people(tmp_path, frames=1)
    run = runner.vim_batch(shot, "--out", tmp_path / "layers.exr", "--masks", tmp_path / "masks", *more)
    assert run.code == 0, run.err
    _, channels = read(tmp_path / "layers.1001.exr")
    # OpenEXR keeps channels by name; the reader gives R,G,B,A order within a layer.
    assert sorted(channels) == sorted(expected)


def test_rgba_layers_and_background_add_up_to_the_plate(tmp_path):
    shot = _two_people(tmp_path, frames=1)
    out = tmp_path / "layers.exr"
    assert runner.vim_batch(shot, "--out", out, "--masks", tmp_path / "masks", "--layers", "rgba").code == 0
    _, channels = read(tmp_path / "layers.1001.exr")
    assert ((channels["anna.A"] > 0.2) & (channels["anna.A"] < 0.8)).any(), "needs soft edges to mean anything"
    for c in "RGB":
        people = channels[f"anna.{c}"] + channels[f"bruno.{c}"]
        assert np.abs(people - channels[c])[channels["A"] == 1].max() < 0.01
        assert np.abs(people[channels["A"] == 0]).max() == 0
    # Premultiplied once, not twice: at half coverage anna's red over her alpha is still her own red.
    soft = (channels["anna.A"] > 0.4) & (channels["anna.A"] < 0.6) & (channels["bruno.A"] == 0)
    if soft.any():
        own = channels["anna.R"][soft] / channels["anna.A"][soft]
        assert abs(float(np.median(own)) - 0.7) < 0.15


def test_an_absent_person_is_zeros_and_never_a_missing_channel(tmp_path):
    shot = _two_people(tmp_path)
    for n in (1002, 1003):
        mask = np.zeros((72, 96, 1), np.float32)
        faults.write_image(tmp_path / "masks" / "bruno" / f"{n}.png", mask, "uint8")
        faults.write_image(
            tmp_path / "masks" / "anna" / f"{n}.png", (np.indices((72, 96))[1] < 40)[..., None].astype("f4"), "uint8"
        )
    run = runner.vim_batch(shot, "--out", tmp_path / "layers.exr", "--masks", tmp_path / "masks")
    assert run.code == 0, run.err
    _, channels = read(tmp_path / "layers.1003.exr")
    assert not channels["bruno.A"].any()
    assert channels["anna.A"].any()


def test_saved_tracks_are_used_again(tmp_path):
    shot = _two_people(tmp_path)
    tracks = tmp_path / "shot.tracks"
    assert runner.vimatte("track", shot, "--out", tracks, "--masks", tmp_path / "masks").code == 0
    assert runner.vimatte("tracks", "rename", tracks, "1=front").code == 0
    assert runner.vimatte("tracks", "drop", tracks, "bruno").code == 0
    assert runner.vimatte("matte", shot, "--tracks", tracks, "--out", tmp_path / "layers.exr").code == 0
    _, channels = read(tmp_path / "layers.1002.exr")
    assert list(channels) == ["R", "G", "B", "A", "front.A"]
    shown = runner.vimatte("tracks", "show", tracks)
    assert "front" in shown.out
    assert "1001-1003" in shown.out


def test_dry_run_writes_nothing(tmp_path):
    shot = _two_people(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    run = runner.vim_batch(
        shot, "--out", tmp_path / "o" / "l.exr", "--masks", tmp_path / "masks", "--dry-run", "--json"
    )
    assert run.code == 0, run.err
    lines = dict(json.loads(run.out.splitlines()[0])["lines"])
    assert lines["frames"].startswith("1001-1003")
    assert "l.1001.exr" in lines["files"]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_job_file_is_the_same_job(tmp_path):
    shot = _two_people(tmp_path, frames=2)
    job = tmp_path / "job.toml"
    job.write_text(f'shot = "{Path(shot).name}"\nout = "layers.exr"\nmasks = "masks"\nplate = false\n')
    run = runner.vim_batch("--job", job, "--frames", "1002-1002", "--name", "1=front")
    assert run.code == 2, "masks are on frame 1001 only"
    run = runner.vim_batch("--job", job, "--name", "1=front")
    assert run.code == 0, run.err
    _, channels = read(tmp_path / "layers.1002.exr")
    assert list(channels) == ["bruno.A", "front.A"] or list(channels) == ["front.A", "bruno.A"]


def test_machine_output_is_one_json_object_a_line(tmp_path):
    shot = _two_people(tmp_path, frames=2)
    run = runner.vim_batch(shot, "--out", tmp_path / "l.exr", "--masks", tmp_path / "masks", "--json", "--preview")
    events = [json.loads(line) for line in run.out.splitlines()]
    assert events[0]["event"] == "planned"
    assert [e["frame"] for e in events if e["event"] == "frame"] == [1001, 1002]
    assert events[-1]["event"] == "done"
    for path in (events[-1]["files"]["preview"], events[-1]["files"]["contact sheet"]):
        assert Path(path).stat().st_size > 1000


def test_a_still_writes_exactly_the_name_typed(tmp_path):
    _two_people(tmp_path, frames=1)
    still = tmp_path / "still" / "photo.exr"
    still.parent.mkdir()
    (tmp_path / "plate.1001.exr").rename(still)
    (tmp_path / "masks" / "anna" / "1001.png").rename(tmp_path / "anna.png")
    run = runner.vim_batch(still, "--out", tmp_path / "layers.exr", "--masks", tmp_path / "anna.png")
    assert run.code == 0, run.err
    assert (tmp_path / "layers.exr").is_file()


def test_python_api_does_the_same(tmp_path):
    from vimatte.engine import backends, matte_instances, open_clip, track_instances, write_mattes

    shot_path = _two_people(tmp_path, frames=2)
    assert runner.vim_batch(shot_path, "--out", tmp_path / "cli.exr", "--masks", tmp_path / "masks").code == 0
    assert {"classical", "lite"} <= set(backends()["matting"])
    with open_clip(shot_path) as shot:
        tracks = track_instances(shot, masks=tmp_path / "masks", device="cpu")
        mattes = matte_instances(shot, tracks, device="cpu")
        paths = list(write_mattes(mattes, str(tmp_path / "api.exr"), shot=shot, tracks=tracks))
    for path in paths:
        _, ours = read(path)
        _, theirs = read(tmp_path / path.name.replace("api", "cli"))
        assert all(np.array_equal(ours[c], theirs[c]) for c in theirs)


def test_chunks_from_saved_tracks_are_byte_identical_to_one_run(tmp_path):
    shot = _two_people(tmp_path, frames=5)
    tracks = tmp_path / "shot.tracks"
    assert runner.vimatte("track", shot, "--out", tracks, "--masks", tmp_path / "masks").code == 0
    whole = runner.vimatte("matte", shot, "--tracks", tracks, "--out", tmp_path / "whole" / "layers.exr")
    assert whole.code == 0, whole.err
    for chunk in ("1004-1005", "1001-1002", "1003-1003"):
        out = tmp_path / "chunks" / "layers.exr"
        run = runner.vimatte("matte", shot, "--tracks", tracks, "--out", out, "--frames", chunk, "--resume")
        assert run.code == 0, run.err
    for n in range(1001, 1006):
        one, other = (tmp_path / d / f"layers.{n}.exr" for d in ("whole", "chunks"))
        assert one.read_bytes() == other.read_bytes(), n
    beyond = runner.vimatte("matte", shot, "--tracks", tracks, "--out", tmp_path / "x.exr", "--frames", "1005-1006")
    assert beyond.code == 2
    assert "1006" in beyond.err


def test_frames_that_the_sequence_lacks_can_be_skipped_with_saved_tracks_too(tmp_path):
    shot = _two_people(tmp_path, frames=4)
    (tmp_path / "plate.1003.exr").unlink()
    tracks, masks = tmp_path / "shot.tracks", tmp_path / "masks"
    assert runner.vimatte("track", shot, "--out", tracks, "--masks", masks, "--missing", "skip").code == 0
    arguments = ("matte", shot, "--tracks", tracks, "--out", tmp_path / "layers.exr", "--frames", "1002-1004")
    run = runner.vimatte(*arguments, "--missing", "skip")
    assert run.code == 0, run.err
    assert sorted(p.name for p in tmp_path.glob("layers.*.exr")) == ["layers.1002.exr", "layers.1004.exr"]


def test_a_proxy_keeps_size_and_channels_and_is_close(tmp_path):
    shot = _two_people(tmp_path, frames=1)
    masks = tmp_path / "masks"
    assert runner.vim_batch(shot, "--out", tmp_path / "full.exr", "--masks", masks).code == 0
    assert runner.vim_batch(shot, "--out", tmp_path / "half.exr", "--masks", masks, "--proxy", "2").code == 0
    (_, full), (_, half) = read(tmp_path / "full.1001.exr"), read(tmp_path / "half.1001.exr")
    assert list(full) == list(half)
    assert np.array_equal(full["R"], half["R"])
    assert 0 < np.abs(full["anna.A"] - half["anna.A"]).mean() < 0.02
    refused = runner.vim_batch(shot, "--out", tmp_path / "third.exr", "--masks", masks, "--proxy", "3")
    assert refused.code == 2
    assert "1, 2, 4, 8" in refused.err


def test_clean_edges_are_for_the_finder_that_has_rough_ones(tmp_path):
    run = runner.vim_batch(
        _two_people(tmp_path), "--out", tmp_path / "a.exr", "--masks", tmp_path / "masks", "--clean-edges"
    )
    assert run.code == 2
    assert "--clean-edges is for people that 'blazepose' finds, here it is 'masks'" in " ".join(run.err.split())
