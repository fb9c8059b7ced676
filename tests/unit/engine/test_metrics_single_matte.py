"""Sets of one matte a clip: their errors worked out, their folders, and several people scored as one."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from vimatte.cli.evaluate import evaluate
from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.metrics.benchmarks import BENCHMARKS, run_benchmark
from vimatte.engine.metrics.benchmarks.crgnn import crgnn
from vimatte.engine.metrics.benchmarks.single_sets import SINGLE_SETS
from vimatte.engine.metrics.benchmarks.videomatte import videomatte
from vimatte.engine.metrics.single_matte import SingleMatteMeter, gradient_error_of_one
from vimatte.engine.testing.matting_contract import crossing_shot

from support.benchmark_folders import Hard, box, plate, save
from support.cli_runner import vimatte

SMALL, FRAMES = (512, 288), 3
SPLITS = ("videomatte_motion", "videomatte_static")


def person(t: int, who: int = 0) -> np.ndarray:
    """One of two boxes that walk a pixel a frame, in a picture of 512x288."""
    return box(20 + 40 * who + t, height=SMALL[1], width=SMALL[0])


@pytest.fixture
def vm(tmp_path: Path) -> Path:
    """RVM's set: two splits of one clip each; the second clip's matte is of two people."""
    root = tmp_path / "videomatte_512x288"
    for people, split in enumerate(SPLITS, start=1):
        for t in range(FRAMES):
            plate(root / split / "0000" / "com" / f"{t:04d}.png", height=SMALL[1], width=SMALL[0])
            save(root / split / "0000" / "pha" / f"{t:04d}.png", sum(person(t, who) for who in range(people)))
    return root


def figures(found: object) -> dict[str, float]:
    (part,) = found.parts  # type: ignore[attr-defined]
    return dict(zip(part.heads, part.figures, strict=True))


class TestMeter:
    def test_of_a_matte_that_is_too_thin_on_the_second_frame(self) -> None:
        truth = np.zeros((10, 20), np.float32)
        truth[2:6, 5:10] = 1
        meter = SingleMatteMeter(stretched=False)
        meter.add(truth, truth=truth)
        meter.add(0.5 * truth, truth=truth)
        found = meter.result()
        share = 20 / 200
        assert found["MAD"] == pytest.approx(1e3 * 0.5 * share / 2)
        assert found["MSE"] == pytest.approx(1e3 * 0.25 * share / 2)
        # Every pixel's level is 0.5: the matte is on it, the truth half above.
        assert found["Conn"] == pytest.approx(0.5 * 20 / 1000 / 2)
        # The first frame counts as 0.
        assert found["dtSSD"] == pytest.approx(1e2 * 0.5 * math.sqrt(share) / 2)

    @pytest.mark.parametrize("stretched", [False, True])
    def test_gradient_against_a_convolution(self, stretched: bool) -> None:
        draw = np.random.default_rng(4)
        p, g = (draw.uniform(0.2, 0.7, (24, 30)).astype(np.float32) for _ in range(2))
        at = np.arange(-4, 5)
        gauss = np.exp(-(at**2) / (2 * 1.4**2))
        kernel = np.outer(gauss, -at * gauss)
        kernel /= np.linalg.norm(kernel)

        def magnitude(alpha: np.ndarray) -> np.ndarray:
            alpha = alpha.astype(np.float64)
            if stretched:
                alpha = (alpha - alpha.min()) / (alpha.max() - alpha.min())
            return np.hypot(*(ndimage.correlate(alpha, k, mode="nearest") for k in (kernel, kernel.T)))

        expected = ((magnitude(p) - magnitude(g)) ** 2).sum() / 1000
        assert gradient_error_of_one(p, truth=g, stretched=stretched) == pytest.approx(expected, rel=1e-9)

    def test_stretching(self) -> None:
        truth = box(20)[..., 0]
        assert gradient_error_of_one(0.5 * truth, truth=truth, stretched=True) == pytest.approx(0.0, abs=1e-12)
        assert gradient_error_of_one(0.5 * truth, truth=truth, stretched=False) > 0.01
        flat = np.full_like(truth, 0.5)
        assert gradient_error_of_one(flat, truth=np.zeros_like(truth), stretched=True) == 0

    def test_only_what_is_asked_for(self) -> None:
        meter = SingleMatteMeter(("MAD", "dtSSD"), stretched=True)
        assert dict(meter.result()) == pytest.approx({"MAD": math.nan, "dtSSD": math.nan}, nan_ok=True)
        with pytest.raises(ValueError, match=r"the matte is \(4, 5\), the truth \(5, 4\)"):
            meter.add(np.zeros((4, 5), np.float32), truth=np.zeros((5, 4), np.float32))


class TestVideomatte:
    def test_masks_of_the_truth_are_one_person(self, vm: Path) -> None:
        model = Hard()
        found = run_benchmark("vm-512", vm, model)
        assert figures(found) == pytest.approx(dict.fromkeys(("MAD", "MSE", "Grad", "Conn", "dtSSD"), 0.0))
        assert model.people == [1, 1]
        lines = found.table().splitlines()
        assert "masks of the TRUTH" in lines[0]
        assert lines[2].endswith("all people as one matte, their sum (2 scored)")
        row = next(line for line in lines if line.startswith("VMFormer"))
        assert row.split() == ["VMFormer", "6.02", "1.00", "0.75", "0.37", "-"]
        assert lines[-1].startswith("> hard")
        published = json.loads(json.dumps(found.to_dict(), allow_nan=False))["parts"][0]["published"]
        assert published["OAVM"]["Grad"] == 0.57
        assert published["VMFormer"]["dtSSD"] is None

    def test_several_people_are_scored_as_their_sum(self, vm: Path, tmp_path: Path) -> None:
        masks = tmp_path / "masks"
        for t in range(FRAMES):
            save(masks / SPLITS[0] / "0000" / "anna" / f"{t:04d}.png", person(t))
            for who, name in enumerate(("anna", "bruno")):
                save(masks / SPLITS[1] / "0000" / name / f"{t:04d}.png", person(t, who))
        model = Hard()
        found = run_benchmark("vm-512", vm, model, masks=masks)
        assert model.people == [1, 2]
        assert figures(found)["MAD"] == 0
        assert found.masks == f"masks from {masks}"

    def test_who_is_claimed_twice_counts_once(self, vm: Path, tmp_path: Path) -> None:
        masks = tmp_path / "masks"
        for split in SPLITS:
            for name in ("anna", "bruno"):
                for t in range(FRAMES):
                    save(masks / split / "0000" / name / f"{t:04d}.png", person(t))
        found = run_benchmark("vm-512", vm, Hard(), masks=masks)
        # One clip is right; of the other, half of the people, whom two masks do not make opaque twice, are missed.
        assert figures(found)["MAD"] == pytest.approx(1e3 * person(0).mean() / 2)

    def test_mattes_are_stored_in_8_bits_where_the_authors_did(self, vm: Path) -> None:
        class Soft(Hard):
            def mattes(self, shot, tracks, frames):  # type: ignore[no-untyped-def]
                for matte in super().mattes(shot, tracks, frames):
                    matte.alphas[:] *= 0.9995
                    yield matte

        stored, exact = (figures(run_benchmark(name, vm, Soft())) for name in ("vm-512", "vmformer-512"))
        covered = (person(0).mean() + 2 * person(0).mean()) / 2
        assert stored["MAD"] == pytest.approx(1e3 * covered / 255, rel=1e-4)
        assert exact["MAD"] == pytest.approx(1e3 * covered * 0.0005, rel=1e-3)

    def test_the_large_sets_have_no_conn(self, tmp_path: Path) -> None:
        for name in ("com", "pha"):
            make = box(900, height=1080, width=1920) if name == "pha" else np.full((1080, 1920, 3), 0.4, np.float32)
            save(tmp_path / "videomatte_motion" / "0000" / name / "0000.jpg", make)
        found = run_benchmark("vm-1080", tmp_path, Hard())
        assert list(figures(found)) == ["MAD", "MSE", "Grad", "dtSSD"]
        assert figures(found)["MAD"] < 0.1

    def test_refusals(self, vm: Path, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match=r"There are no clips at .*: it must hold <split>/<clip>/com/<frame>\.png"):
            list(videomatte(tmp_path, masks=None))
        with pytest.raises(ConfigError, match=r"0000/com is 512x288, and vm-1080 is 1920x1080; .*another --benchmark"):
            run_benchmark("vm-1080", vm, Hard())
        with pytest.raises(
            MediaError, match=r"no masks of the clip videomatte_motion/0000 in .*0000\.png for the first"
        ):
            list(videomatte(vm, masks=tmp_path))
        (vm / SPLITS[0] / "0000" / "pha" / "0001.png").unlink()
        with pytest.raises(MediaError, match="the same frames in com and pha, found 0-2 and 0,2; bring"):
            list(videomatte(vm, masks=None))


class TestCrgnn:
    """Two discs that cross, 21 frames, an alpha on every tenth."""

    @staticmethod
    def make(root: Path, *, alphas: Sequence[str], count: int = 21, first: int = 1) -> np.ndarray:
        pictures, truth = crossing_shot(count)
        for t, picture in enumerate(pictures):
            save(root / "image_allframe" / "production ID_4065480" / f"frame{first + t:05d}.png", picture)
        for k, name in enumerate(alphas):
            save(root / "alpha" / "production ID_4065480" / f"{name}.png", truth[10 * k].sum(axis=0)[..., None])
        return truth

    def test_every_tenth_frame_is_scored_and_the_others_are_there(self, tmp_path: Path) -> None:
        truth = self.make(tmp_path, alphas=["frame00001", "frame00011", "frame00021"])[::10].sum(axis=1)
        model = Hard()
        found = figures(run_benchmark("crgnn", tmp_path, model))
        assert model.asked == [(1, 11, 21)]
        assert list(found) == ["MAD", "MSE", "Grad", "dtSSD"]
        # Hard masks of a soft truth.
        assert found["MAD"] == pytest.approx(1e3 * np.abs((truth > 0.5) - truth).mean(), rel=0.02)

    def test_masks_between_are_carried(self, tmp_path: Path) -> None:
        truth = self.make(tmp_path, alphas=["frame00001", "frame00011", "frame00021"])
        (scene,) = crgnn(tmp_path, masks=None)
        with scene.shot() as shot:
            tracks = scene.tracks(shot)
        for t in (4, 15):
            true, found = truth[t].sum(axis=0) > 0.5, tracks.mask(1, 1 + t)
            assert (true & found).sum() / (true | found).sum() > 0.9

    @pytest.mark.parametrize(
        ("names", "first", "frames"),
        [
            (["0", "10", "20"], 1, [1, 11, 21]),
            (["1", "2", "3"], 0, [0, 10, 20]),
            (["1", "11"], 1, [1, 11]),
        ],
    )
    def test_numbers(self, tmp_path: Path, names: list[str], first: int, frames: list[int]) -> None:
        self.make(tmp_path, alphas=names, first=first)
        (scene,) = crgnn(tmp_path, masks=None)
        assert list(scene.truth) == frames
        assert [path.stem for path in scene.truth.values()] == names

    def test_a_mask_of_the_first_frame_is_enough(self, tmp_path: Path) -> None:
        truth = self.make(tmp_path, alphas=["frame00001", "frame00011"], count=11)
        save(tmp_path / "mask" / "production ID_4065480.png", truth[0].sum(axis=0)[..., None])
        carried = figures(run_benchmark("crgnn", tmp_path, Hard(), masks=tmp_path / "mask"))
        people = truth[::10].sum(axis=1)
        left_where_it_was = 1e3 * np.abs((people[0] > 0.5) - people).mean()
        assert carried["MAD"] < 0.5 * left_where_it_was

    def test_refusals(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match=r"no clips of CRGNN at .*image_allframe/<clip>/<frame>\.png, every frame"):
            list(crgnn(tmp_path, masks=None))
        self.make(tmp_path, alphas=["100", "110"])
        with pytest.raises(MediaError, match=r"has 21 frames and 2 alphas in alpha/production .*tenth frame, 3"):
            list(crgnn(tmp_path, masks=None))
        save(tmp_path / "image_allframe" / "production ID_4065480" / "other.0001.png", np.zeros((8, 8, 3), np.float32))
        with pytest.raises(MediaError, match=r"must hold one sequence, found frame#####\.png, other\.####\.png"):
            list(crgnn(tmp_path, masks=None))


def test_every_published_row_is_whole() -> None:
    for one in SINGLE_SETS.values():
        assert {len(row) for _, row in one.published} == {len(one.heads)}
        assert one.published[-1][0] == "OAVM"
        assert not any(math.isnan(value) for value in one.published[-1][1])


def test_the_command_knows_every_benchmark(vm: Path) -> None:
    (option,) = (p for p in evaluate.params if p.name == "benchmark")
    assert tuple(option.type.choices) == tuple(BENCHMARKS)
    run = vimatte("evaluate", "--benchmark", "vm-512", "--root", vm, "--model", "masks", "--device", "cpu")
    assert run.code == 0, run.err
    assert run.out.splitlines()[-1].split()[:2] == [">", "masks"]
    assert run.err.splitlines() == [f"{split}/0000: 1 person on 3 frames" for split in SPLITS]
