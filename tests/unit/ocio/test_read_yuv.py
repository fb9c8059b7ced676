from __future__ import annotations

import numpy as np
import pytest

from vimatte.ocio.errors import MediaError
from vimatte.ocio.yuv import Siting, YuvCoding, luma_weights, planes_to_rgb


def slow_rgb(
    luma: np.ndarray,
    cb: np.ndarray,
    cr: np.ndarray,
    bits: int,
    full: bool,
    weights: tuple[float, float],
    siting: Siting,
) -> np.ndarray:
    """H.273 and linear interpolation between sample positions, one pixel at a time, in double precision."""
    height, width = luma.shape

    def sample(plane: np.ndarray, row: int, column: int) -> float:
        down, across = -(-height // plane.shape[0]), -(-width // plane.shape[1])
        if height == 1 or plane.shape[0] == height:
            down = 1
        if width == 1 or plane.shape[1] == width:
            across = 1
        y = (row - (down - 1) / 2) / down
        x = column / across if siting == "left" else (column - (across - 1) / 2) / across
        y, x = min(max(y, 0), plane.shape[0] - 1), min(max(x, 0), plane.shape[1] - 1)
        y0, x0 = int(y), int(x)
        y1, x1 = min(y0 + 1, plane.shape[0] - 1), min(x0 + 1, plane.shape[1] - 1)
        fy, fx = y - y0, x - x0
        top = plane[y0, x0] * (1 - fx) + plane[y0, x1] * fx
        bottom = plane[y1, x0] * (1 - fx) + plane[y1, x1] * fx
        return float(top * (1 - fy) + bottom * fy)

    kr, kb = weights
    unit, middle, top_code = 2 ** (bits - 8), 2 ** (bits - 1), 2**bits - 1
    out = np.empty((height, width, 3))
    for row in range(height):
        for column in range(width):
            code = float(luma[row, column])
            u, v = sample(cb, row, column) - middle, sample(cr, row, column) - middle
            if full:
                y, u, v = code / top_code, u / top_code, v / top_code
            else:
                y, u, v = (code - 16 * unit) / (219 * unit), u / (224 * unit), v / (224 * unit)
            red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
            out[row, column] = red, (y - kr * red - kb * blue) / (1 - kr - kb), blue
    return out


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize(("down", "across"), [(1, 1), (1, 2), (2, 2), (1, 4), (2, 1)])
@pytest.mark.parametrize("siting", ["left", "centre"])
@pytest.mark.parametrize("full", [False, True])
def test_conversion_equals_the_pixel_by_pixel_reference(
    bits: int, down: int, across: int, siting: Siting, full: bool
) -> None:
    rng = np.random.default_rng(bits * 100 + down * 10 + across)
    height, width = 71, 13  # odd, and more than two strips high
    kind = np.uint8 if bits == 8 else np.uint16
    luma = rng.integers(0, 1 << bits, (height, width)).astype(kind)
    small = (-(-height // down), -(-width // across))
    cb, cr = (rng.integers(0, 1 << bits, small).astype(kind) for _ in range(2))
    coding = YuvCoding(matrix=1, full_range=full, siting=siting)
    got = planes_to_rgb(luma, cb, cr, bits=bits, coding=coding)
    expected = slow_rgb(luma, cb, cr, bits, full, (0.2126, 0.0722), siting)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=3e-6)


@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 9])
def test_neutral_chroma_is_neutral_and_primaries_land_where_they_should(matrix: int) -> None:
    kr, kb = luma_weights(matrix)
    codes = np.array([[kr, 1 - kr - kb, kb, 1.0, 0.0]])
    colours = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]]], float)
    cb = (colours[..., 2] - codes) / (2 * (1 - kb))
    cr = (colours[..., 0] - codes) / (2 * (1 - kr))
    planes = [
        np.rint(np.clip(p, 0, 65535)).astype(np.uint16) for p in (codes * 65535, cb * 65535 + 32768, cr * 65535 + 32768)
    ]
    got = planes_to_rgb(*planes, bits=16, coding=YuvCoding(matrix=matrix, full_range=True))
    np.testing.assert_allclose(got, colours, atol=5e-5)


def test_ycgco() -> None:
    y, cg, co = 0.5, 0.125, -0.25
    planes = [np.full((1, 1), round(v), np.uint16) for v in (y * 65535, cg * 65535 + 32768, co * 65535 + 32768)]
    got = planes_to_rgb(*planes, bits=16, coding=YuvCoding(matrix=8, full_range=True))
    np.testing.assert_allclose(got[0, 0], [y - cg + co, y + cg, y - cg - co], atol=5e-5)


def test_an_unknown_matrix_is_refused() -> None:
    with pytest.raises(MediaError, match="matrix coefficients 14"):
        luma_weights(14)


def test_chroma_of_an_impossible_size_is_refused() -> None:
    luma, chroma = np.zeros((8, 8), np.uint8), np.zeros((8, 3), np.uint8)
    with pytest.raises(MediaError, match="does not fit"):
        planes_to_rgb(luma, chroma, chroma, bits=8, coding=YuvCoding(matrix=1, full_range=False))
