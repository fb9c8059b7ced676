"""What the people finders of transformers share: windows, people, prompts, the choice of a finder."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from vimatte.engine.errors import ConfigError
from vimatte.engine.masks import Rle
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.vis.backend import KeyMasks, VisOptions
from vimatte.engine.vis.choose import MODEL_TYPES, choose_finder
from vimatte.engine.vis.hub.people import Found, finish, in_order, lasting
from vimatte.engine.vis.hub.prompts import Pointers, read_pointers
from vimatte.engine.vis.hub.sam3_kernels import LocalKernels
from vimatte.engine.vis.hub.stitch import Piece, Stitcher, spans

HEIGHT, WIDTH = 20, 40


def box(x0: int, x1: int, y0: int = 5, y1: int = 15) -> Rle:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return Rle.encode(mask)


def shot(frames: int = 6) -> MemoryShot:
    return MemoryShot([np.zeros((HEIGHT, WIDTH, 3), np.float32)] * frames)


@pytest.mark.parametrize("count", [1, 4, 16, 17, 28, 29, 100])
def test_windows_cover_every_frame_and_share_some(count: int) -> None:
    found = spans(count, length=16, overlap=4)
    assert found[0][0] == 0
    assert found[-1][1] == count
    for (_, end), (start, last) in pairwise(found):
        assert end - start == 4
        assert last > end, "every window brings new frames"


def test_an_overlap_as_long_as_the_window_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 to 3"):
        spans(10, length=4, overlap=4)


def test_people_keep_their_identity_where_the_queries_change_places() -> None:
    """Two people drift apart; the second window lists them the other way round, and a third comes in."""
    one = {n: box(2 + n, 8 + n) for n in range(10)}
    two = {n: box(26 - n, 32 - n, 0, 6) for n in range(10)}
    new = {n: box(34, 40, 16, 20) for n in (7, 8, 9)}
    stitcher = Stitcher()
    stitcher.add([Piece({n: one[n] for n in range(6)}, 0.9), Piece({n: two[n] for n in range(6)}, 0.7)], shared=())
    second = [{n: by[n] for n in range(4, 10) if n in by} for by in (new, two, one)]
    stitcher.add([Piece(masks, 0.5) for masks in second], shared=(4, 5))
    people = stitcher.people()
    assert [dict(masks) for masks, _ in people] == [one, two, new]
    assert people[0][1] == pytest.approx((0.9 * 6 + 0.5 * 6) / 12)


def test_somebody_who_is_not_seen_in_the_overlap_is_somebody_else() -> None:
    stitcher = Stitcher()
    stitcher.add([Piece({0: box(0, 10)}, 1.0)], shared=())
    stitcher.add([Piece({3: box(0, 10)}, 1.0)], shared=(1, 2))
    assert len(stitcher.people()) == 2


def test_short_small_and_surplus_people_go() -> None:
    numbers = shot().frames.numbers
    stays = Found(dict.fromkeys(numbers, box(0, 10)), 1.0)
    flickers = Found({numbers[0]: box(10, 20), numbers[1]: box(10, 20)}, 1.0)
    tiny = Found(dict.fromkeys(numbers, box(0, 1, 0, 1)), 1.0)
    larger = Found(dict.fromkeys(numbers, box(20, 40)), 1.0)
    options = VisOptions(min_area=0.01, min_duration=3)
    assert lasting([stays, flickers, tiny, larger], shot=shot(), options=options) == [stays, larger]
    fewer = VisOptions(min_area=0.01, min_duration=3, max_instances=1)
    assert lasting([stays, flickers, tiny, larger], shot=shot(), options=fewer) == [larger]
    assert flickers in lasting([flickers], shot=shot(2), options=options), "in a shot of two frames two are enough"


def test_order_is_by_first_appearance_then_from_the_left() -> None:
    right, left, late = (
        Found({1001: box(30, 40)}, 1.0),
        Found({1001: box(0, 10)}, 1.0),
        Found({1001: None, 1002: box(0, 5)}, 1.0),
    )
    assert in_order([late, right, left], shot=shot()) == [left, right, late]


def tracks(found: list[Found], keys: KeyMasks | None = None, label: str = "person"):
    steps = finish(shot(), found=found, keys=keys, label=label, source={"backend": "test"})
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_given_masks_win_and_find_their_person() -> None:
    numbers = shot().frames.numbers
    first = Found(dict.fromkeys(numbers, box(0, 12)), 0.9)
    second = Found(dict.fromkeys(numbers, box(8, 30)), 0.8)
    keys = KeyMasks(names=("anna",), masks={1002: {"anna": box(10, 30)}, 1003: {}})
    made = tracks([first, second], keys)
    assert made.names == ("anna", "person_02")
    assert made.masks[1][1002] == box(10, 30), "as it was given"
    assert made.masks[2][1002] == box(0, 10), "and nobody else has these pixels"
    assert 1003 not in made.masks[1], "known to be away"
    assert made.masks[1][1004] == box(8, 30)
    assert made.masks[2][1004] == box(0, 8)


def test_a_key_frame_that_says_nothing_of_somebody_takes_nobody_away() -> None:
    numbers = shot().frames.numbers
    found = Found(dict.fromkeys(numbers, box(0, 12)), 0.9)
    keys = KeyMasks(names=("anna",), masks={1002: {"anna": box(0, 12)}, 1003: {}}, unsaid={1003: ("anna",)})
    assert 1003 in tracks([found], keys).masks[1]


def test_layers_are_named_after_what_was_looked_for() -> None:
    numbers = shot().frames.numbers
    made = tracks([Found(dict.fromkeys(numbers, box(0, 12)), 0.9)], label="red car")
    assert made.names == ("red_car_01",)
    assert made.instances[0].label == "red car"


def test_nobody_is_a_warning_and_no_tracks() -> None:
    steps = finish(shot(), found=[], keys=None, label="dog", source={})
    assert "No dog was found" in next(steps).message  # type: ignore[union-attr]


def test_boxes_and_clicks_are_read() -> None:
    read = read_pointers(
        "anna@1001:5,6 anna@1001:30,18,2,1;anna@1001:!9,9 bob@1003:1.5,2", frames=range(1001, 1005), width=40, height=20
    )
    assert read == {
        "anna": {1001: Pointers(((2, 1), (30, 18), (5, 6), (9, 9)), (2, 3, 1, 0))},
        "bob": {1003: Pointers(((1.5, 2),), (1,))},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("anna", "neither a box nor a click"),
        ("anna@1001:1", "has 1 numbers"),
        ("anna@1001:1,2,3", "has 3 numbers"),
        ("anna@1001:!1,2,3,4", "has 4 numbers"),
        ("anna@1001:1.2.3,4", "has 0 numbers"),
        ("anna@2000:1,2", "frames are 1001 to 1004"),
        ("anna@1001:41,2", "outside the picture"),
        ("an-na@1001:1,2", "cannot be a layer name"),
        ("anna@1001:0,0,1,1 anna@1001:0,0,2,2", "two boxes"),
        (" ", "says nothing"),
    ],
)
def test_what_is_wrong_with_a_prompt_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_pointers(text, frames=range(1001, 1005), width=40, height=20)


def test_a_finder_is_chosen_in_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path))
    assert choose_finder("auto") == "blazepose"
    assert choose_finder("masks", weights=tmp_path) == "masks", "whoever is named, runs"
    assert choose_finder("auto", masks=True, prompt="dog") == "masks"
    assert choose_finder("auto", prompt="dog") == "sam3"
    place = tmp_path / "videomt"
    place.mkdir()
    assert choose_finder("auto") == "blazepose", "an empty folder is no weights"
    (place / "config.json").write_text('{"model_type": "videomt"}')
    (place / "model.safetensors").touch()
    assert choose_finder("auto") == "videomt"
    for finder, types in MODEL_TYPES.items():
        (place / "config.json").write_text(f'{{"model_type": "{types[0]}"}}')
        assert choose_finder("auto", weights=place) == finder
    assert choose_finder("auto", weights=tmp_path / "nowhere") == "videomt"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert choose_finder("auto") == "blazepose", "the weights are there, the package is not"


def test_the_finders_list_the_types_that_they_run() -> None:
    from vimatte.engine.vis import detect, edgetam, sam2, sam3, videomt

    own = {
        "detect": detect._TYPES,
        "edgetam": edgetam.EdgeTam.types,
        "sam2": sam2.Sam2.types,
        "sam3": sam3._TYPES,
        "videomt": videomt._TYPES,
    }
    assert {name: tuple(sorted(types)) for name, types in own.items()} == dict(MODEL_TYPES)


def test_suppression_keeps_the_surest_of_each() -> None:
    ious = torch.tensor([[1.0, 0.8, 0.0], [0.8, 1.0, 0.3], [0.0, 0.3, 1.0]])
    assert LocalKernels.generic_nms(ious, torch.tensor([0.5, 0.9, 0.4]), 0.5).tolist() == [1, 2]
    assert LocalKernels.generic_nms(ious, torch.tensor([0.5, 0.5, 0.4]), 0.2).tolist() == [0, 2]


def test_parts_are_counted_pixel_by_pixel() -> None:
    mask = torch.zeros(2, 1, 4, 6, dtype=torch.uint8)
    mask[0, 0, 0, :3] = 1
    mask[0, 0, 3, 5] = 1
    labels, counts = LocalKernels.cc_2d(mask)
    assert labels.shape == counts.shape == mask.shape
    assert counts[0, 0, 0].tolist() == [3, 3, 3, 0, 0, 0]
    assert counts[0, 0, 3, 5] == 1
    assert counts[1].sum() == 0
