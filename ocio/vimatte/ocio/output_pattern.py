"""Where a shot's outputs lie: one name typed by the artist gives every frame, sidecar and preview its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from vimatte.ocio.errors import ConfigError

__all__ = ["OutputPattern"]

_TOKEN = re.compile(r"#+|@+|%0?(\d*)d")
_NUMBERED = re.compile(r"^(?P<stem>.*[^.])\.-?\d{4,}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPattern:
    """The output name of a shot: ``folder/stem<separator><frame>.exr``, or ``folder/stem.exr`` for a still."""

    folder: Path
    """Folder of all outputs; it need not exist yet."""
    stem: str
    """Name without frame number and extension."""
    separator: str = "."
    """What stands between the stem and the frame number: usually '.', sometimes '_' or nothing."""
    digits: int = 4
    """Frame numbers are padded with zeros to this many digits; longer numbers keep all of theirs."""
    numbered: bool = True
    """False for a still: no frame number in the name."""
    suffix: str = ""
    """What the artist typed between the frame number and the extension (``shot.####_v2.exr``)."""

    @classmethod
    def parse(cls, text: str | Path, *, still: bool = False) -> Self:
        """Read ``layers.exr``, ``layers.####.exr``, ``layers.@@@@.exr`` or ``layers.%04d.exr``.

        `still`: the clip is a single picture, so a name without a token gets no frame number. Raises ConfigError for
        another extension, two tokens, a name that is a folder or only a token.
        """
        shown = str(text)
        path = Path(text)
        if shown.endswith(("/", "\\")) or path.is_dir() or not path.name:
            raise ConfigError(f"'{shown}' is a folder; name the file to write, for instance {path / 'layers.exr'}.")
        if path.suffix.lower() != ".exr":
            raise ConfigError(
                f"'{shown}' does not end in .exr, and layers are written as OpenEXR only; "
                f"type for instance {path.with_suffix('.exr') if path.suffix else f'{shown}.exr'}."
            )
        name = path.name[: -len(path.suffix)]
        tokens = list(_TOKEN.finditer(name))
        if len(tokens) > 1:
            raise ConfigError(f"'{shown}' holds two frame numbers; keep one, for instance layers.####.exr.")
        if not tokens:
            wrong = _NUMBERED.match(name)
            if wrong and not still:
                raise ConfigError(
                    f"'{shown}' holds the number of one frame; type {wrong['stem']}.exr or {wrong['stem']}.####.exr "
                    f"and every frame gets its own."
                )
            return cls(folder=path.parent, stem=name, numbered=not still)
        token = tokens[0]
        before, suffix = name[: token.start()], name[token.end() :]
        stem = before.rstrip("._-")
        if not stem:
            raise ConfigError(f"'{shown}' is only a frame number; put a name before it, for instance layers.####.exr.")
        digits = int(token[1] or 1) if token[0].startswith("%") else len(token[0])
        return cls(folder=path.parent, stem=stem, separator=before[len(stem) :], digits=digits, suffix=suffix)

    def path(self, frame: int) -> Path:
        """Give the file of one frame; minus five is ``-005``, as Nuke and fileseq write it."""
        return self.folder / f"{self.stem}{self._number(frame)}{self.suffix}.exr"

    def sibling(self, kind: str) -> Self:
        """Give the pattern of files beside each frame: ``sibling("crypto")`` -> ``layers_crypto.<frame>.exr``."""
        return replace(self, stem=f"{self.stem}_{kind}")

    def beside(self, ending: str) -> Path:
        """Give one path for the whole shot: ``beside(".tracks")`` -> ``layers.tracks``."""
        return self.folder / f"{self.stem}{self.suffix}{ending}"

    @property
    def preview(self) -> Path:
        """The preview movie."""
        return self.beside(".preview.mp4")

    @property
    def contact_sheet(self) -> Path:
        """The contact sheet."""
        return self.beside(".contact.png")

    def _number(self, frame: int) -> str:
        if not self.numbered:
            return ""
        return f"{self.separator}{str(frame).zfill(self.digits)}"

    def __str__(self) -> str:
        token = f"{self.separator}{'#' * self.digits}" if self.numbered else ""
        return str(self.folder / f"{self.stem}{token}{self.suffix}.exr")
