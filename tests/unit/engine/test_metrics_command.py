"""`vimatte evaluate` from end to end on small files: what is matched, said and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.masks import Rle
from vimatte.engine.matting.masks import MaskMattes
from vimatte.engine.metrics import evaluate_layers
from vimatte.engine.metrics.error_picture import WorstFrame, error_map, error_picture
from vimatte.engine.metrics.layer_files import LayerFiles
from vimatte.engine.metrics.robustness import CORRUPTIONS, RobustnessScore, broken_tracks, robustness, true_tracks
from vimatte.engine.metrics.truth_files import TruthFolder
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import Instance, TrackSet

from support.cli_runner import vimatte
from support.pictures import write_picture

H, W = 48, 80
FRAMES = range(1001, 1006)


def person(frame: int, who: int) -> np.ndarray:
    """A disc with a soft rim that walks: 0 to the right, 1 to the left."""
    rows, columns = np.mgrid[:H, :W]
    x = 16 + 2 * (frame - 1001) if who == 0 else 62 - 2 * (frame - 1001)
    return np.clip((11.3 - np.hypot(rows - 24, columns - x)) / 3, 0, 1).astype(np.float32)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    for who, name in enumerate(("anna", "bruno")):
        (tmp_path / "truth" / name).mkdir(parents=True)
        for frame in FRAMES:
            write_picture(
                tmp_path / "truth" / name / f"{frame}.png",
                person(frame, who)[..., None],
                kind="uint16",
                channels=("Y",),
            )
    return tmp_path / "truth"


def layers(folder: Path, names: tuple[str, ...], *, plate: bool = True, frames: range = FRAMES) -> Path:
    """`names` are anna, bruno and whoever else; anna is exact but for frame 1003, bruno is at 90 %."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        planes = [person(frame, 0), 0.9 * person(frame, 1), *[np.eye(H, W, dtype=np.float32)] * (len(names) - 2)]
        if frame == 1003:
            planes[0] = np.roll(planes[0], 4, axis=1)
        pixels = np.dstack([*([np.full((H, W), 0.18, np.float32)] * 3 if plate else []), *planes[: len(names)]])
        channels = (*(("R", "G", "B") if plate else ()), *(f"{name}.A" for name in names))
        write_picture(folder / f"layers.{frame}.exr", np.ascontiguousarray(pixels), kind="half", channels=channels)
    return folder / "layers.exr"


class TestMatching:
    def test_by_name_even_where_overlap_says_otherwise(self, tmp_path: Path, truth: Path) -> None:
        swapped = layers(tmp_path, ("bruno", "anna"))
        score = evaluate_layers(str(swapped), truth)
        assert score.matched_by == "name"
        assert {name: p.layer for name, p in score.people.items()} == {"anna": "anna", "bruno": "bruno"}
        assert score.people["anna"].iou < 0.3
        assert "people matched by name" in score.table()
        by_overlap = evaluate_layers(str(swapped), truth, match="overlap")
        assert {name: p.layer for name, p in by_overlap.people.items()} == {"anna": "bruno", "bruno": "anna"}
        assert by_overlap.people["bruno"].errors.mad < score.people["bruno"].errors.mad

    def test_by_overlap_where_names_say_nothing(self, tmp_path: Path, truth: Path) -> None:
        pattern = layers(tmp_path, ("person_01", "person_02"))
        assert evaluate_layers(str(pattern), truth).matched_by == "overlap"
        with pytest.raises(ConfigError, match=r"No layer is called like a true person: .* type --match overlap"):
            evaluate_layers(str(pattern), truth, match="name")

    def test_what_is_missing_and_who_is_too_many_is_said(self, tmp_path: Path, truth: Path) -> None:
        pattern = layers(tmp_path, ("anna", "bruno", "lamp"), frames=range(1002, 1008))
        score = evaluate_layers(str(pattern), truth)
        assert score.notes == (
            "The result lacks frames 1001, of which there is truth: they are not scored.",
            "There is no truth of frames 1006-1007: they are not scored.",
            "Layers that are nobody in the truth: lamp; they lower VIMQ and IMQ only.",
        )
        assert all(note in score.table() for note in score.notes)
        paper = score.vimq[0]
        assert (len(paper.hits), paper.definition) == (2, "as_paper")
        assert paper.rq < 2 / 2.5 + 1e-9

    def test_who_has_no_layer_is_said(self, tmp_path: Path, truth: Path) -> None:
        for frame in FRAMES:
            pixels = person(frame, 0)[..., None]
            write_picture(tmp_path / f"one.{frame}.exr", pixels, kind="half", channels=("anna.A",))
        score = evaluate_layers(str(tmp_path / "one.exr"), truth)
        assert score.notes == ("No layer is left for bruno: an empty matte is judged.",)
        missed = np.mean([person(f, 1).mean() for f in FRAMES])
        assert score.people["bruno"].errors.mad == pytest.approx(missed, rel=1e-3)

    def test_another_size_is_refused(self, tmp_path: Path, truth: Path) -> None:
        pixels = np.zeros((24, 40, 1), np.float32)
        write_picture(tmp_path / "small.1001.exr", pixels, kind="half", channels=("anna.A",))
        with pytest.raises(MediaError, match="is 80x48, what it judges is 40x24; use one size"):
            evaluate_layers(str(tmp_path / "small.####.exr"), truth)


