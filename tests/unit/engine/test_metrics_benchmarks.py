"""Benchmarks' folders and protocols, on tiny folders laid out as the real ones are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.metrics.benchmarks import BENCHMARKS, run_benchmark
from vimatte.engine.metrics.benchmarks.him2k import IMQ_PUBLISHED, MASK_SETS, PUBLISHED, him2k
from vimatte.engine.metrics.benchmarks.vim50 import vim50

from support.benchmark_folders import Hard, W, box, plate, save
from support.cli_runner import vimatte


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for clip in ("clip_a", "clip_b"):
        for t in range(4):
            plate(tmp_path / "VIM50" / clip / "com" / f"{t:04d}.png")
            for who in range(2):
                save(tmp_path / "VIM50" / clip / "pha" / f"{who:02d}" / f"{t:04d}.png", box(5 + 40 * who + t))
                if (clip, who) != ("clip_b", 1):
                    save(tmp_path / "masks" / clip / f"obj{9 - who}" / f"{t:04d}.png", box(5 + 40 * who + t))
    return tmp_path / "VIM50"


class TestVim50:
    def test_the_folder(self, clips: Path) -> None:
        scenes = list(vim50(clips, masks=None))
        assert [s.name for s in scenes] == ["clip_a", "clip_b"]
        assert scenes[0].people == ("00", "01")
        assert sorted(scenes[0].truth) == [0, 1, 2, 3]
        assert scenes[0].truth[2]["01"].name == "0002.png"

    def test_the_product_of_means_over_clips(self, clips: Path) -> None:
        found = run_benchmark("vim50", clips, Hard(), masks=clips.parent / "masks")
        figures = dict(zip(found.parts[0].heads, found.parts[0].figures, strict=True))
        # The second clip's tracker lost one of two people: RQ 1 / 1.5 there.
        assert figures["RQ"] == pytest.approx(100 * (1 + 1 / 1.5) / 2)
        assert figures["VIMQ_mse"] == pytest.approx(figures["RQ"])
        assert found.masks == f"masks from {clips.parent / 'masks'}"
        lines = found.table().splitlines()
        assert any(line.startswith("MSG-VIM, MTRCNN masks") and "38.29" in line for line in lines)
        assert lines[-1].startswith("> hard")

    def test_masks_of_the_truth_are_said(self, clips: Path) -> None:
        found = run_benchmark("vim50", clips, Hard())
        assert "masks of the TRUTH" in found.table()
        assert found.parts[0].figures == pytest.approx((100.0,) * 8)

    def test_refusals(self, clips: Path, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match=r"There is no VIM50 at .* must hold <clip>/pha"):
            list(vim50(tmp_path / "masks", masks=None))
        (clips / "clip_a" / "pha" / "01" / "0003.png").unlink()
        with pytest.raises(MediaError, match=r"01 has 3 frames, the clip 4"):
            list(vim50(clips, masks=None))
        plate(clips / "clip_a" / "other" / "0000.png")
        with pytest.raises(MediaError, match="in one folder beside pha, found com, other"):
            list(vim50(clips, masks=None))
        with pytest.raises(ConfigError, match="There is no benchmark 'coco'; there is: crgnn, him2k"):
            run_benchmark("coco", clips, Hard())


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = tmp_path / "HIM2K"
    for split in ("comp", "natural"):
        for number in (1, 2):
            plate(root / "images" / split / f"{number:05d}.png")
            for who in range(2):
                person = f"{split}/{number:05d}/{who:02d}.png"
                save(root / "alphas" / person, box(5 + 40 * who))
                save(root / f"masks_matched_{MASK_SETS[0]}" / person, box(5 + 40 * who))
                # The second detector misses a quarter of everybody's width.
                save(
                    root / f"masks_matched_{MASK_SETS[1]}" / person,
                    box(5 + 40 * who) * (np.arange(W) % 16 < 12)[None, :, None],
                )
    plate(root / "images" / "comp" / "without_truth.png")
    return root


class TestHim2k:
    def test_pictures_with_numbers_for_names(self, pictures: Path) -> None:
        assert [s.name for s in him2k(pictures, split="comp", masks=None)] == ["00001", "00002"]
        found = run_benchmark("him2k", pictures, Hard())
        assert [p.scenes for p in found.parts] == [2, 2]
        for part, split in zip(found.parts, ("comp", "natural"), strict=True):
            assert part.figures == pytest.approx((100.0,) * 4, rel=1e-5)
            assert part.published == IMQ_PUBLISHED[split]

    def test_the_mean_over_mask_sets(self, pictures: Path) -> None:
        found = run_benchmark("m-him2k", pictures, Hard())
        figures = dict(zip(found.parts[0].heads, found.parts[0].figures, strict=True))
        truth = box(5)[..., 0]
        lost = [float((box(5 + 40 * w)[..., 0] * (np.arange(W) % 16 >= 12)).sum()) for w in range(2)]
        # One set is perfect, the other lacks columns; divided by the area twice.
        assert figures["MAD"] == pytest.approx(1e10 * np.mean(lost) / truth.size**2 / 2, rel=1e-5)
        assert "mean over 2 of 10 mask sets" in found.table()
        assert found.parts[0].published == PUBLISHED["comp"]
        assert json.loads(json.dumps(found.to_dict()))["definition"] == "as_published_code"

    def test_refusals(self, pictures: Path, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match="lacks the folder"):
            run_benchmark("him2k", tmp_path, Hard())
        for path in pictures.glob("masks_matched_*"):
            path.rename(path.with_name(f"away_{path.name}"))
        with pytest.raises(ConfigError, match="no masks of M-HIM2K"):
            run_benchmark("m-him2k", pictures, Hard())


def test_v_him60(tmp_path: Path) -> None:
    for level in ("easy", "medium", "hard"):
        for t in range(5):
            split = tmp_path / f"comp_{level}"
            plate(split / "fgr" / "clip" / f"{t:05d}.png")
            for who in range(2 if t < 3 else 1):
                save(split / "pha" / "clip" / f"{t:05d}" / f"{who:02d}.png", box(5 + 40 * who + t))
    found = run_benchmark("v-him60", tmp_path, Hard())
    assert [p.title.split(",")[0] for p in found.parts] == ["V-HIM60 easy", "V-HIM60 medium", "V-HIM60 hard"]
    # Hard masks of a hard truth: nothing is wrong.
    assert found.parts[0].figures == pytest.approx((0.0,) * 5)


def test_every_published_row_is_whole() -> None:
    assert sorted(BENCHMARKS) == list(BENCHMARKS)
    for table in (*IMQ_PUBLISHED.values(), *PUBLISHED.values()):
        assert len({len(row) for _, row in table}) == 1


def test_the_command(clips: Path) -> None:
    run = vimatte("evaluate", "--benchmark", "vim50", "--root", clips, "--model", "masks", "--device", "cpu")
    assert run.code == 0, run.err
    assert "MSG-VIM, SeqFormer masks" in run.out
    assert "> masks" in run.out
    assert run.err.splitlines() == ["clip_a: 2 people on 4 frames", "clip_b: 2 people on 4 frames"]
