"""The metrics against numbers that the authors' released code gave for the same arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vimatte.engine.metrics.instance_quality import ERRORS, ImqMeter
from vimatte.engine.metrics.motion import flow
from vimatte.engine.metrics.regions import Regions
from vimatte.engine.metrics.released_errors import ReleasedErrorMeter, change_errors, frame_errors
from vimatte.engine.metrics.video_quality import VimqMeter, VimqScore, mean_vimq

NEAR = 1e-6
"""Relative; the release computes in float32."""

CLIPS = ("big_T2_N2_112x128", "conn", "img_T1_N3_56x72", "pair_T2_N3_40x56", "seq_T3_N2_48x80", "seq_T4_N2_64x64")
CASES = (
    "extra_instance",
    "flicker",
    "instance_absent_2_frames",
    "low_alpha_halo",
    "missing_instance",
    "noisy_edges",
    "noisy_everywhere",
    "none_matched",
    "one_below_iou",
    "perfect",
    "permuted_order",
    "soft_blur",
    "swap_01_from_frame3",
    "swap_01_last_frame",
)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def alphas(stored: np.ndarray) -> np.ndarray:
    return stored.astype(np.float32) / np.float32(255)


def near(value: float) -> Any:
    # Float32 sums of the release leave 3e-9 in errors that are nearly nothing.
    return pytest.approx(value, rel=NEAR, abs=3e-9)


class TestMaggie:
    @pytest.mark.parametrize("clip", CLIPS)
    def test_every_error_over_every_region(self, goldens: Path, clip: str) -> None:
        stored, expected = (
            np.load(goldens / "maggie" / "golden_metrics.npz"),
            read(goldens / "maggie" / "golden_metrics.json"),
        )
        p, g = (torch.from_numpy(alphas(stored[f"{clip}_{name}_u8"])) for name in ("pred", "gt"))
        trimap = torch.from_numpy(stored[f"{clip}_trimap"])
        found = frame_errors(p.flatten(0, 1), truth=g.flatten(0, 1), trimap=trimap.flatten(0, 1))
        if len(p) > 1:
            found |= change_errors(p, truth=g, trimap=trimap)
        assert found.keys() == expected[clip].keys()
        for name, tally in found.items():
            assert tally.count == expected[clip][name]["count"], name
            assert tally.score == near(expected[clip][name]["score"]), name
            assert tally.average == near(expected[clip][name]["average"]), name

    def test_the_flow(self, goldens: Path) -> None:
        stored = np.load(goldens / "maggie" / "golden_metrics.npz")
        truth = torch.from_numpy(alphas(stored["pair_T2_N3_40x56_gt_u8"][:, 0]))
        assert np.array_equal(flow(truth[0], truth[1]), stored["farneback_flow_pair_inst0"])

    def test_a_pictures_evaluation_with_its_trimap(self, goldens: Path) -> None:
        name = "golden_eval_image_144x208_n2_settled"
        stored = np.load(goldens / "maggie" / f"{name}.npz")
        truth = alphas(stored["alpha_gt_u8"])
        for alpha, trimap in zip(truth, stored["trimap"], strict=True):
            regions = Regions.of(alpha)
            assert np.array_equal(regions.unknown.numpy(), trimap == 1)
            assert np.array_equal(regions.foreground.numpy(), trimap == 2)
        meter = ReleasedErrorMeter()
        meter.add_picture(stored["alpha_final"], truth=truth)
        self.same(meter, read(goldens / "maggie" / "golden_meta.json")[name]["metrics"])

    def test_a_clips_sliding_evaluation(self, goldens: Path) -> None:
        name = "golden_eval_video_7f_90x150_n2_settled"
        stored = np.load(goldens / "maggie" / f"{name}.npz")
        meter = ReleasedErrorMeter()
        for mattes, truth in zip(stored["alpha_final"], alphas(stored["alpha_gt_u8"]), strict=True):
            meter.add(mattes, truth=truth)
        self.same(meter, read(goldens / "maggie" / "golden_meta.json")[name]["metrics"])

    def same(self, meter: ReleasedErrorMeter, expected: dict[str, dict[str, float]]) -> None:
        found = meter.result()
        for name, value in expected.items():
            assert found[name].count == value["count"], name
            assert found[name].score == near(value["score"]), name


class TestVimq:
    def score(self, goldens: Path, case: str, **weights: float) -> VimqScore:
        stored = np.load(goldens / "metrics" / "golden_inputs.npz")
        g, p = (torch.from_numpy(alphas(stored[f"{case}/{name}_u8"])) for name in ("gt", "pred"))
        weighted = {"mse": 50.0, "mad": 50.0, "dtssd": 10.0, **weights}
        meter = VimqMeter("as_published_code", weights=weighted)
        for t in range(g.shape[1]):
            meter.add(p[:, t], truth=g[:, t])
        return meter.result()

    @pytest.mark.parametrize("case", CASES)
    def test_a_clip(self, goldens: Path, case: str) -> None:
        expected = read(goldens / "metrics" / "golden_vimq.json")[case]
        found = self.score(goldens, case)
        assert sorted(map(list, found.matched.items())) == sorted(expected["match"])
        assert [[i, found.matched[i]] for i in found.hits] == expected["TP"]
        assert found.rq == near(expected["RQ"])
        assert found.tq == near(expected["TQ"])
        for name, key in (("mse", "MSE_w50"), ("mad", "MAD_w50"), ("dtssd", "dtSSD_w10")):
            assert found.mq[name] == near(expected[f"MQ_{key}"])
            assert found.vimq[name] == near(expected[f"VIMQ_{key}"])
        assert self.score(goldens, case, mse=20.0).mq["mse"] == near(expected["MQ_MSE_w20"])

    def test_a_data_set_is_the_product_of_means(self, goldens: Path) -> None:
        summary = read(goldens / "metrics" / "golden_vimq.json")["__dataset_all_cases_sorted__"]
        found = mean_vimq([self.score(goldens, case) for case in CASES])
        for name, key in (("mse", "MSE_w50"), ("mad", "MAD_w50"), ("dtssd", "dtSSD_w10")):
            assert round(found.rq, 4) == summary[key]["RQ"]
            assert round(found.tq, 4) == summary[key]["TQ"]
            assert round(found.mq[name], 4) == summary[key]["MQ"]
            assert round(found.vimq[name], 4) == summary[key]["VMQ"]


class TestImq:
    def test_pictures(self, goldens: Path) -> None:
        stored, expected = (
            np.load(goldens / "metrics" / "golden_inputs.npz"),
            read(goldens / "metrics" / "golden_imq.json"),
        )
        keys = [key for key in expected if "/frame" in key]
        assert len(keys) == 2 * len(CASES)
        for key in keys:
            case, frame = key.split("/frame")
            g, p = (alphas(stored[f"{case}/{name}_u8"][:, int(frame)]) for name in ("gt", "pred"))
            for row, threshold in enumerate((0.5, 0.75)):
                meter = ImqMeter("as_published_code", threshold=threshold)
                meter.add(p, truth=g)
                found = meter.result()
                counts = (found.hits, found.false, found.missed)
                assert counts == tuple(expected[key][name][row] for name in ("tp", "fp", "fn")), key
                for name, total in zip(ERRORS, expected[key]["sums_mad_mse_grad_conn_iou"][row], strict=False):
                    if found.hits:
                        assert found.mq[name] * found.hits == near(total), (key, name)
            for i, j in expected[key]["assign"]:
                at = expected[key]["assign"].index([i, j])
                for name, value in meter.errors(p[i], truth=g[j]).items():
                    assert value == near(expected[key]["raw"][name][at]), (key, name)

    def test_a_data_set_with_an_empty_picture_and_one_left_out(self, goldens: Path) -> None:
        stored, expected = (
            np.load(goldens / "metrics" / "golden_inputs.npz"),
            read(goldens / "metrics" / "golden_imq.json")["__dataset__"],
        )
        for row, threshold in enumerate(expected["thresholds"]):
            meter = ImqMeter("as_published_code", threshold=threshold)
            for case in CASES:
                g, p = (alphas(stored[f"{case}/{name}_u8"]) for name in ("gt", "pred"))
                for frame in range(g.shape[1]):
                    if (case, frame) == ("soft_blur", 1):
                        continue
                    mattes = p[:0, frame] if (case, frame) == ("perfect", 2) else p[:, frame]
                    meter.add(mattes, truth=g[:, frame])
            found = meter.result()
            assert found.rq == near(expected["RQ"][row][0])
            for name, imq, mq in zip(ERRORS, expected["IMQ"][row], expected["MQ"][row], strict=False):
                assert found.imq[name] == near(imq), name
                assert found.mq[name] == near(mq), name
