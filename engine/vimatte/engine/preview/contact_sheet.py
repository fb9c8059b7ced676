"""One picture of a whole shot: chosen frames side by side, and below them a row for each person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vimatte.engine.preview.colours import Colour, legible
from vimatte.engine.preview.overlay import font, overlay, shrunk
from vimatte.engine.shot import Picture
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.whole_file import whole_file

__all__ = ["ContactSheet", "evenly"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Thumb = tuple[Bytes, dict[str, Bytes]]

_BACK, _PANEL, _RULE = (18, 19, 22), (30, 32, 37), (52, 55, 62)
_TEXT, _QUIET = (236, 237, 241), (148, 152, 162)
_MARGIN, _GAP, _SIDE, _HEAD = 48, 16, 280, 116
_THUMB = 288
_TEXT_SIZE, _SMALL, _TITLE = 22, 17, 32
_PRESENT = 0.5


def evenly(frames: Sequence[int], *, count: int = 6) -> tuple[int, ...]:
    """Choose at most `count` frames: the first, the last and evenly between."""
    if len(frames) <= count:
        return tuple(frames)
    steps = np.linspace(0, len(frames) - 1, count)
    return tuple(frames[round(float(s))] for s in steps)


class ContactSheet:
    """Fed one frame at a time; keeps thumbnails of a few frames only, so memory does not grow with the shot."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        colours: Mapping[str, Colour],
        frames: Sequence[int],
        columns: int = 6,
        title: str = "",
    ) -> None:
        """`frames` are all of the shot; `columns` of them are shown. `title` is the header line, the clip's name."""
        self._names, self._colours, self._title = tuple(names), dict(colours), title
        self._wanted = evenly(frames, count=columns)
        self._thumbs: dict[int, Thumb] = {}
        self._seen: dict[str, list[int]] = {name: [] for name in names}
        self._frames: list[int] = []
        self._size = (0, 0)

    @property
    def frames_wanted(self) -> tuple[int, ...]:
        """The frames that become columns; the others count for who is on which frame."""
        return self._wanted

    def add(self, number: int, picture: Picture, alphas: Mapping[str, Floats]) -> None:
        """Take one frame, every frame of the shot: `picture` (h, w, 3) display-referred, an alpha (h, w) by name."""
        self._frames.append(number)
        for name, seen in self._seen.items():
            if float(alphas[name].max(initial=0.0)) > _PRESENT:
                seen.append(number)
        if number in self._wanted:
            self._size = picture.shape[1], picture.shape[0]
            mattes = {name: _bounded(np.nan_to_num(alphas[name]).astype(np.float32)) for name in self._names}
            tinted = overlay(_bounded(picture), mattes, self._colours, tags=False)
            grey = {name: np.rint(np.clip(m, 0, 1) * 255).astype(np.uint8) for name, m in mattes.items()}
            self._thumbs[number] = tinted, grey

    def image(self) -> Bytes:
        """Draw what came so far: (h, w, 3) uint8."""
        columns = sorted(self._thumbs)
        wide, tall = (self._thumbs[columns[0]][0].shape[1::-1]) if columns else (_THUMB, _THUMB * 9 // 16)
        row = max(tall, 132) + _GAP
        width = 2 * _MARGIN + _SIDE + max(len(columns), 2) * (wide + _GAP) - _GAP
        height = _MARGIN + _HEAD + row + 44 + len(self._names) * row + _MARGIN - _GAP
        sheet = Image.new("RGB", (width, height), _BACK)
        draw = ImageDraw.Draw(sheet)
        self._header(draw, width)
        top = _MARGIN + _HEAD
        left = _MARGIN + _SIDE
        for k, number in enumerate(columns):
            x = left + k * (wide + _GAP)
            draw.text((x, top - 10), str(number), font=font(_TEXT_SIZE), fill=_TEXT, anchor="ls")
            sheet.paste(Image.fromarray(self._thumbs[number][0]), (x, top))
        draw.text((_MARGIN, top + 4), "Plate and people", font=font(_TEXT_SIZE), fill=_TEXT, anchor="lt")
        shot = f"{len(self._names)} {'person' if len(self._names) == 1 else 'people'}"
        draw.text((_MARGIN, top + 36), shot, font=font(_SMALL), fill=_QUIET, anchor="lt")
        top += row + 22
        draw.line((_MARGIN, top - _GAP // 2 + 2, width - _MARGIN, top - _GAP // 2 + 2), fill=_RULE, width=1)
        top += 22
        for name in self._names:
            self._person(draw, name, _MARGIN, top, row - _GAP)
            for k, number in enumerate(columns):
                x = left + k * (wide + _GAP)
                sheet.paste(Image.fromarray(self._thumbs[number][1][name]).convert("RGB"), (x, top))
                draw.rectangle((x, top, x + wide - 1, top + tall - 1), outline=_RULE)
            top += row
        return np.asarray(sheet, dtype=np.uint8)

    def save(self, path: Path) -> None:
        """Write the sheet as PNG, whole or not at all. Raises MediaError."""
        with whole_file(Path(path), what="the contact sheet") as temp:
            Image.fromarray(self.image()).save(temp, format="PNG")

    def _header(self, draw: ImageDraw.ImageDraw, width: int) -> None:
        title = _fitted(draw, self._title or "Contact sheet", _TITLE, width - 2 * _MARGIN)
        draw.text((_MARGIN, _MARGIN), title, font=font(_TITLE), fill=_TEXT, anchor="lt")
        frames = FrameRange.of(self._frames)
        line = f"frames {frames}" if len(frames) else "no frames"
        if self._size != (0, 0):
            line = f"{self._size[0]} x {self._size[1]}     {line}"
        draw.text(
            (_MARGIN, _MARGIN + 44), _fitted(draw, line, _SMALL, width - 2 * _MARGIN), font=font(_SMALL), fill=_QUIET,
            anchor="lt",
        )  # fmt: skip

    def _person(self, draw: ImageDraw.ImageDraw, name: str, left: int, top: int, height: int) -> None:
        colour, seen = self._colours[name], self._seen[name]
        wide = _SIDE - 32
        draw.rounded_rectangle((left, top, left + wide, top + height - 1), radius=8, fill=_PANEL)
        draw.rounded_rectangle((left, top, left + 6, top + height - 1), radius=3, fill=colour)
        shown = _fitted(draw, name, _TEXT_SIZE, wide - 40)
        draw.text((left + 22, top + 18), shown, font=font(_TEXT_SIZE), fill=legible(colour), anchor="lt")
        frames = f"{len(seen)} of {len(self._frames)} frames" if seen else "never seen"
        draw.text((left + 22, top + 50), frames, font=font(_SMALL), fill=_TEXT, anchor="lt")
        if seen:
            spans = _fitted(draw, str(FrameRange.of(seen)), _SMALL, wide - 40)
            draw.text((left + 22, top + 76), spans, font=font(_SMALL), fill=_QUIET, anchor="lt")
        self._timeline(draw, seen, colour, (left + 22, top + height - 22, left + wide - 18, top + height - 16))

    def _timeline(
        self, draw: ImageDraw.ImageDraw, seen: Sequence[int], colour: Colour, box: tuple[int, int, int, int]
    ) -> None:
        left, top, right, bottom = box
        draw.rectangle(box, fill=_RULE)
        if not self._frames:
            return
        first, last = min(self._frames), max(self._frames)
        scale = (right - left + 1) / (last - first + 1)
        for number in seen:
            x = left + (number - first) * scale
            draw.rectangle((round(x), top, max(round(x), round(x + scale) - 1), bottom), fill=colour)


def _bounded(values: Floats) -> Floats:
    """Make a thumbnail `_THUMB` wide, or 3/4 of that tall for upright pictures; small pictures stay small."""
    height, width = values.shape[:2]
    longest = _THUMB if width >= height else _THUMB * 3 // 4
    return shrunk(values, longest)


def _fitted(draw: ImageDraw.ImageDraw, text: str, size: int, width: int) -> str:
    if draw.textlength(text, font=font(size)) <= width:
        return text
    while text and draw.textlength(text + "…", font=font(size)) > width:
        text = text[:-1]
    return text + "…"
