"""Files that are whole or absent: a hidden temp name in the same folder, checked, flushed, renamed."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from vimatte.ocio.errors import ConfigError, MediaError
from vimatte.ocio.output_pattern import OutputPattern

__all__ = ["keep", "remove_stale", "temp_for", "whole_file", "write_sentence", "write_whole"]

_STALE_AFTER = 24 * 3600.0

logger = logging.getLogger(__name__)


def write_whole(path: Path, spec: Any, pixels: NDArray[np.floating], *, what: str) -> None:
    """Write (h, w, c), float32 or half, to `path` under a temp name beside it, check, flush to disk and rename.

    `spec` is an `OpenImageIO.ImageSpec`; `what` names the picture in errors ('frame 1001'). Raises MediaError; then the
    temp file is gone and an older file at `path` is as it was.
    """
    with whole_file(path, what=what) as temp:
        _write_pixels(temp, spec, pixels)
        _check_written(temp, spec)


@contextmanager
def whole_file(path: Path, *, what: str) -> Iterator[Path]:
    """Give a temp name to write to; on leaving, flush it and give it its final name, or delete it after an error.

    The folder is created. `what` names the thing in errors ('frame 1001'). Raises MediaError for every OSError.
    """
    temp = temp_for(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Opened by Python first: its error says why a folder cannot be written to.
        temp.open("wb").close()
        yield temp
        keep(temp, path)
    except OSError as error:
        raise MediaError(write_sentence(path, what=what, error=error)) from error
    finally:
        with suppress(OSError):
            temp.unlink(missing_ok=True)


def temp_for(path: Path) -> Path:
    """Give the hidden name under which `path` is written; it tells machine and process, for `remove_stale`."""
    return path.with_name(f".{path.name}.{_host()}.{os.getpid()}.tmp{path.suffix}")


def keep(temp: Path, path: Path) -> None:
    """Flush a finished temp file to disk and give it its final name. Raises OSError."""
    _flush(temp)
    os.replace(temp, path)
    _flush_folder(path.parent)


def _write_pixels(temp: Path, spec: Any, pixels: NDArray[np.floating]) -> None:
    out = oiio.ImageOutput.create(str(temp))
    if out is None:
        raise OSError(oiio.geterror())
    done = out.open(str(temp), spec) and out.write_image(np.ascontiguousarray(pixels))
    reason = out.geterror()
    closed = out.close()
    if not done or not closed:
        raise OSError(reason or out.geterror() or "the EXR library gives no reason")


def _check_written(temp: Path, spec: Any) -> None:
    """Read header and last rows back: on a full disk every call of the library may still say that all is well."""
    source = oiio.ImageInput.open(str(temp))
    if source is None:
        raise OSError(oiio.geterror() or "the file cannot be read back")
    try:
        found = source.spec()
        wanted = str(spec.get_string_attribute("compression")).partition(":")[0]
        if found.get_string_attribute("compression") != wanted:
            raise ConfigError(
                f"This OpenImageIO ({oiio.VERSION_STRING}) cannot write {wanted}; type --compression zip."
            )
        if source.read_scanlines(0, 0, found.height - 1, found.height, 0, 0, found.nchannels, "float") is None:
            raise OSError(source.geterror() or "the last rows cannot be read back")
    finally:
        source.close()


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    # Some network file systems refuse this; the file itself is flushed already.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_sentence(path: Path, *, what: str, error: OSError) -> str:
    """Say in one sentence what could not be written, where, why, and what to do."""
    free = None
    with suppress(OSError):
        free = shutil.disk_usage(path.parent).free
    full = error.errno in (errno.ENOSPC, errno.EDQUOT) or (error.errno is None and free is not None and free < 2**20)
    start = f"{what[:1].upper()}{what[1:]} cannot be written to {path}"
    if full:
        return f"{start}: the disk is full; free some space and go on with --resume, or choose another --out."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{start}: {path.parent} may not be written to; change its permissions or choose another --out."
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return f"{start}: a file stands where a folder is needed, or a folder where a file is; choose another --out."
    reason = " ".join((error.strerror or str(error)).split()).rstrip(".")
    return f"{start}: {reason}; check the folder and go on with --resume, or choose another --out."


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:32] or "host"


def remove_stale(pattern: OutputPattern) -> tuple[Path, ...]:
    """Delete temp files that killed runs left beside these outputs; returns what was deleted.

    Deleted are those of dead processes of this machine and those older than a day; temps of running jobs, on this
    machine or another, stay.
    """
    gone: list[Path] = []
    if not pattern.folder.is_dir():
        return ()
    ours = re.compile(rf"\.{re.escape(pattern.stem)}.*\.(?P<host>[A-Za-z0-9-]+)\.(?P<pid>\d+)\.tmp\.(?:exr|mp4|png)\Z")
    for path in sorted(pattern.folder.iterdir()):
        match = ours.match(path.name)
        if match is None:
            continue
        with suppress(OSError):
            old = time.time() - path.stat().st_mtime > _STALE_AFTER
            if old or (match["host"] == _host() and not _runs(int(match["pid"]))):
                path.unlink()
                gone.append(path)
    if gone:
        logger.info("removed %d unfinished files beside %s", len(gone), pattern)
    return tuple(gone)


def _runs(pid: int) -> bool:
    # Signal 0 asks on POSIX; on Windows it would end the process, so there only age counts.
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
