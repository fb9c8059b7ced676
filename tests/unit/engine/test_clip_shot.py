from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import OpenImageIO as oiio
import pytest

from vimatte.engine import clip_shot
from vimatte.engine.clip_shot import ClipShot, open_shot
from vimatte.engine.shot import Shot
from vimatte.ocio.clip import ClipInfo, ColourTags
from vimatte.ocio.errors import ColourError, ConfigError, MediaError
from vimatte.ocio.frame import Frame
from vimatte.ocio.frame_range import FrameRange


class FakeClip:
    """Frames of one value each, and a count of what was asked."""

    def __init__(self, numbers: Iterable[int], *, path: str = "shot.exr") -> None:
        frames = FrameRange.of(numbers)
        self.reads: list[int] = []
        self.closed = False
        self.open_generators = 0
        self.info = ClipInfo(
            path=Path(path),
            kind="sequence",
            width=12,
            height=10,
            frames=frames,
            missing=frames.gaps(),
            fps=Fraction(24),
            tags=ColourTags(float_pixels=True, bits=16),
        )

    def read(self, number: int) -> Frame:
        self.reads.append(number)
        rgb = np.full((10, 12, 3), (number - 1000) / 8, np.float32)
        return Frame(number=number, rgb=rgb, space="unknown")

    def frames(self, numbers: Iterable[int]) -> Iterator[Frame]:
        self.open_generators += 1
        try:
            for number in numbers:
                yield self.read(number)
        finally:
            self.open_generators -= 1

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@pytest.fixture
def clip(monkeypatch: pytest.MonkeyPatch) -> FakeClip:
    return use(FakeClip(range(1001, 1011)), monkeypatch)


def use(clip: FakeClip, monkeypatch: pytest.MonkeyPatch) -> FakeClip:
    monkeypatch.delenv("OCIO", raising=False)
    monkeypatch.setattr(clip_shot, "open_clip", lambda path, *, start_frame: clip)
    return clip


def colour_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("vimatte-")]


def test_it_is_a_shot(clip: FakeClip) -> None:
    with open_shot("shot.exr") as opened:
        shot: Shot = opened
        assert shot.frames == FrameRange.span(1001, 10)
        assert shot.info is clip.info
        assert opened.decision.space == "Linear Rec.709 (sRGB)"
        assert opened.working.identity
        assert not opened.config.from_studio
        assert "ClipShot(shot.exr, frames=1001-1010" in repr(opened)
    assert clip.closed


def test_plates_carry_their_space_and_pictures_are_srgb(clip: FakeClip) -> None:
    with open_shot("shot.exr") as shot:
        plate = shot.plate(1004)
        assert plate.space == "Linear Rec.709 (sRGB)"
        assert np.all(plate.rgb == 0.5)
        picture = shot.picture(1004)
        assert picture.dtype == np.float32
        assert np.allclose(picture, 1.055 * 0.5 ** (1 / 2.4) - 0.055, atol=1e-5)


def test_neighbours_are_not_decoded_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = use(FakeClip(range(1001, 1021)), monkeypatch)
    with open_shot("shot.exr") as shot:
        for number in (1001, 1002, 1001, 1002, 1001):
            shot.plate(number)
            shot.picture(number)
        assert clip.reads == [1001, 1002]
        for number in range(1001, 1021):
            shot.picture(number)
        shot.picture(1001)  # long gone
        assert clip.reads.count(1001) == 2