class TestCommand:
    def test_json_has_every_metric_and_its_definition(self, tmp_path: Path, truth: Path) -> None:
        run = vimatte("evaluate", "--pred", layers(tmp_path, ("anna", "bruno")), "--truth", truth, "--json")
        assert run.code == 0, run.err
        found = json.loads(run.out)
        assert found["definition"] == "as_paper"
        assert found["people"]["anna"]["worst_frames"][0] == 1003
        assert found["people"]["bruno"]["mad"] == pytest.approx(
            0.1 * np.mean([person(f, 1).mean() for f in FRAMES]), rel=2e-3
        )
        assert [s["definition"] for s in (*found["vimq"], *found["imq"])] == ["as_paper", "as_published_code"] * 2
        assert {"MAD", "MAD_fg", "MAD_unk", "MESSDdt", "dtSSD_unk"} <= found["as_published_code"].keys()

    def test_one_definition(self, tmp_path: Path, truth: Path) -> None:
        pred = layers(tmp_path, ("anna", "bruno"))
        run = vimatte("evaluate", "--pred", pred, "--truth", truth, "--definition", "as_paper")
        assert "as_published_code" not in run.out
        assert "as_paper" in run.out

    @pytest.mark.parametrize("plate", [True, False])
    def test_a_picture_of_the_worst_frames(self, tmp_path: Path, truth: Path, plate: bool) -> None:
        pred, out = layers(tmp_path, ("anna", "bruno"), plate=plate), tmp_path / "seen" / "errors.png"
        run = vimatte("evaluate", "--pred", pred, "--truth", truth, "--picture", out)
        assert run.code == 0, run.err
        with Image.open(out) as image:
            pixels = np.asarray(image.convert("RGB"), np.int32)
        # Anna stands too far right on frame 1003: both colours of error are there.
        orange = (pixels[..., 0] > 220) & (pixels[..., 2] < 100)
        blue = (pixels[..., 2] > 220) & (pixels[..., 0] < 110)
        assert orange.sum() > 100
        assert blue.sum() > 100

    def test_tracks_have_j_and_f_and_idf1(self, tmp_path: Path, truth: Path) -> None:
        masks = {i + 1: {f: Rle.encode(person(f, i) > 0.5) for f in FRAMES} for i in range(2)}
        people = tuple(Instance(id=i, name=f"person_{i:02d}") for i in masks)
        tracks = TrackSet(width=W, height=H, frames=tuple(FRAMES), instances=people, masks=masks)
        tracks.split(2, 1004).save(tmp_path / "shot.tracks")
        run = vimatte("evaluate", "--tracks", tmp_path / "shot.tracks", "--truth", truth, "--json")
        found = json.loads(run.out)
        # Bruno is somebody else on two of five frames: 5 + 3 right, 2 false, 2 missed.
        assert found["idf1"] == pytest.approx(2 * 8 / (2 * 8 + 2 + 2))
        assert found["switches"] == 1
        assert found["people"]["anna"]["f"] == pytest.approx(1.0, abs=0.02)
        assert found["people"]["bruno"]["f"] == pytest.approx(3 / 5, abs=0.02)
        mean = found["mean"]
        assert mean["j_and_f"] == pytest.approx((mean["j"] + mean["f"]) / 2)
        table = vimatte("evaluate", "--tracks", tmp_path / "shot.tracks", "--truth", truth).out
        assert "J&F" in table
        assert "IDF1 0.800" in table

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--pred", "a.exr"], "give --truth FOLDER"),
            (["--truth", "t"], "Give one of --pred"),
            (["--benchmark", "vim50"], "give --root FOLDER and --model NAME"),
            (["--truth", "t", "--pred", "a.exr", "--robustness"], "Give one of --pred"),
            (["--truth", "t", "--robustness"], "give --shot SHOT and --model NAME"),
            (["--truth", "t", "--tracks", "a.tracks", "--picture", "b.png"], "--picture has no part in --tracks"),
            (["--benchmark", "vim50", "--seed", "2"], "--seed has no part in --benchmark"),
        ],
    )
    def test_refusals(self, arguments: list[str], said: str) -> None:
        run = vimatte("evaluate", *arguments)
        assert run.code == 2
        assert said in run.err


