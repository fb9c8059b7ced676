"""Metrics against values worked out by hand, and the scores put together from files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO as oiio
import pytest

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.masks import Rle
from vimatte.engine.metrics import MatteErrorMeter, OverlapMeter, evaluate_layers, evaluate_tracks
from vimatte.engine.metrics.difference import mad, mse, sad
from vimatte.engine.metrics.flicker import dtssd
from vimatte.engine.metrics.gradient import gradient_error, gradient_error_over_union
from vimatte.engine.metrics.mask_overlap import match_people
from vimatte.engine.metrics.regions import edge_mad, soft_edge
from vimatte.engine.tracks import Instance, TrackSet

H, W = 24, 40


def alpha(*values: tuple[slice, slice, float]) -> np.ndarray:
    out = np.zeros((H, W), np.float32)
    for rows, cols, value in values:
        out[rows, cols] = value
    return out


def box(x: int, y: int = 4, size: int = 8) -> np.ndarray:
    mask = np.zeros((H, W), dtype=bool)
    mask[y : y + size, x : x + size] = True
    return mask


class TestMatteErrors:
    def test_by_hand(self) -> None:
        truth = alpha()
        matte = alpha((slice(0, 6), slice(None), 0.5))
        assert mad(matte, truth=truth) == pytest.approx(0.125)
        assert mse(matte, truth=truth) == pytest.approx(0.0625)
        assert sad(matte, truth=truth) == pytest.approx(6 * W * 0.5 / 1000)

    def test_the_edge_is_where_the_truth_is_soft(self) -> None:
        truth = alpha(
            (slice(None), slice(0, 10), 1.0), (slice(None), slice(10, 12), 0.5), (slice(None), slice(12, 13), 0.02)
        )
        assert int(soft_edge(truth).sum()) == 2 * H
        matte = truth.copy()
        matte[:, 10] = 0.75
        matte[:, 20] = 1.0
        assert edge_mad(matte, truth=truth) == pytest.approx(0.125)
        assert math.isnan(edge_mad(matte, truth=alpha()))

    def test_gradient_of_a_step_in_closed_form(self) -> None:
        # A step blurred by a Gaussian has the Gaussian as its slope; its square sums to 1 / (2 sigma sqrt(pi)) a row.
        step = alpha((slice(None), slice(20, None), 1.0))
        expected = H / (2 * 1.4 * math.sqrt(math.pi)) / 1000
        assert gradient_error(step, truth=alpha()) == pytest.approx(expected, rel=0.02)

    def test_gradient_of_a_ramp_is_its_slope(self) -> None:
        ramp = np.tile(np.linspace(0, 1, W, dtype=np.float32), (H, 1))
        flat = np.full((H, W), 0.3, np.float32)
        inner = (W - 12) * H / (W - 1) ** 2 / 1000
        assert inner < gradient_error(ramp, truth=flat) < W * H / (W - 1) ** 2 / 1000

    def test_gradient_over_the_union_by_brute_force(self) -> None:
        rng = np.random.default_rng(0)
        matte = cv2.GaussianBlur(rng.random((H, W)).astype(np.float32), (0, 0), 2)
        matte[:, :15] = 0
        truth = np.clip(matte * 1.3 - 0.1, 0, 1)
        steps = np.arange(-4, 5)
        kernel = np.array([[-x * math.exp(-(x * x + y * y) / (2 * 1.4**2)) for x in steps] for y in steps])
        kernel /= math.sqrt((kernel**2).sum())

        def magnitude(plane: np.ndarray) -> np.ndarray:
            padded = np.pad(plane.astype(np.float64), 4, mode="edge")
            out = np.zeros((H, W))
            for r in range(H):
                for c in range(W):
                    window = padded[r : r + 9, c : c + 9]
                    out[r, c] = math.hypot((window * kernel).sum(), (window * kernel.T).sum())
            return out

        union = (matte > 0) | (truth > 0)
        expected = ((magnitude(matte) - magnitude(truth))[union] ** 2).sum() / (union.sum() + 1)
        assert gradient_error_over_union(matte, truth=truth) == pytest.approx(expected, rel=1e-6)

    def test_flicker_counts_change_not_error(self) -> None:
        zero, half = alpha(), alpha((slice(None), slice(None), 0.5))
        assert dtssd(half, truth=zero, matte_before=half, truth_before=zero) == 0
        assert dtssd(half, truth=zero, matte_before=zero, truth_before=zero) == pytest.approx(0.5)
        assert dtssd(half, truth=half, matte_before=zero, truth_before=zero) == 0

    def test_the_meter_is_the_mean_over_frames(self) -> None:
        frames = [alpha((slice(0, n), slice(None), 0.5)) for n in (6, 12, 0)]
        meter = MatteErrorMeter()
        for frame in frames:
            meter.add(frame, truth=frames[0])
        result = meter.result()
        assert result.mad == pytest.approx((0 + 0.125 + 0.125) / 3)
        assert result.edge_mad == pytest.approx((0 + 0 + 0.5) / 3)
        assert result.dtssd == pytest.approx((math.sqrt(0.25 / 4) + math.sqrt(0.25 / 2)) / 2)
        with pytest.raises(ValueError, match="the truth"):
            meter.add(frames[0], truth=frames[0][:5])

    def test_nothing_to_measure_is_nan_and_none_in_json(self) -> None:
        meter = MatteErrorMeter()
        meter.add(alpha(), truth=alpha())
        assert math.isnan(meter.result().dtssd)
        assert meter.result().to_dict() == {
            "mad": 0.0,
            "mse": 0.0,
            "sad": 0.0,
            "grad": 0.0,
            "conn": 0.0,
            "dtssd": None,
            "messddt": None,
            "mad_f": None,
            "mad_u": None,
            "edge_mad": None,
        }


class TestOverlap:
    def test_matching_is_for_the_largest_sum(self) -> None:
        assert match_people(np.array([[0.6, 0.5], [0.5, 0.0]])) == [(0, 1), (1, 0)]
        assert match_people(np.array([[0.6, 0.0], [0.0, 0.0]])) == [(0, 0)]
        assert match_people(np.zeros((0, 2))) == []

    def test_iou_and_j(self) -> None:
        meter = OverlapMeter(["anna"], tracks=["one"])
        meter.add({"anna": box(0)}, tracks={"one": box(0)})
        meter.add({"anna": box(0)}, tracks={})
        meter.add({}, tracks={})
        found = meter.result()["anna"]
        assert found.iou == pytest.approx(0.5)
        assert found.j == pytest.approx(0.5)
        assert found.found
        assert found.matched == "one"
        assert meter.false_people() == ()

    def test_two_tracks_that_swap_are_a_switch_each(self) -> None:
        meter = OverlapMeter(["anna", "bruno"], tracks=["one", "two"])
        for frame in range(6):
            places = (0, 20) if frame < 4 else (20, 0)
            meter.add({"anna": box(0), "bruno": box(20)}, tracks={"one": box(places[0]), "two": box(places[1])})
        result = meter.result()
        assert [p.switches for p in result.values()] == [1, 1]
        assert [p.matched for p in result.values()] == ["one", "two"]

    def test_coming_back_under_another_track_is_a_switch_and_a_gap_is_not(self) -> None:
        meter = OverlapMeter(["anna"], tracks=["one", "two"])
        for tracks in ({"one": box(0)}, {}, {"one": box(1)}, {}, {"two": box(0)}):
            meter.add({"anna": box(0)}, tracks=tracks)
        assert meter.result()["anna"].switches == 1

    def test_a_better_overlap_elsewhere_does_not_take_over(self) -> None:
        meter = OverlapMeter(["anna"], tracks=["one", "two"])
        meter.add({"anna": box(0)}, tracks={"one": box(0)})
        meter.add({"anna": box(0)}, tracks={"one": box(2), "two": box(0)})
        assert meter.result()["anna"].switches == 0
        assert meter.false_people() == ("two",)

    def test_who_is_not_found_leaves_a_false_person(self) -> None:
        meter = OverlapMeter(["anna", "bruno"], tracks=["one"])
        meter.add({"anna": box(0), "bruno": box(20)}, tracks={"one": box(6)})
        result = meter.result()
        assert not result["anna"].found
        assert result["anna"].matched == "one"
        assert result["bruno"].matched is None
        assert meter.false_people() == ("one",)


def save(path: Path, pixels: np.ndarray, channels: tuple[str, ...], kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], len(channels), kind)
    spec.channelnames = channels
    out = oiio.ImageOutput.create(str(path))
    assert out
    assert out.open(str(path), spec)
    assert out.write_image(np.ascontiguousarray(pixels, np.float32))
    out.close()


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    for i in range(3):
        for name, x in (("anna", 2), ("bruno", 24)):
            plane = box(x + i).astype(np.float32)
            plane[4, :] *= 0.5
            save(tmp_path / "truth" / name / f"{1001 + i}.png", plane[..., None], ("Y",), "uint16")
    return tmp_path / "truth"


def write_layers(folder: Path, *, names: tuple[str, ...] = ("person_01", "person_02", "person_03")) -> None:
    """person_02 is anna exactly, person_01 is bruno at half, person_03 is nobody."""
    for i in range(3):
        anna, bruno = box(2 + i).astype(np.float32), box(24 + i) * np.float32(0.75)
        anna[4, :] *= 0.5
        layers = {"person_01": bruno, "person_02": anna, "person_03": box(10, 14) * np.float32(1)}
        planes = np.dstack([*[anna] * 4, *[layers[n] for n in names]])
        save(folder / f"layers.{1001 + i}.exr", planes, ("R", "G", "B", "A", *[f"{n}.A" for n in names]), "float")


class TestEvaluateLayers:
    @pytest.mark.parametrize("pattern", ["layers.####.exr", "layers.%04d.exr", "layers.exr", "layers.1001.exr"])
    def test_people_are_matched_by_overlap(self, tmp_path: Path, truth: Path, pattern: str) -> None:
        write_layers(tmp_path)
        score = evaluate_layers(str(tmp_path / pattern), truth)
        assert str(score.frames) == "1001-1003"
        assert {n: p.layer for n, p in score.people.items()} == {"anna": "person_02", "bruno": "person_01"}
        assert score.people["anna"].errors.mad == pytest.approx(0, abs=1e-5)
        assert score.people["bruno"].errors.mad == pytest.approx(64 * 0.25 / (H * W), rel=1e-3)
        assert score.people["bruno"].errors.edge_mad == pytest.approx(0.25, rel=1e-3)
        assert score.false_layers == ("person_03",)
        assert score.mean.mad == pytest.approx(64 * 0.125 / (H * W), rel=1e-3)

    def test_a_missed_person_is_an_empty_matte(self, tmp_path: Path, truth: Path) -> None:
        write_layers(tmp_path, names=("person_02",))
        score = evaluate_layers(str(tmp_path / "layers.exr"), truth)
        assert score.people["bruno"].layer is None
        assert score.people["bruno"].errors.mad == pytest.approx(60 / (H * W), rel=1e-3)

    def test_json_and_table(self, tmp_path: Path, truth: Path) -> None:
        write_layers(tmp_path)
        score = evaluate_layers(str(tmp_path / "layers.exr"), truth)
        again = json.loads(json.dumps(score.to_dict(), allow_nan=False))
        assert again["people"]["bruno"]["layer"] == "person_01"
        said, *lines = score.table().splitlines()
        assert "as_paper" in said
        assert "1001-1003" in said
        assert "matched by overlap" in said
        assert "MAD, MSE, MESSDdt, MAD_f, MAD_u, edge MAD x 1e-3" in said
        heads = ["person", "layer", "IoU", "MAD", "MSE", "SAD", "Grad", "Conn", "dtSSD", "MESSDdt", "MAD_f", "MAD_u"]
        assert lines[0].split() == [*heads, "edge", "MAD"]
        assert lines[2].split()[:2] == ["bruno", "person_01"]
        assert float(lines[2].split()[3]) == pytest.approx(64 * 0.25 / (H * W) * 1e3, abs=0.01)
        assert lines[3].startswith("mean")
        assert [line.split()[1] for line in lines if line.startswith(("VIMQ", "IMQ"))] == [
            "as_paper",
            "as_published_code",
            "as_paper",
            "as_published_code",
        ]

    def test_a_still(self, tmp_path: Path) -> None:
        save(tmp_path / "truth" / "anna" / "1001.png", box(3)[..., None], ("Y",), "uint8")
        save(tmp_path / "still.exr", box(3)[..., None], ("a.A",), "half")
        score = evaluate_layers(str(tmp_path / "still.exr"), tmp_path / "truth")
        assert score.mean.mad == 0
        assert score.to_dict()["mean"]["dtssd"] is None  # type: ignore[index]

    def test_refusals(self, tmp_path: Path, truth: Path) -> None:
        with pytest.raises(MediaError, match=r"No layers at .*gone\.exr; type for instance .*gone\.####\.exr"):
            evaluate_layers(str(tmp_path / "gone.exr"), truth)
        write_layers(tmp_path)
        with pytest.raises(MediaError, match="No truth at"):
            evaluate_layers(str(tmp_path / "layers.exr"), tmp_path / "nowhere")
        for person in truth.iterdir():
            for file in sorted(person.iterdir()):
                file.rename(person / f"{int(file.stem) - 1001:04d}.png")
        with pytest.raises(ConfigError, match=r"no common frame: the truth .* is on 0-2, .* on 1001-1003; number both"):
            evaluate_layers(str(tmp_path / "layers.exr"), truth)

    def test_layers_that_change_are_refused(self, tmp_path: Path, truth: Path) -> None:
        write_layers(tmp_path)
        save(tmp_path / "layers.1002.exr", box(3)[..., None], ("a.A",), "half")
        with pytest.raises(MediaError, match=r"layers\.1002\.exr has the layers a,"):
            evaluate_layers(str(tmp_path / "layers.exr"), truth)

    def test_truth_of_another_size_or_with_a_hole_is_refused(self, tmp_path: Path, truth: Path) -> None:
        write_layers(tmp_path)
        save(truth / "anna" / "1001.png", np.zeros((8, 8, 1)), ("Y",), "uint8")
        with pytest.raises(MediaError, match=r"1001\.png is 8x8, what it judges is 40x24"):
            evaluate_layers(str(tmp_path / "layers.exr"), truth)
        (truth / "anna" / "1001.png").unlink()
        with pytest.raises(MediaError, match="anna lacks frames 1001"):
            evaluate_layers(str(tmp_path / "layers.exr"), truth)


class TestEvaluateTracks:
    def tracks(self) -> TrackSet:
        people = {1: [box(2), box(3), box(4)], 2: [box(24), box(25)], 3: [box(10, 14)]}
        return TrackSet(
            width=W,
            height=H,
            frames=(1001, 1002, 1003),
            instances=tuple(Instance(id=i, name=f"person_{i:02d}") for i in people),
            masks={i: {1001 + k: Rle.encode(m) for k, m in enumerate(masks)} for i, masks in people.items()},
        )

    def test_score(self, truth: Path) -> None:
        score = evaluate_tracks(self.tracks(), truth)
        # The softened row of 8 pixels is 0.5 and a bit in 16 bits: it counts as inside.
        assert score.people["anna"].iou == pytest.approx(1.0, abs=0.13)
        assert score.people["bruno"].matched == "person_02"
        assert score.people["bruno"].iou < score.people["anna"].iou
        assert (score.found, score.switches, score.false_people) == (2, 0, ("person_03",))
        again = json.loads(json.dumps(score.to_dict(), allow_nan=False))
        assert again["found"] == 2
        assert "2/2" in score.table()
        assert "tracks that are nobody: 1 (person_03)" in score.table()

    def test_nobody_tracked(self, truth: Path) -> None:
        score = evaluate_tracks(TrackSet(width=W, height=H, frames=(1001,), instances=(), masks={}), truth)
        assert (score.found, score.iou, score.false_people) == (0, 0.0, ())
        assert "none" in score.table()

    def test_the_examples_own_masks_are_right(self, example: Path) -> None:
        names = ("anna", "bruno", "carla")
        masks = {}
        for i, name in enumerate(names, start=1):
            pixels = oiio.ImageBuf(str(example / "masks" / name / "1001.png")).get_pixels(oiio.FLOAT)[..., 0]
            masks[i] = {1001: Rle.encode(pixels > 0.5)}
        tracks = TrackSet(
            width=960,
            height=540,
            frames=(1001,),
            instances=tuple(Instance(id=i, name=n) for i, n in enumerate(names, start=1)),
            masks=masks,
        )
        score = evaluate_tracks(tracks, example / "truth")
        assert [p.iou for p in score.people.values()] == [1.0, 1.0, 1.0]


@pytest.mark.footage
def test_figures_of_broken_guidance_on_real_people(footage: Path) -> None:
    """True masks dilated or eroded by 3 to 11 px: known are MAD 10.2e-3, edge MAD 461e-3, Grad 0.22, dtSSD 12.5e-2."""
    rng = np.random.default_rng(0)
    found = []
    for person in (1, 2, 3):
        meter = MatteErrorMeter()
        for frame in range(36):
            file = footage / "composite_gt_share" / "alpha_visible" / f"person{person}" / f"{frame:05d}.png"
            true = oiio.ImageBuf(str(file)).get_pixels(oiio.FLOAT)[..., 0]
            size = int(rng.integers(3, 12))
            kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
            change = cv2.dilate if rng.random() < 0.5 else cv2.erode
            meter.add(change((true > 0.5).astype(np.uint8), kernel).astype(np.float32), truth=true)
        found.append(meter.result())
    assert np.mean([e.mad for e in found]) == pytest.approx(10.2e-3, rel=0.1)
    assert np.mean([e.edge_mad for e in found]) == pytest.approx(0.461, rel=0.03)
    assert np.mean([e.grad for e in found]) == pytest.approx(0.22, rel=0.1)
    assert np.mean([e.dtssd for e in found]) == pytest.approx(0.125, rel=0.05)