@pytest.mark.parametrize("large", [False, True], ids=["small plates", "large plates"])
def test_plates_behind_their_pictures_are_decoded_again_only_where_they_are_large(
    clip: FakeClip, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    if large:
        monkeypatch.setattr(clip_shot, "_CACHE_BYTES", 0)
    numbers = range(1001, 1011)
    with open_shot("shot.exr") as shot:
        plates = shot.plates_seen(numbers)
        given = [next(plates).number for at, _ in enumerate(shot.pictures(numbers)) if at >= 5]
        given += [plate.number for plate in plates]
        assert given == list(numbers)
        assert len(clip.reads) == (20 if large else 10)


def test_ordered_access_keeps_the_order_asked_and_feeds_random_access(clip: FakeClip) -> None:
    with open_shot("shot.exr") as shot:
        order = [1009, 1003, 1003, 1001, 1010]
        assert [plate.number for plate in shot.plates(order)] == order
        seen = list(shot.pictures(order))
        assert [number for number, _ in seen] == order
        for number, picture in seen:
            assert np.array_equal(picture, shot.picture(number))
        before = list(clip.reads)
        shot.plate(1010)
        shot.picture(1010)
        assert clip.reads == before


def test_closing_a_generator_ends_threads_and_decoding(clip: FakeClip) -> None:
    with open_shot("shot.exr") as shot:
        pictures = shot.pictures(shot.frames)
        next(pictures)
        assert clip.open_generators == 1
        pictures.close()  # type: ignore[attr-defined]
        assert clip.open_generators == 0
        assert colour_threads() == []
        assert len(clip.reads) < 6
        shot.pictures(shot.frames)  # never begun: nothing to end
    assert clip.open_generators == 0


def test_a_broken_frame_arrives_in_its_turn(clip: FakeClip, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = clip.read

    def broken(number: int) -> Frame:
        if number == 1004:
            raise MediaError("Frame 1004 is broken.")
        return whole(number)

    monkeypatch.setattr(clip, "read", broken)
    got: list[int] = []
    with open_shot("shot.exr") as shot:
        with pytest.raises(MediaError, match="1004 is broken"):
            got.extend(number for number, _ in shot.pictures(shot.frames))
        with pytest.raises(MediaError, match="1004 is broken"):
            shot.picture(1004)
        assert shot.picture(1005).shape == (10, 12, 3)
    assert colour_threads() == []
    assert clip.open_generators == 0


def test_frames_outside_the_shot_are_refused_before_anything_is_read(clip: FakeClip) -> None:
    with open_shot("shot.exr", frames=FrameRange.parse("1002-1006x2")) as shot:
        assert shot.frames.numbers == (1002, 1004, 1006)
        for ask in (shot.plate, shot.picture):
            with pytest.raises(MediaError, match="Frame 1003 is not in this shot; it has 1002-1006x2"):
                ask(1003)
        with pytest.raises(MediaError, match="1003"):
            shot.pictures([1002, 1003])
        with pytest.raises(MediaError, match="1003"):
            shot.plates([1003])
    assert clip.reads == []


def test_frames_the_clip_lacks(clip: FakeClip) -> None:
    with pytest.raises(ConfigError, match=r"asks for 1011-1012, which shot.exr does not have; it has 1001-1010"):
        open_shot("shot.exr", frames=FrameRange.parse("1008-1012"))
    assert clip.closed
    with pytest.raises(ConfigError, match="names no frame"):
        open_shot("shot.exr", frames=FrameRange(()))


def test_gaps_are_an_error_or_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    use(FakeClip([1001, 1002, 1005, 1006]), monkeypatch)
    with pytest.raises(MediaError, match=r"lacks frames 1003-1004 .*--missing skip"):
        open_shot("shot.exr")
    with pytest.raises(MediaError, match="lacks frames 1003 "):
        open_shot("shot.exr", frames=FrameRange.parse("1001-1003"))
    with open_shot("shot.exr", missing="skip") as shot:
        assert shot.frames.numbers == (1001, 1002, 1005, 1006)
    with open_shot("shot.exr", frames=FrameRange.parse("1002-1005"), missing="skip") as shot:
        assert shot.frames.numbers == (1002, 1005)
    with open_shot("shot.exr", frames=FrameRange.parse("1001-1002")) as shot:
        assert shot.frames.numbers == (1001, 1002)
    with pytest.raises(MediaError, match="none of the frames 1003-1004"):
        open_shot("shot.exr", frames=FrameRange.parse("1003-1004"), missing="skip")


def test_a_clip_is_closed_when_its_colour_cannot_be_decided(clip: FakeClip) -> None:
    with pytest.raises(ColourError, match="--in-space"):
        open_shot("shot.exr", in_space="ACEScgg")
    assert clip.closed


def test_torch_and_ocio_give_the_same_pictures(clip: FakeClip) -> None:
    with open_shot("shot.exr", in_space="ACEScg", working="source") as shot:
        on_torch = ClipShot(
            clip,
            config=shot.config,
            decision=shot.decision,
            working=shot.working,
            frames=shot.frames,
            device="cpu:0",
        )
        assert np.abs(on_torch.picture(1003) - shot.picture(1003)).max() < 1e-6


def test_real_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)
    values = np.random.default_rng(5).uniform(-0.1, 4, (16, 24, 3)).astype(np.float16)
    for number in (1001, 1002):
        spec = oiio.ImageSpec(24, 16, 3, oiio.HALF)
        spec.attribute("chromaticities", "float[8]", (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767))
        out = oiio.ImageOutput.create(str(tmp_path / "shot.1001.exr"))
        assert out.open(str(tmp_path / f"shot.{number}.exr"), spec)
        assert out.write_image(values)
        out.close()
    with open_shot(tmp_path / "shot.####.exr") as shot:
        assert shot.decision.space == "ACEScg"
        assert shot.decision.warning is None
        plate = shot.plate(1002)
        assert plate.space == "ACEScg"
        assert np.array_equal(shot.working.apply(plate.rgb), values.astype(np.float32))
        assert [number for number, _ in shot.pictures(shot.frames)] == [1001, 1002]
