from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vimatte.ocio.errors import MediaError
from vimatte.ocio.movie_decoder import MovieSource
from vimatte.ocio.packet_index import index_packets
from vimatte.ocio.read_video import MovieClip
from vimatte.ocio.readers import open_clip
from vimatte.ocio.timecode import Timecode

from support.movies import BT601, BT709, encode_yuv, grey_frame, packed, planes_frame, write_movie

REC709 = {"colorspace": 1, "color_range": 1, "color_primaries": 1, "color_trc": 1}


def open_movie(path: Path, **options: int) -> MovieClip:
    clip = open_clip(path, start_frame=options.get("start_frame", 1001), threads=options.get("threads", 2))
    assert isinstance(clip, MovieClip)
    return clip


def level(clip: MovieClip, number: int) -> float:
    """The code that `grey_frame` put into the left half."""
    rgb = clip.read(number).rgb
    return float(rgb[:, : max(1, rgb.shape[1] // 2 - 2)].mean() * 219 + 16)


def remux(source: Path, target: Path, *, skip_keys: int) -> None:
    """Copy packets into another container, from a later keyframe on."""
    with av.open(str(source)) as given, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        keys = 0
        for packet in given.demux(video=0):
            keys += packet.is_keyframe
            if packet.size and keys > skip_keys:
                packet.stream = stream
                out.mux(packet)


@pytest.fixture
def colours() -> np.ndarray:
    return np.random.default_rng(7).uniform(0, 1, (32, 48, 3))


@pytest.fixture(scope="module")
def with_b_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [grey_frame(40 + 3 * n) for n in range(50)]
    return write_movie(
        tmp_path_factory.mktemp("h264") / "b.mp4",
        frames,
        codec="libx264",
        pix_fmt="yuv420p",
        options={"g": "12", "bf": "3", "crf": "8", "x264-params": "threads=1:b-adapt=0"},
        tags=REC709,
    )


@pytest.fixture(scope="module")
def open_gop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [grey_frame(40 + 3 * n) for n in range(50)]
    parameters = "keyint=12:min-keyint=12:open-gop=1:bframes=4:b-adapt=0:scenecut=0:log-level=error:pools=1"
    return write_movie(
        tmp_path_factory.mktemp("hevc") / "open.mp4",
        frames,
        codec="libx265",
        pix_fmt="yuv420p",
        options={"crf": "8", "x265-params": parameters},
        tags=REC709,
    )


class TestPixels:
    def test_lossless_16_bit_rgb_comes_back(self, tmp_path: Path, colours: np.ndarray) -> None:
        red, green, blue = (np.rint(colours[..., i] * 65535).astype(np.uint16) for i in range(3))
        path = write_movie(
            tmp_path / "a.mkv", [planes_frame([green, blue, red], "gbrp16le")], codec="ffv1", pix_fmt="gbrp16le"
        )
        with open_movie(path) as clip:
            np.testing.assert_allclose(clip.read(1001).rgb, colours, atol=1e-5)
            assert clip.info.tags.matrix is None
            assert clip.info.tags.bits == 16
            assert clip.info.warnings == ()

    @pytest.mark.parametrize(("matrix", "weights"), [(1, BT709), (6, BT601), (9, (0.2627, 0.0593))])
    @pytest.mark.parametrize("full", [False, True])
    def test_lossless_16_bit_yuv_comes_back(
        self, tmp_path: Path, colours: np.ndarray, matrix: int, weights: tuple[float, float], full: bool
    ) -> None:
        planes = encode_yuv(colours, bits=16, full=full, weights=weights)
        path = write_movie(
            tmp_path / "a.mkv",
            [planes_frame(planes, "yuv444p16le")],
            codec="ffv1",
            pix_fmt="yuv444p16le",
            tags={"colorspace": matrix, "color_range": 2 if full else 1},
        )
        with open_movie(path) as clip:
            np.testing.assert_allclose(clip.read(1001).rgb, colours, atol=1e-4)
            assert clip.info.tags.matrix == matrix
            assert clip.info.tags.full_range is full
            assert clip.info.tags.guessed == ()

    def test_studio_codes_beyond_white_and_black_are_kept(self, tmp_path: Path) -> None:
        luma = np.array([[4, 64, 940, 1019]], np.uint16)
        grey = np.full((1, 4), 512, np.uint16)
        path = write_movie(
            tmp_path / "a.mkv",
            [planes_frame([luma, grey, grey], "yuv444p10le")],
            codec="ffv1",
            pix_fmt="yuv444p10le",
            tags=REC709,
        )
        with open_movie(path) as clip:
            expected = (luma[0].astype(float) - 64) / 876
            np.testing.assert_allclose(clip.read(1001).rgb[0], np.repeat(expected[:, None], 3, 1), atol=1e-6)

    def test_prores_4444_keeps_colour_and_straight_alpha(self, tmp_path: Path) -> None:
        y, x = np.mgrid[0:64, 0:96] / 96
        rgb = np.stack([0.2 + 0.6 * x, 0.3 + 0.4 * y, 0.8 - 0.5 * x], -1)
        alpha = np.clip((x - 0.2) * 3, 0, 1)
        planes = encode_yuv(rgb, bits=10, full=False, weights=BT709)
        planes.append(np.rint(alpha * 1023).astype(np.uint16))
        path = write_movie(
            tmp_path / "a.mov",
            [planes_frame(planes, "yuva444p10le")] * 2,
            codec="prores_ks",
            pix_fmt="yuva444p10le",
            options={"profile": "4444", "alpha_bits": "16"},
            tags=REC709,
        )
        with open_movie(path) as clip:
            frame = clip.read(1002)
            assert clip.info.alpha_state == frame.alpha_state == "straight"
            assert frame.alpha is not None
            np.testing.assert_allclose(frame.alpha, alpha, atol=2e-3)
            np.testing.assert_allclose(frame.rgb, rgb, atol=0.02)
            assert "prores" in clip.info.codec
            assert clip.info.tags.transfer == clip.info.tags.primaries == 1

    @pytest.mark.parametrize(
        ("pix_fmt", "codec"),
        [
            ("rgb24", "png"),
            ("rgba", "png"),
            ("rgb48be", "png"),
            ("gray", "png"),
            ("argb", "qtrle"),
            ("gray16le", "ffv1"),
        ],
    )
    def test_rgb_and_grey_formats(self, tmp_path: Path, colours: np.ndarray, pix_fmt: str, codec: str) -> None:
        grey = pix_fmt.startswith("gray")
        deep = "16" in pix_fmt or "48" in pix_fmt
        source = np.repeat(colours[..., :1], 3, -1) if grey else colours
        codes = np.rint(source * (65535 if deep else 255)).astype(np.uint16 if deep else np.uint8)
        layout = {"rgba": "rgb24", "argb": "rgb24", "rgb48be": "rgb48le", "gray16le": "gray16le", "gray": "gray"}
        kind = layout.get(pix_fmt, "rgb24")
        frame = av.VideoFrame.from_ndarray(codes[..., 0].copy() if grey else codes, format=kind).reformat(
            format=pix_fmt
        )
        path = write_movie(tmp_path / f"a.{'mkv' if codec == 'ffv1' else 'mov'}", [frame], codec=codec, pix_fmt=pix_fmt)
        with open_movie(path) as clip:
            read = clip.read(1001)
            np.testing.assert_allclose(read.rgb, codes / (65535 if deep else 255), atol=1e-6)
            assert (read.alpha is not None) == (pix_fmt in ("rgba", "argb"))

    @pytest.mark.parametrize("pix_fmt", ["nv12", "uyvy422", "yuyv422"])
    def test_packed_yuv_is_taken_apart_exactly(self, tmp_path: Path, pix_fmt: str) -> None:
        rng = np.random.default_rng(1)
        rows = 4 if pix_fmt == "nv12" else 8
        codes = [rng.integers(16, 235, (8, 8), dtype=np.uint8), *rng.integers(16, 240, (2, rows, 4), dtype=np.uint8)]
        name = "yuv420p" if pix_fmt == "nv12" else "yuv422p"
        # packed here, not by swscale: on rows this narrow its threads overwrite each other's ends now and then
        frame = planes_frame(packed(codes, pix_fmt), pix_fmt, codes[0].shape)
        one = write_movie(tmp_path / "a.nut", [frame], codec="rawvideo", pix_fmt=pix_fmt)
        two = write_movie(tmp_path / "b.mkv", [planes_frame(codes, name)], codec="ffv1", pix_fmt=name)
        with open_movie(one) as a, open_movie(two) as b:
            np.testing.assert_allclose(a.read(1001).rgb, b.read(1001).rgb, atol=1e-6)

    @pytest.mark.parametrize("size", [(1, 1), (5, 3), (7, 1), (1, 6), (3, 2)])
    def test_tiny_and_odd_sizes(self, tmp_path: Path, size: tuple[int, int]) -> None:
        path = write_movie(
            tmp_path / "a.nut", [grey_frame(200, size=size)], codec="rawvideo", pix_fmt="yuv420p", tags=REC709
        )
        with open_movie(path) as clip:
            rgb = clip.read(1001).rgb
            assert rgb.shape == (size[1], size[0], 3)
            assert (clip.info.width, clip.info.height) == size
            np.testing.assert_allclose(rgb[0, 0], (200 - 16) / 219, atol=1e-6)


class TestGuesses:
    @pytest.mark.parametrize(("size", "matrix", "name"), [((64, 48), 6, "Rec.601"), ((1280, 16), 1, "Rec.709")])
    def test_untagged_streams_are_guessed_by_size_and_said(
        self, tmp_path: Path, size: tuple[int, int], matrix: int, name: str
    ) -> None:
        path = write_movie(tmp_path / "a.mkv", [grey_frame(90, size=size)], codec="ffv1", pix_fmt="yuv420p")
        with open_movie(path) as clip:
            assert clip.info.tags.matrix == matrix
            assert "matrix" in clip.info.tags.guessed
            assert any(name in sentence for sentence in clip.info.warnings)

    def test_primaries_decide_before_size(self, tmp_path: Path) -> None:
        path = write_movie(
            tmp_path / "a.mkv",
            [grey_frame(90)],
            codec="ffv1",
            pix_fmt="yuv420p",
            tags={"color_primaries": 9, "color_range": 1},
        )
        with open_movie(path) as clip:
            assert clip.info.tags.matrix == 9
            assert clip.info.tags.guessed == ("matrix",)


class TestAccess:
    @pytest.mark.parametrize("name", ["with_b_frames", "open_gop"])
    def test_every_random_access_equals_the_sequential_frame(self, name: str, request: pytest.FixtureRequest) -> None:
        path = request.getfixturevalue(name)
        with open_movie(path) as clip:
            assert str(clip.info.frames) == "1001-1050"
            straight = {frame.number: frame for frame in clip.frames(clip.info.frames)}
            assert list(straight) == list(range(1001, 1051))
            for number, frame in straight.items():
                assert frame.rgb[:, :28].mean() * 219 + 16 == pytest.approx(40 + 3 * (number - 1001), abs=1.2)
            order = list(straight)
            random.Random(3).shuffle(order)
            for number in order:
                np.testing.assert_array_equal(clip.read(number).rgb, straight[number].rgb, err_msg=str(number))

    def test_rolling_refresh_without_true_keyframes_is_exact_too(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(5)
        ramp = np.cumsum(rng.integers(-2, 3, 64 * 48)).reshape(48, 64)
        frames = []
        for n in range(50):
            luma = np.clip(np.roll(ramp, n, 1) % 180 + 30, 16, 235).astype(np.uint8)
            half = np.full((24, 32), 128, np.uint8)
            frames.append(planes_frame([luma, half, half], "yuv420p"))
        path = write_movie(
            tmp_path / "a.mp4",
            frames,
            codec="libx264",
            pix_fmt="yuv420p",
            options={"x264-params": "intra-refresh=1:keyint=15:bframes=0"},
            tags=REC709,
        )
        with open_movie(path) as clip:
            straight = {frame.number: frame.rgb for frame in clip.frames(clip.info.frames)}
            for number in (1048, 1020, 1035, 1050, 1016, 1017):
                np.testing.assert_array_equal(clip.read(number).rgb, straight[number], err_msg=str(number))

    def test_reading_in_order_never_seeks(self, with_b_frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        seeks: list[int] = []
        seek = MovieSource.seek
        with open_movie(with_b_frames) as clip:
            monkeypatch.setattr(MovieSource, "seek", lambda self, time: seeks.append(time) or seek(self, time))
            assert len(list(clip.frames(range(1013, 1051)))) == 38
        assert len(seeks) == 1

    def test_reading_from_the_middle_and_in_any_order(self, with_b_frames: Path) -> None:
        with open_movie(with_b_frames) as clip:
            asked = [1030, 1031, 1032, 1005, 1049, 1050, 1001, 1001]
            got = list(clip.frames(asked))
            assert [frame.number for frame in got] == asked
            for frame in got:
                np.testing.assert_array_equal(frame.rgb, clip.read(frame.number).rgb)

    def test_frames_carry_the_clip_start_number(self, with_b_frames: Path) -> None:
        with open_movie(with_b_frames, start_frame=-3) as clip:
            assert (clip.info.frames.first, clip.info.frames.last) == (-3, 46)
            assert level(clip, -3) == pytest.approx(40, abs=1.2)

    def test_reading_goes_on_while_frames_stream(self, with_b_frames: Path) -> None:
        with open_movie(with_b_frames) as clip:
            stream = clip.frames(clip.info.frames)
            for number in range(1001, 1011):
                assert next(stream).number == number
                assert level(clip, 2051 - number) == pytest.approx(40 + 3 * (1050 - number), abs=1.2)

    def test_closing_early_ends_the_threads(self, with_b_frames: Path) -> None:
        before = threading.active_count()
        with open_movie(with_b_frames) as clip:
            stream: Iterator = clip.frames(clip.info.frames)
            next(stream)
            stream.close()
            assert threading.active_count() == before

    def test_a_number_outside_is_named_with_what_there_is(self, with_b_frames: Path) -> None:
        with open_movie(with_b_frames) as clip, pytest.raises(MediaError, match=r"no frame 1051; it has 1001-1050"):
            clip.read(1051)

    def test_a_closed_clip_says_so(self, with_b_frames: Path) -> None:
        clip = open_movie(with_b_frames)
        clip.close()
        with pytest.raises(MediaError, match="closed"):
            clip.read(1001)

    def test_streams_without_times_are_counted(self, tmp_path: Path) -> None:
        frames = [grey_frame(40 + 5 * n) for n in range(20)]
        path = write_movie(
            tmp_path / "a.avi", frames, codec="mpeg4", pix_fmt="yuv420p", options={"g": "5", "bf": "2", "qscale": "2"}
        )
        with open_movie(path) as clip:
            assert len(clip.info.frames) == 20
            for number in (1015, 1003, 1020, 1001):
                assert level(clip, number) == pytest.approx(40 + 5 * (number - 1001), abs=2.5)

    def test_a_sample_table_says_what_reading_every_packet_says(self, tmp_path: Path) -> None:
        frames = [grey_frame(40 + 5 * n) for n in range(20)]
        path = write_movie(tmp_path / "a.mov", frames, codec="prores_ks", pix_fmt="yuv422p10le", tags=REC709)
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            table = index_packets(container, stream)
            assert next(container.demux(stream)).pts == 0  # nothing has been read yet
        with av.open(str(path)) as container:
            packets = [packet.pts for packet in container.demux(video=0) if packet.size]
        assert list(table.times) == list(table.keys) == packets
        assert table.intra

    def test_one_frame(self, tmp_path: Path) -> None:
        path = write_movie(tmp_path / "a.mp4", [grey_frame(90)], codec="libx264", pix_fmt="yuv420p", tags=REC709)
        with open_movie(path) as clip:
            assert clip.info.frames.numbers == (1001,)
            assert [frame.number for frame in clip.frames([1001, 1001])] == [1001, 1001]


class TestTime:
    def test_timecode_advances_over_drop_frames(self, tmp_path: Path) -> None:
        frames = [grey_frame(90)] * 4
        path = write_movie(
            tmp_path / "a.mov",
            frames,
            codec="prores_ks",
            pix_fmt="yuv422p10le",
            fps=Fraction(30000, 1001),
            metadata={"timecode": "01:00:59;28"},
        )
        with open_movie(path) as clip:
            assert clip.info.fps == Fraction(30000, 1001)
            assert clip.info.timecode == Timecode.parse("01:00:59;28")
            assert [str(f.timecode) for f in clip.frames(clip.info.frames)] == [
                "01:00:59;28",
                "01:00:59;29",
                "01:01:00;02",
                "01:01:00;03",
            ]

    @pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(60000, 1001), Fraction(12)])
    @pytest.mark.parametrize("suffix", ["mkv", "mov"])
    def test_rates_survive_coarse_clocks(self, tmp_path: Path, rate: Fraction, suffix: str) -> None:
        codec = "ffv1" if suffix == "mkv" else "libx264"
        path = write_movie(
            tmp_path / f"a.{suffix}", [grey_frame(90)] * 30, codec=codec, pix_fmt="yuv420p", fps=rate, tags=REC709
        )
        with open_movie(path) as clip:
            assert clip.info.fps == rate
            assert clip.info.warnings == ()

    def test_a_variable_rate_is_said_and_still_exact(self, tmp_path: Path) -> None:
        times = [0, 1, 2, 5, 6, 11, 12, 13, 20, 21, 22, 30]
        path = write_movie(
            tmp_path / "a.mp4",
            [grey_frame(40 + 10 * n) for n in range(12)],
            codec="libx264",
            pix_fmt="yuv420p",
            times=times,
            options={"g": "4", "bf": "2", "crf": "8"},
            tags=REC709,
        )
        with open_movie(path) as clip:
            assert any("variable frame rate" in sentence for sentence in clip.info.warnings)
            assert len(clip.info.frames) == 12
            for number in (1011, 1004, 1001, 1012, 1007):
                assert level(clip, number) == pytest.approx(40 + 10 * (number - 1001), abs=1.5)


class TestGeometry:
    @pytest.mark.parametrize("angle", [90, 180, 270])
    def test_rotation_is_applied_and_said(self, tmp_path: Path, angle: int) -> None:
        luma = np.full((16, 32), 16, np.uint8)
        luma[:4, :8] = 235  # bright mark at the stored top left
        half = np.full((8, 16), 128, np.uint8)
        path = write_movie(
            tmp_path / "a.mp4",
            [planes_frame([luma, half, half], "yuv420p")],
            codec="libx264",
            pix_fmt="yuv420p",
            options={"crf": "0"},
            tags=REC709,
            rotation=angle,
        )
        with open_movie(path) as clip:
            rgb = clip.read(1001).rgb
            corners = {90: (-1, 0), 180: (-1, -1), 270: (0, -1)}  # where a counter-clockwise turn carries the mark
            assert rgb[corners[angle]][0] > 0.9
            assert rgb.shape[:2] == ((16, 32) if angle == 180 else (32, 16)) == (clip.info.height, clip.info.width)
            assert any("turned" in sentence for sentence in clip.info.warnings)

    def test_interlacing_is_said(self, tmp_path: Path) -> None:
        path = write_movie(
            tmp_path / "a.mp4",
            [grey_frame(90)] * 4,
            codec="libx264",
            pix_fmt="yuv420p",
            options={"x264-params": "tff=1"},
            tags=REC709,
        )
        with open_movie(path) as clip:
            assert any("interlaced" in sentence for sentence in clip.info.warnings)


class TestDamage:
    def test_a_truncated_movie_counts_what_can_be_read(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        frames = []
        for n in range(60):
            noise = rng.integers(16, 235, (48, 64), dtype=np.uint8)
            noise[:, :32] = 40 + 2 * n
            half = np.full((24, 32), 128, np.uint8)
            frames.append(planes_frame([noise, half, half], "yuv420p"))
        whole = write_movie(
            tmp_path / "whole.mp4",
            frames,
            codec="libx264",
            pix_fmt="yuv420p",
            options={"g": "12", "bf": "2"},
            container_options={"movflags": "faststart"},
            tags=REC709,
        )
        cut = tmp_path / "cut.mp4"
        cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
        with open_movie(cut) as clip:
            count = len(clip.info.frames)
            assert 25 < count < 45
            assert any(f"says 60 frames, {count} can be read" in sentence for sentence in clip.info.warnings)
            got = list(clip.frames(clip.info.frames))
            assert len(got) == count
            with open_movie(whole) as good:
                for frame in got:
                    np.testing.assert_array_equal(frame.rgb, good.read(frame.number).rgb)
            with pytest.raises(MediaError, match=f"1001-{1000 + count}"):
                clip.read(1001 + count)

    @pytest.mark.parametrize("share", [0.75, 0.9])
    def test_a_torn_end_never_renumbers_frames(self, tmp_path: Path, open_gop: Path, share: float) -> None:
        whole = tmp_path / "whole.mkv"
        remux(open_gop, whole, skip_keys=0)
        cut = tmp_path / "cut.mkv"
        cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
        with open_movie(cut) as clip:
            assert 10 < len(clip.info.frames) < 50
            assert any("cut short" in sentence for sentence in clip.info.warnings)
            for frame in clip.frames(clip.info.frames):
                expected = 40 + 3 * (frame.number - 1001)
                assert frame.rgb[:, :28].mean() * 219 + 16 == pytest.approx(expected, abs=1.2)

    def test_leading_frames_without_their_references_are_left_out(self, tmp_path: Path, open_gop: Path) -> None:
        path = tmp_path / "later.mkv"
        remux(open_gop, path, skip_keys=2)
        with open_movie(path) as clip:
            assert any("are left out" in sentence for sentence in clip.info.warnings)
            first = level(clip, 1001)
            for frame in clip.frames(clip.info.frames):
                expected = first + 3 * (frame.number - 1001)
                assert frame.rgb[:, :28].mean() * 219 + 16 == pytest.approx(expected, abs=1.2)

    def test_a_movie_without_its_end_index_is_refused(self, tmp_path: Path, with_b_frames: Path) -> None:
        cut = tmp_path / "cut.mp4"
        cut.write_bytes(with_b_frames.read_bytes()[:3000])
        with pytest.raises(MediaError, match="cut short"):
            open_clip(cut)

    def test_a_damaged_frame_is_named_and_the_rest_can_be_read(self, tmp_path: Path) -> None:
        frames = [grey_frame(40 + 5 * n, size=(128, 96)) for n in range(12)]
        path = write_movie(tmp_path / "a.mov", frames, codec="prores_ks", pix_fmt="yuv422p10le", tags=REC709)
        with av.open(str(path)) as container:
            packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
        content = bytearray(path.read_bytes())
        place, size = packets[5]
        content[place : place + size] = b"\xff" * size
        path.write_bytes(content)
        with open_movie(path) as clip:
            with pytest.raises(MediaError, match=r"Frame 1006 .* type --frames 1001-1005,1007-1012"):
                clip.read(1006)
            assert level(clip, 1007) == pytest.approx(70, abs=1.5)
            stream = clip.frames(clip.info.frames)
            assert [next(stream).number for _ in range(5)] == [1001, 1002, 1003, 1004, 1005]
            with pytest.raises(MediaError, match="1006"):
                next(stream)
            assert [f.number for f in clip.frames([1005, 1007, 1012])] == [1005, 1007, 1012]

    def test_sound_alone_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mov"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            frame.sample_rate = 8000
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        with pytest.raises(MediaError, match="no pictures"):
            open_clip(path)


def test_the_example_shot(example: Path) -> None:
    with open_clip(example / "shot.mov") as clip:
        info = clip.info
        assert (info.width, info.height, len(info.frames), info.fps) == (960, 540, 40, 24)
        assert info.warnings == ()
        assert str(info.timecode) == "01:00:00:00"
        last = clip.read(1040)
        assert str(last.timecode) == "01:00:01:15"
        assert last.rgb.shape == (540, 960, 3)
        assert repr(last) == "Frame(number=1040, 960x540, space='unknown', alpha=none)"


@pytest.mark.footage
class TestFootage:
    def test_every_movie_opens_and_reads_both_ends(self, footage: Path) -> None:
        paths = [p for p in sorted(footage.rglob("*")) if p.suffix in (".mp4", ".mkv", ".gif", ".webm")]
        assert len(paths) > 10
        for path in paths:
            with open_clip(path) as clip:
                for number in (clip.info.frames.first, clip.info.frames.last):
                    frame = clip.read(number)
                    assert frame.rgb.shape == (clip.info.height, clip.info.width, 3), path
                    assert -0.6 < frame.rgb.min() <= frame.rgb.max() < 1.7, path

    @pytest.mark.parametrize("name", ["h265_video.mp4", "h265_10bits.mp4", "nasa_13013.mp4", "av1_video.mkv"])
    def test_random_access_in_real_files(self, footage: Path, name: str) -> None:
        path = footage / "video_io_fixtures" / "torchcodec" / name
        with open_movie(path) as clip:
            numbers = list(clip.info.frames)[:90]
            straight = [frame.rgb for frame in clip.frames(numbers)]
            for number in random.Random(1).sample(numbers, 10):
                np.testing.assert_array_equal(clip.read(number).rgb, straight[number - 1001])

    def test_vp8_alpha_matches_its_reference_pictures(self, footage: Path) -> None:
        folder = footage / "alpha_dancer_webm"
        with open_clip(folder / "dancer1.webm") as clip:
            assert clip.info.alpha_state == "straight"
            with open_clip(folder / "rgba" / "#####.png") as pictures:
                frame, truth = clip.read(1001 + 870), pictures.read(0)
                assert frame.alpha is not None
                assert truth.alpha is not None
                assert 0.01 < truth.alpha.mean() < 0.9
                np.testing.assert_array_equal(frame.alpha, truth.alpha)
                inside = truth.alpha > 0.5
                assert np.abs(frame.rgb - truth.rgb)[inside].mean() < 0.01
