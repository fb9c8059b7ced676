"""Training clips: composed as protocols say, exactly true, the same on every run and in every worker."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from vimatte.cli.main import main
from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.training.data import PROTOCOLS, Footage, Sample, Settings, TrainingClips, collate, loader
from vimatte.engine.training.data.cast import draw_member, moved
from vimatte.engine.training.data.footage import pick_frames
from vimatte.engine.training.data.layout import Person, arrange, cut_sides
from vimatte.engine.training.data.motion import camera_move, person_move
from vimatte.engine.training.data.occlusion import hidden
from vimatte.engine.training.data.protocols import I_HIM50K, OAVM, V_HIM2K5, VIM50, Protocol

from support.movies import write_movie
from support.people_footage import person, write_backgrounds, write_people

PURE = {"grade": 0.0, "noise": 0.0, "compression": 0.0}


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("footage")
    return write_people(root / "people"), write_backgrounds(root / "backgrounds")


def clips(footage: tuple[Path, Path], *, seed: int = 1, length: int = 50, **settings: object) -> TrainingClips:
    chosen = {"frames": 3, "height": 64, "width": 80, **settings}
    return TrainingClips(*footage, settings=Settings(**chosen), seed=seed, length=length)


def same(one: Sample, other: Sample) -> bool:
    return all(np.array_equal(getattr(one, f), getattr(other, f)) for f in ("pictures", "alphas", "guidance", "names"))


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_every_protocol_makes_clips_whose_alphas_sum_to_at_most_1(footage: tuple[Path, Path], name: str) -> None:
    for index in range(3):
        sample = clips(footage, protocol=PROTOCOLS[name])[index]
        assert sample.pictures.shape == (3, 64, 80, 3)
        assert sample.pictures.dtype == sample.alphas.dtype == np.float32
        assert sample.pictures.min() >= 0
        assert sample.pictures.max() <= 1
        assert sample.alphas.min() >= 0
        assert sample.alphas.sum(axis=1, dtype=np.float64).max() <= 1
        assert sample.alphas.max() > 0.5
        assert sample.guidance.dtype == np.bool_
        assert sample.seed == (1, index)
        assert sample.protocol.startswith(name)


def test_a_clip_depends_on_seed_and_index_and_on_nothing_else(footage: tuple[Path, Path]) -> None:
    whole = clips(footage)
    first, third = whole[0], whole[2]
    np.random.seed(0)  # noqa: NPY002 - to show that the global state has no say
    carried = pickle.loads(pickle.dumps(whole))
    assert same(carried[2], third)
    assert same(clips(footage)[0], first)
    assert not same(first, third)
    assert not same(clips(footage, seed=2)[0], first)


def test_layers_compose_to_the_pictures(footage: tuple[Path, Path]) -> None:
    """MSG-VIM, equation 2: I = sum_i a_i F_i + (1 - sum_i a_i) B."""
    for index in range(6):
        sample = clips(footage, layers=True, **PURE)[index]
        alphas = sample.alphas[..., None]
        again = (alphas * sample.foregrounds).sum(axis=1) + (1 - alphas.sum(axis=1)) * sample.background
        assert np.abs(again - sample.pictures).max() < 2e-4


def test_rows_name_their_people_and_say_who_is_in_front(footage: tuple[Path, Path]) -> None:
    """Made-up people have one colour each: with nothing graded, rows can be told by it."""
    rows, hidden_behind = set(), 0
    hues = {f"person{k}": np.roll([200, 120, 60], k) / 255 for k in range(4)}
    for index in range(6):
        sample = clips(footage, layers=True, light_wrap=0.0, guidance=0.0, **PURE)[index]
        for k, name in enumerate(sample.names):
            solid = sample.alphas[:, k] > 0.98
            assert np.allclose(sample.pictures[solid], hues[name], atol=0.06)
        rows.add(sample.front_to_back)
        there = sample.foregrounds.max(axis=-1) > 0
        covered = [int((there[:, k] & (sample.alphas[:, k] == 0)).sum()) for k in sample.front_to_back]
        assert covered[0] == 0, "nobody is before the one in front"
        hidden_behind += sum(covered[1:])
        assert np.array_equal(sample.guidance, sample.alphas > 0.5)
    assert hidden_behind > 0
    assert len(rows) > 1, "rows come in any order of depth"


def members(folder: Path, count: int, rng: np.random.Generator) -> list[Person]:
    people, settings = Footage.of(folder), Settings(frames=3, height=128, width=160, grade=0.0)
    return [draw_member(people, rng, settings=settings, taken=set()).person for _ in range(count)]


@pytest.mark.parametrize("level", [*V_HIM2K5.levels, *VIM50.levels, *I_HIM50K.levels], ids=lambda one: one.name)
def test_layouts_hide_as_much_as_their_level_asks(footage: tuple[Path, Path], level) -> None:
    fits = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        people = members(footage[0], 2, rng)
        camera = camera_move(rng, frames=3, size=128, strength=1)
        layout = arrange(people, rng, level=level, camera=camera, height=128, width=160)
        if not layout.fits:
            continue
        fits += 1
        drawn = [
            moved(people[k].alphas[..., None], layout.maps[k], height=128, width=160)[..., 0] for k in layout.order
        ]
        for t in range(3):
            # Measured at full size, where small copies were tried: a little off is right.
            there = np.stack([alphas[t] for alphas in drawn])
            if level.measure == "hidden":
                assert level.low - 0.06 <= hidden(there).max() <= level.high + 0.06
    assert fits >= 6


def test_those_whom_their_own_picture_cuts_are_cut_by_ours(footage: tuple[Path, Path]) -> None:
    alphas = person(3, cut=True)[..., 3].astype(np.float32) / 255
    assert cut_sides(alphas).bottom
    assert not cut_sides(alphas).top
    assert not cut_sides(person(3)[..., 3].astype(np.float32) / 255).bottom
    for seed in range(12):
        rng = np.random.default_rng(seed)
        way = person_move(rng, frames=3, size=128, strength=1)
        one = Person(alphas=alphas, cut=cut_sides(alphas), way=way)
        camera = camera_move(rng, frames=3, size=128, strength=1)
        layout = arrange([one], rng, level=I_HIM50K.levels[0], camera=camera, height=128, width=160)
        feet = np.array([[0, 96, 1], [48, 96, 1]]).T
        assert ((layout.maps[0] @ feet)[:, 1] >= 128).all()


def test_protocols_have_the_papers_numbers_of_people() -> None:
    def mean(protocol: Protocol, level: int) -> float:
        people = protocol.levels[level].people
        return sum(n * share for n, share in people) / sum(share for _, share in people)

    assert [round(mean(V_HIM2K5, k), 2) for k in range(3)] == pytest.approx([2.67, 2.65, 3.21], abs=0.01)
    assert mean(I_HIM50K, 0) == pytest.approx(2.28)
    rng = np.random.default_rng(0)
    drawn = [VIM50.pick(rng) for _ in range(2000)]
    assert np.mean([level.name == "partial" for level, _ in drawn]) == pytest.approx(0.7, abs=0.03)
    assert np.bincount([n for _, n in drawn])[2:] / 2000 == pytest.approx([0.7, 0.2, 0.1], abs=0.03)


def test_merged_clips_hold_one_alpha_and_the_objects_in_it(footage: tuple[Path, Path]) -> None:
    samples = [clips(footage, protocol=OAVM)[k] for k in range(30)]
    assert all(s.alphas.shape[1] == 1 for s in samples)
    merged = [s for s in samples if s.objects.shape[1] == 2]
    assert 5 <= len(merged) <= 20, "a second clip in 40 of 100"
    together = [s for s in merged if "+" in s.names[0]]
    assert 0 < len(together) < len(merged)
    for sample in together:
        assert np.array_equal(sample.objects.any(axis=1), (sample.alphas[:, 0] > 0.5) & sample.objects.any(axis=1))


def test_footage_tells_stills_clips_and_what_is_kept_back(tmp_path: Path) -> None:
    write_people(tmp_path / "many", clips=2)
    write_people(tmp_path / "many" / "val", clips=1)
    for still in ("10.png", "9.png"):
        cv2.imwrite(str(tmp_path / "many" / still), person(1)[0])
    found = Footage.of(tmp_path / "many")
    assert [s.name for s in found.sources] == ["10", "9", "person0", "person1"]
    assert [f.name for f in found.sources[2].files] == ["000.png", "001.png", "002.png"]
    assert len(Footage.of(tmp_path / "many" / "val")) == 1
    read = found.sources[2].read(np.random.default_rng(0), frames=5, at_most=500)
    assert read.shape == (5, 96, 48, 4)
    assert read[0, 60, 24] == pytest.approx(np.array([200, 120, 60, 255]) / 255)


def test_a_folder_of_folders_with_stills_among_them(tmp_path: Path) -> None:
    write_people(tmp_path / "humans" / "train" / "deep", clips=1)
    write_people(tmp_path / "humans" / "val", clips=1)
    write_people(tmp_path / "humans" / "train" / "test", clips=1)
    singles = tmp_path / "humans" / "singles"
    singles.mkdir()
    for k in range(3):
        # Of different sizes, which no clip is, and each with a file beside it that is no picture.
        cv2.imwrite(str(singles / f"clip_6060_{k:05d}.webp"), person(1)[0][: 80 + k])
        (singles / f"clip_6060_{k:05d}.json").write_text("{}")
    found = Footage.of(tmp_path / "humans")
    assert [s.name for s in found.sources] == [
        *(f"singles/clip_6060_{k:05d}" for k in range(3)),
        "train/deep/person0",
    ]
    assert [s.is_still for s in found.sources] == [True, True, True, False]
    assert found.sources[2].read(np.random.default_rng(0), frames=2, at_most=500).shape == (2, 82, 48, 4)
    clips = TrainingClips(tmp_path / "humans", settings=Settings(frames=2, height=64, width=64), seed=1, length=9)
    names = {name.split(" ")[0] for k in range(9) for name in clips[k].names}
    assert {name.split("/")[0] for name in names} == {"singles", "train"}
    assert clips.notes == (
        f"Kept for evaluation, not for training: {tmp_path / 'humans' / 'val'}, "
        f"{tmp_path / 'humans' / 'train' / 'test'} (folders called test or val).",
    )
    assert Footage.of(tmp_path / "humans" / "val").note is None


def test_movies_keep_their_alpha(tmp_path: Path) -> None:
    frames = [av.VideoFrame.from_ndarray(rgba, format="rgba") for rgba in person(3)]
    write_movie(tmp_path / "walk.mov", frames, codec="png", pix_fmt="rgba")
    (source,) = Footage.of(tmp_path).sources
    read = source.read(np.random.default_rng(1), frames=6, at_most=500)
    assert read.shape == (6, 96, 48, 4)
    stored = person(3).astype(np.float32) / 255
    assert {min(range(3), key=lambda k: np.abs(stored[k] - one).max()) for one in read} == {0, 1, 2}
    assert min(np.abs(stored[k] - read[0])[stored[k, ..., 3] > 0].max() for k in range(3)) < 1e-3


def test_large_footage_is_made_smaller_without_colour_from_where_nobody_is(tmp_path: Path) -> None:
    rgba = np.zeros((200, 100, 4), np.uint8)
    rgba[..., 1] = 255
    rgba[60:140, 31:71] = (0, 0, 255, 255)
    cv2.imwrite(str(tmp_path / "red.png"), rgba)
    read = Footage.of(tmp_path).sources[0].read(np.random.default_rng(0), frames=2, at_most=50)
    assert read.shape == (2, 50, 25, 4)
    assert read[..., 3].sum() == pytest.approx(2 * 80 * 40 / 16)
    assert np.allclose(read[read[..., 3] > 0][:, :3], (1, 0, 0), atol=1e-4)


@pytest.mark.parametrize("size", [(9, 17), (33, 20), (256, 16)])
def test_stills_of_odd_sizes(footage: tuple[Path, Path], size: tuple[int, int]) -> None:
    for index in range(3):
        sample = clips(footage, frames=1, height=size[0], width=size[1], protocol=I_HIM50K)[index]
        assert sample.pictures.shape == (1, *size, 3)
        assert np.isfinite(sample.pictures).all()


def test_short_clips_play_to_and_fro() -> None:
    for seed in range(20):
        for length in (1, 2, 3, 9):
            numbers = pick_frames(np.random.default_rng(seed), length, 6)
            assert len(numbers) == 6
            assert all(0 <= n < length for n in numbers)
            assert {abs(a - b) for a, b in pairwise(numbers)} == ({0} if length == 1 else {1})


def test_what_is_wrong_is_said(footage: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="was not found"):
        Footage.of(tmp_path / "nowhere")
    with pytest.raises(MediaError, match="holds no clips"):
        Footage.of(tmp_path)
    odd = tmp_path / "odd" / "clip"
    odd.mkdir(parents=True)
    for k, size in enumerate((20, 24)):
        cv2.imwrite(str(odd / f"{k}.png"), np.zeros((size, 20, 4), np.uint8))
    with pytest.raises(MediaError, match="differ in size"):
        Footage.of(tmp_path / "odd").sources[0].read(np.random.default_rng(0), frames=2, at_most=500)
    write_backgrounds(tmp_path / "walls")
    with pytest.raises(MediaError, match="has no alpha"):
        TrainingClips(tmp_path / "walls", settings=Settings(frames=1), seed=0, length=1)[0]
    with pytest.raises(ConfigError, match="grade is a strength"):
        Settings(grade=1.5)
    with pytest.raises(ConfigError, match="keep no layers"):
        Settings(protocol=OAVM, layers=True)
    with pytest.raises(IndexError, match="50 samples"):
        clips(footage)[50]


def test_batches_fill_up_people_and_go_on_where_asked(footage: tuple[Path, Path]) -> None:
    whole = clips(footage, length=5)
    batches = list(loader(whole, batch=2, start=1))
    assert [b.samples for b in batches] == [((1, 1), (1, 2)), ((1, 3), (1, 4))]
    two, four = (next(s for s in (whole_of[k] for k in range(50)) if s.alphas.shape[1] == n)
                 for whole_of, n in ((clips(footage), 2), (clips(footage), 4)))  # fmt: skip
    batch = collate([two, four])
    assert batch.alphas_BTPHW.shape == (2, 3, 4, 64, 80)
    assert batch.present_BP.tolist() == [[True, True, False, False], [True] * 4]
    assert batch.pictures_BT3HW[1, 2, 0, 5, 7] == four.pictures[2, 5, 7, 0]
    assert batch.masks_BTPHW.unique().tolist() == [0, 1]
    assert np.array_equal(batch.alphas_BTPHW[0, :, :2].numpy(), two.alphas)
    assert not batch.alphas_BTPHW[0, :, 2:].any()


def test_workers_make_the_same_bytes(footage: tuple[Path, Path]) -> None:
    whole = clips(footage, length=4)
    alone, helped = (list(loader(whole, batch=2, workers=n)) for n in (0, 2))
    for one, other in zip(alone, helped, strict=True):
        assert one.samples == other.samples
        assert one.pictures_BT3HW.equal(other.pictures_BT3HW)
        assert one.masks_BTPHW.equal(other.masks_BTPHW)


def test_the_command_draws_a_sheet(footage: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    arguments = ["--people", str(footage[0]), "--backgrounds", str(footage[1]), "--count", "2", "--size", "64x48"]
    done = CliRunner().invoke(main, ["composites", *arguments, "--frames", "1", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "2 clips of 4 people" in done.output
    assert cv2.imread(str(out)).shape[1] > 900
    wrong = CliRunner().invoke(main, ["composites", *arguments, "--protocol", "crowd", "--out", str(out)])
    assert wrong.exit_code == 2
    assert "There is no protocol 'crowd'; there is: vim50" in wrong.output
