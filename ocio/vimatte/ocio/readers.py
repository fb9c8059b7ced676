"""The one door to plates: a movie, an image sequence or a still, told apart by what is there."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from vimatte.ocio.clip import Clip
from vimatte.ocio.errors import MediaError
from vimatte.ocio.image_file import IMAGE_SUFFIXES
from vimatte.ocio.read_images import ImageClip
from vimatte.ocio.read_video import MovieClip
from vimatte.ocio.sequence import find_sequence, list_sequences, split_number

__all__ = ["MOVIE_SUFFIXES", "open_clip"]

MOVIE_SUFFIXES = frozenset(
    {
        ".mov", ".mp4", ".m4v", ".mxf", ".mkv", ".avi", ".webm", ".gif", ".mpg", ".mpeg", ".m2v", ".ts", ".m2ts",
        ".mts", ".ogv", ".y4m", ".nut", ".wmv", ".flv", ".3gp", ".h264", ".hevc",
    }
)  # fmt: skip
"""File name extensions, lower case, that are opened as movies."""

_IMAGE_MAGIC = frozenset(
    {b"\x76\x2f\x31\x01", b"SDPX", b"XPDS", b"\x89PNG", b"II*\x00", b"MM\x00*", b"\x80\x2a\x5f\xd7"}
)
"""First four bytes of EXR, DPX, PNG, TIFF and Cineon files."""
_WILD = ("#", "@", "%", "$F")


def open_clip(path: Path | str, *, start_frame: int = 1001, space: str = "unknown", threads: int = 2) -> Clip:
    """Open a movie, an image sequence or a still; close it with `with`.

    `path` is a movie file; a sequence as a pattern (``shot.####.exr``, ``shot.@@@@.exr``, ``shot.%04d.exr``), as a
    folder that holds one sequence, or as one of its frames; or a picture. Frames of a sequence keep the numbers in
    their names; a movie's first frame, and a still without a number, is `start_frame`. `space` is stamped on every
    frame. `threads` bounds how many frames are decoded at once. Raises MediaError.
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path, start_frame=start_frame, space=space, threads=threads)
    if not path.exists():
        if any(mark in path.name for mark in _WILD):
            found = find_sequence(path)
            if found is not None:
                return ImageClip(found.files, path=found.pattern, space=space, threads=threads)
        raise MediaError(_not_found(path))
    suffix = path.suffix.lower()
    if not path.is_file():
        raise MediaError(f"'{path}' is neither a file nor a folder.")
    if path.stat().st_size == 0:
        raise MediaError(f"'{path}' is empty (0 bytes).")
    if suffix in IMAGE_SUFFIXES:
        return _open_picture(path, start_frame=start_frame, space=space, threads=threads)
    if suffix in MOVIE_SUFFIXES:
        return MovieClip(path, start_frame=start_frame, space=space, threads=threads)
    return _open_unknown(path, start_frame=start_frame, space=space, threads=threads)


def _open_picture(path: Path, *, start_frame: int, space: str, threads: int) -> Clip:
    part = split_number(path.name)
    if part is None:
        return ImageClip({start_frame: path}, path=path, kind="still", space=space, threads=threads)
    found = find_sequence(path)
    if found is None or len(found.files) == 1:
        named = part.digits >= 3 or part.head == "" or part.head.endswith(".")
        number = part.number if named else start_frame
        return ImageClip({number: path}, path=path, kind="still", space=space, threads=threads)
    return ImageClip(found.files, path=found.pattern, space=space, threads=threads)


def _open_folder(folder: Path, *, start_frame: int, space: str, threads: int) -> Clip:
    found = list_sequences(folder, suffixes=IMAGE_SUFFIXES)
    if len(found) == 1:
        return ImageClip(found[0].files, path=found[0].pattern, space=space, threads=threads)
    if found:
        listed = ", ".join(f"'{one.pattern.name}' ({one.frames})" for one in found[:8])
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        raise MediaError(
            f"The folder '{folder}' holds {len(found)} sequences: {listed}{more}; type one of them, "
            f"for instance '{found[0].pattern}'."
        )
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith("."))
    usable = [name for name in names if Path(name).suffix.lower() in IMAGE_SUFFIXES | MOVIE_SUFFIXES]
    if len(usable) == 1:
        return open_clip(folder / usable[0], start_frame=start_frame, space=space, threads=threads)
    there = ", ".join(f"'{name}'" for name in (usable or names)[:8]) or "nothing"
    raise MediaError(f"The folder '{folder}' holds no image sequence, but {there}; type the file's own name.")


def _open_unknown(path: Path, *, start_frame: int, space: str, threads: int) -> Clip:
    """Open a file whose extension says nothing: as a picture, else as a movie."""
    picture: MediaError | None = None
    try:
        return _open_picture(path, start_frame=start_frame, space=space, threads=threads)
    except MediaError as error:
        picture = error
    with path.open("rb") as file:
        if file.read(4) in _IMAGE_MAGIC:
            raise picture
    try:
        return MovieClip(path, start_frame=start_frame, space=space, threads=threads)
    except MediaError as error:
        raise MediaError(
            f"'{path}' is in no format that can be read; movies: mov, mp4, mxf, mkv, avi, webm; "
            "pictures: exr, dpx, cin, tif, png, jpg."
        ) from error


def _not_found(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"'{path}' was not found; neither was its folder '{folder}'."
    names = sorted(entry.name for entry in os.scandir(folder))
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    stem = [name for name in names if Path(name).stem == path.stem]
    close = list(dict.fromkeys([*near, *stem]))[:3]
    hint = f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
    return f"'{path}' was not found.{hint}"
