from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vimatte.engine.preview import ContactSheet, colour_of, evenly, overlay
from vimatte.ocio.errors import MediaError

H, W = 180, 320


def shot(n: int = 3, *, h: int = H, w: int = W) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    picture = np.full((h, w, 3), 0.5, np.float32)
    alphas = {}
    for i in range(n):
        alpha = np.zeros((h, w), np.float32)
        left = (2 * i + 1) * w // (2 * n + 1)
        alpha[h // 3 : h * 5 // 6, left : left + max(1, w // (2 * n + 1))] = 1
        alphas[f"person_{i + 1:02d}"] = alpha
    return picture, alphas


def colours(alphas: dict[str, np.ndarray]) -> dict[str, tuple[int, int, int]]:
    return {name: colour_of(i) for i, name in enumerate(alphas, 1)}


def oklab(colour: tuple[int, int, int], vision: np.ndarray) -> np.ndarray:
    """B. Ottosson's OKLab of an sRGB colour as seen with `vision`, a 3x3 matrix on linear light."""
    c = np.array(colour) / 255
    linear = vision @ np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    lms = np.array([[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]) @ linear
    return np.array([[0.21045, 0.79362, -0.00407], [1.978, -2.42859, 0.45059], [0.0259, 0.78277, -0.80868]]) @ np.cbrt(
        np.clip(lms, 0, None)
    )


NORMAL = np.eye(3)
PROTANOPIA = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.052]])
DEUTERANOPIA = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.96888]])


@pytest.mark.parametrize("vision", [NORMAL, PROTANOPIA, DEUTERANOPIA])
def test_the_first_twelve_colours_are_apart(vision: np.ndarray) -> None:
    seen = [oklab(colour_of(i), vision) for i in range(1, 13)]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.07
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen[:4], 2)) > 0.17


def test_colours_go_by_id_and_never_end() -> None:
    assert [colour_of(i) for i in (1, 2)] == [(255, 165, 30), (60, 165, 255)]
    many = [colour_of(i) for i in range(1, 61)]
    assert len(set(many)) == 60
    assert all(max(c) > 150 for c in many)
    with pytest.raises(ValueError, match="1 or more"):
        colour_of(0)


def test_people_take_their_colour_and_the_rest_is_dimmed() -> None:
    picture, alphas = shot()
    out = overlay(picture, alphas, colours(alphas), tags=False)
    assert out.shape == (H, W, 3)
    assert out.dtype == np.uint8
    assert out[2, 2].tolist() == [79, 79, 79]
    for name, alpha in alphas.items():
        rows, cols = np.nonzero(alpha)
        inside = out[int(rows.mean()), int(cols.mean())].astype(int)
        colour = np.array(colours(alphas)[name])
        assert np.argmax(inside) == np.argmax(colour)
        assert inside.max() - inside.min() > 40


def test_soft_alphas_blend_softly() -> None:
    picture = np.full((8, 64, 3), 0.5, np.float32)
    ramp = np.tile(np.linspace(0, 0.49, 64, dtype=np.float32), (8, 1))
    out = overlay(picture, {"a": ramp}, {"a": (255, 165, 30)}, tags=False)[4].astype(int)
    assert (np.diff(out[:, 0]) >= 0).all()
    assert len(np.unique(out[:, 0])) > 10


def test_light_and_shade_of_a_person_stay() -> None:
    picture, alphas = shot(1)
    picture[:, : W // 2] = 0.1
    out = overlay(picture, alphas, colours(alphas), tags=False).sum(axis=2)
    row = H // 2
    cols = np.flatnonzero(next(iter(alphas.values()))[row])
    assert out[row, cols[-3]] > 1.8 * out[row, cols[2]]


def test_tags_lie_inside_and_apart() -> None:
    picture, alphas = shot(6)
    stacked = {name: np.roll(a, -a.shape[0] // 3, axis=0) for name, a in alphas.items()}
    for some in (alphas, stacked):
        plain = overlay(picture, some, colours(some), tags=False)
        tagged = overlay(picture, some, colours(some))
        assert (plain != tagged).any(axis=2).sum() > 6 * 300


@pytest.mark.parametrize(("h", "w", "n"), [(1, 1, 1), (3, 5, 2), (40, 1000, 12), (500, 30, 3), (64, 64, 0)])
def test_any_size_and_number(h: int, w: int, n: int) -> None:
    picture, alphas = shot(n, h=h, w=w)
    assert overlay(picture, alphas, colours(alphas), caption="1001").shape == (h, w, 3)
    sheet = ContactSheet(tuple(alphas), colours=colours(alphas), frames=[1])
    sheet.add(1, picture, alphas)
    assert sheet.image().ndim == 3


def test_smaller_results_and_strange_values() -> None:
    picture, alphas = shot()
    picture[0, 0] = [np.nan, np.inf, -np.inf]
    next(iter(alphas.values()))[0, 0] = np.nan
    out = overlay(picture, alphas, colours(alphas), long_side=160)
    assert out.shape == (90, 160, 3)
    np.testing.assert_array_equal(out, overlay(picture, alphas, colours(alphas), long_side=160))


def test_frames_are_chosen_evenly() -> None:
    assert evenly(range(1001, 1041)) == (1001, 1009, 1017, 1024, 1032, 1040)
    assert evenly([5, 7]) == (5, 7)
    assert evenly([]) == ()
    assert evenly(range(10), count=2) == (0, 9)


def filled(count: int = 20) -> ContactSheet:
    picture, alphas = shot()
    sheet = ContactSheet(tuple(alphas), colours=colours(alphas), frames=range(1001, 1001 + count), title="shot.mov")
    for number in range(1001, 1001 + count):
        here = dict(alphas)
        if number > 1010:
            here["person_02"] = np.zeros((H, W), np.float32)
        sheet.add(number, picture, here)
    return sheet


def test_the_sheet_shows_mattes_and_presence(tmp_path: Path) -> None:
    sheet = filled()
    sheet.save(tmp_path / "new" / "layers.contact.png")
    with Image.open(tmp_path / "new" / "layers.contact.png") as file:
        image = np.asarray(file)
    np.testing.assert_array_equal(image, sheet.image())
    white = (image == 255).all(axis=2).sum()
    alphas = shot()[1]
    area = sum(float(a.mean()) for a in alphas.values()) * 288 * 162
    missing = float(alphas["person_02"].mean()) * 288 * 162
    assert white == pytest.approx(6 * area - 3 * missing, rel=0.05)
    bars = {n: (image == colour_of(i)).all(axis=2).sum(axis=1).max() for i, n in enumerate(alphas, 1)}
    assert bars["person_01"] == bars["person_03"]
    assert bars["person_02"] == pytest.approx(bars["person_01"] / 2, abs=4)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["layers.contact.png"]


def test_two_sheets_are_byte_identical(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        filled().save(tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_memory_does_not_grow_with_the_shot() -> None:
    def held(count: int) -> int:
        return sum(
            sys.getsizeof(a) for tinted, mattes in filled(count)._thumbs.values() for a in (tinted, *mattes.values())
        )

    assert held(60) == held(12)


def test_a_sheet_before_the_first_frame_is_still_a_picture(tmp_path: Path) -> None:
    ContactSheet((), colours={}, frames=()).save(tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.size[0] > 400


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="The contact sheet cannot be written"):
        filled(2).save(tmp_path / "file" / "c.png")