class TestErrorMap:
    def test_colours(self) -> None:
        matte, truth = np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32)
        matte[0, 0], truth[0, 1] = 0.5, 1.0
        painted = error_map(matte, truth=truth)
        assert painted[0, 0].tolist() == [255, 96, 48]
        assert painted[0, 1].tolist() == [64, 156, 255]
        assert painted[0, 2].max() < 20

    def test_a_person_who_is_nowhere(self) -> None:
        nowhere = np.zeros((30, 50), np.float32)
        one = WorstFrame(person="anna", layer=None, frame=1, mad=0.0, picture=None, matte=nowhere, truth=nowhere)
        assert error_picture([one], title="nobody").ndim == 3

    def test_layers_without_a_plate_are_known(self, tmp_path: Path) -> None:
        pattern = layers(tmp_path, ("anna", "bruno"), plate=False)
        assert not LayerFiles.open(pattern, still=1).has_plate


class TestRobustness:
    @pytest.fixture
    def shot(self) -> MemoryShot:
        return MemoryShot([np.full((H, W, 3), 0.5, np.float32)] * len(FRAMES))

    def test_masks_are_broken_by_the_seed_alone(self, shot: MemoryShot, truth: Path) -> None:
        true = true_tracks(shot, TruthFolder.open(truth))
        assert np.array_equal(true.mask(2, 1004), person(1004, 1) > 0.5)
        for name in CORRUPTIONS:
            one, two, other = (broken_tracks(true, name, amount=0.5, seed=s).digest() for s in (7, 7, 8))
            assert one == two != other
            assert one != true.digest()

    def test_the_more_is_broken_the_worse_is_a_model_that_trusts_its_masks(
        self, shot: MemoryShot, truth: Path, tmp_path: Path
    ) -> None:
        model = MaskMattes(device="cpu")
        args = {"amounts": (0.5, 1.0), "corruptions": ("salt and pepper", "shift")}
        trials = tuple(robustness(model, shot, TruthFolder.open(truth), **args))  # type: ignore[arg-type]
        score = RobustnessScore(model="masks", frames="1001-1005", seed=0, trials=trials)
        assert [(t.corruption, t.amount) for t in trials] == [
            ("none", 0.0),
            ("salt and pepper", 0.5),
            ("salt and pepper", 1.0),
            ("shift", 0.5),
            ("shift", 1.0),
        ]
        clean, little, much = (trials[i].score.vimq["mse"] for i in (0, 3, 4))
        assert clean > little > much > trials[2].score.vimq["mse"]
        assert score.clean.rq == 1.0
        assert score.table().splitlines()[2].split()[:3] == ["none", "0", "100.00"]
        assert "as_published_code" in score.table()
        assert json.loads(json.dumps(score.to_dict()))["trials"][1]["amount"] == 0.5

    def test_the_command_draws_curves(self, truth: Path, tmp_path: Path) -> None:
        for frame in FRAMES:
            (tmp_path / "plate").mkdir(exist_ok=True)
            write_picture(tmp_path / "plate" / f"p.{frame}.png", np.full((H, W, 3), 0.5, np.float32), kind="uint8")
        out = tmp_path / "curves.png"
        arguments = ["--shot", tmp_path / "plate", "--truth", truth, "--model", "masks", "--frames", "1001-1003"]
        run = vimatte("evaluate", "--robustness", *arguments, "--amounts", "0.5", "--picture", out, "--device", "cpu")
        assert run.code == 0, run.err
        assert "frames 1001-1003, seed 0" in run.out
        assert len(run.out.splitlines()) == 3 + len(CORRUPTIONS)
        with Image.open(out) as image:
            assert image.size == (1120, 640)
        bad = vimatte("evaluate", "--robustness", *arguments, "--amounts", "2")
        assert bad.code == 2
        assert "--amounts takes numbers above 0" in bad.err
