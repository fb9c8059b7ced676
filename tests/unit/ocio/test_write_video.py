from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vimatte.ocio.errors import MediaError
from vimatte.ocio.write_video import PreviewWriter


def picture(h: int, w: int, shift: int = 0) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    return np.stack([(x * 255 // w), (y * 255 // h), np.full((h, w), (40 + 10 * shift) % 256)], -1).astype(np.uint8)


def write(path: Path, *, h: int = 90, w: int = 160, count: int = 5, fps: Fraction = Fraction(24000, 1001)) -> None:
    with PreviewWriter(path, width=w, height=h, fps=fps) as movie:
        for i in range(count):
            movie.write(picture(h, w, i))


def rgb(frame: av.VideoFrame) -> np.ndarray:
    """Decode by the BT.709 limited range equations, independent of swscale."""
    y, u, v = (
        np.frombuffer(p, np.uint8).reshape(-1, p.line_size)[:, : p.width].astype(np.float64) for p in frame.planes
    )
    y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    u, v = (np.kron(c, np.ones((2, 2)))[: y.shape[0], : y.shape[1]] for c in (u, v))
    r, b = y + 1.5748 * v, y + 1.8556 * u
    return np.stack([r, (y - 0.2126 * r - 0.0722 * b) / 0.7152, b], -1) * 255


def test_colours_rate_and_tags(tmp_path: Path) -> None:
    write(tmp_path / "a" / "p.mp4")
    with av.open(str(tmp_path / "a" / "p.mp4")) as movie:
        stream = movie.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt, stream.average_rate) == ("h264", "yuv420p", Fraction(24000, 1001))
        frames = list(movie.decode(stream))
        assert len(frames) == 5
        for i, frame in enumerate(frames):
            assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)
            assert (int(frame.color_primaries), int(frame.color_trc)) == (1, 1)
            assert frame.time == pytest.approx(i * 1001 / 24000, abs=1e-4)
            off = rgb(frame) - picture(90, 160, i)
            assert np.abs(off).mean() < 2.5
            assert np.abs(off.mean(axis=(0, 1))).max() < 2.5


@pytest.mark.parametrize(
    ("taken", "made"),
    [((101, 75), (102, 76)), ((3840, 2160), (1280, 720)), ((1000, 4001), (320, 1280)), ((1, 1), (2, 2))],
)
def test_sizes_are_even_and_small(tmp_path: Path, taken: tuple[int, int], made: tuple[int, int]) -> None:
    path = tmp_path / "p.mp4"
    write(path, w=taken[0], h=taken[1], count=1)
    with av.open(str(path)) as movie:
        assert (movie.streams.video[0].width, movie.streams.video[0].height) == made


def test_two_runs_are_byte_identical(tmp_path: Path) -> None:
    made = set()
    for _ in range(6):
        write(tmp_path / "p.mp4", count=12)
        made.add((tmp_path / "p.mp4").read_bytes())
    assert len(made) == 1


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupted() -> None:
        with PreviewWriter(tmp_path / "p.mp4", width=16, height=16, fps=Fraction(24)) as movie:
            movie.write(picture(16, 16))
            raise FileNotFoundError("something else")

    with pytest.raises(FileNotFoundError, match="something else"):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_no_pictures_make_no_movie(tmp_path: Path) -> None:
    with PreviewWriter(tmp_path / "p.mp4", width=16, height=16, fps=Fraction(24)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match=r"The preview cannot be written to .*choose another --out"):
        write(tmp_path / "file" / "p.mp4")


def test_a_picture_of_another_size(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="pictures must be"),
        PreviewWriter(tmp_path / "p.mp4", width=16, height=16, fps=Fraction(24)) as movie,
    ):
        movie.write(picture(8, 16))
