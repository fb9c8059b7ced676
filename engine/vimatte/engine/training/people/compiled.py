"""The rasteriser in C, compiled by the system's compiler when it is first needed and kept in the user's cache.

Nothing depends on it: where there is no compiler, or it fails, `plain` draws the same picture slower.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from ctypes import POINTER, Structure, c_float, c_int32, c_uint8, c_uint16, c_void_p
from pathlib import Path

import numpy as np
import platformdirs

from vimatte.engine.training.people.film import LINEAR
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.plain import rasterise_plainly
from vimatte.engine.training.people.scene import MATERIAL, PASS, Moment, Rasteriser, Scene

__all__ = ["best_rasteriser", "compiled_rasteriser"]

_log = logging.getLogger(__name__)
_SOURCE = Path(__file__).with_name("rasteriser.c")
_FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
"""Nothing that depends on the machine's processor or changes what float32 arithmetic gives."""
_COMPILERS = ("cc", "gcc", "clang")
_PATIENCE = 120
"""Seconds that a compiler may take."""


class _Sky(Structure):
    _fields_ = [("colours", c_float * 12)]


class _Scene(Structure):
    _fields_ = [
        *((name, c_int32) for name in ("width", "height", "n_passes", "n_triangles", "n_vertices")),
        *((name, c_int32) for name in ("n_strands", "n_points", "shadow_side")),
        *((name, c_float) for name in ("left", "bottom", "pixel", "focus")),
        *((name, c_void_p) for name in ("passes", "triangles", "material_of", "uv", "strand_start", "strand_of")),
        *((name, c_void_p) for name in ("half_width", "strand_colour", "materials", "texels", "linear")),
        ("sky", _Sky),
    ]


class _Moment(Structure):
    _fields_ = [
        ("vertices", c_void_p * 3),
        ("points", c_void_p * 3),
        *((name, c_void_p) for name in ("normals", "point_normals", "place", "axes", "bounds")),
        ("n_bounds", c_int32),
        ("shadow_bias", c_float),
    ]


def best_rasteriser() -> tuple[Rasteriser, str]:
    """The fastest there is, and what to call it."""
    found = compiled_rasteriser()
    return (rasterise_plainly, "numpy") if found is None else (found, "compiled")


def compiled_rasteriser(folder: Path | None = None) -> Rasteriser | None:
    """The C rasteriser, from `folder` (the user's cache) or compiled into it; None where that cannot be done."""
    folder = folder or Path(platformdirs.user_cache_dir("vimatte")) / "people"
    try:
        library = ctypes.CDLL(str(_built(folder)))
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", None) or error
        _log.info("people are drawn without a compiler: %s", detail)
        return None
    render = library.vimatte_render
    render.argtypes = [POINTER(_Scene), POINTER(_Moment), POINTER(c_uint16), POINTER(c_float)]
    render.restype = ctypes.c_int

    def rasterise(scene: Scene, frame: Moment) -> tuple[Array, Array]:
        width, height = scene.size
        cover = np.zeros((2 * height, 2 * width), np.uint16)
        colour = np.zeros((height, width, 4), np.float32)
        given, now = _scene(scene), _moment(frame)
        counts, sums = cover.ctypes.data_as(POINTER(c_uint16)), colour.ctypes.data_as(POINTER(c_float))
        if render(ctypes.byref(given), ctypes.byref(now), counts, sums):
            raise MemoryError
        return cover, colour

    return rasterise


def _built(folder: Path) -> Path:
    """The library's file; its name changes with source, flags, compiler and machine."""
    compiler = _compiler()
    source = _SOURCE.read_bytes()
    key = repr((compiler, _FLAGS, sys.platform, platform.machine())).encode()
    library = folder / f"rasteriser-{hashlib.sha256(source + key).hexdigest()[:16]}.so"
    if not library.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fresh = Path(scratch) / library.name
            command = [*compiler, *_FLAGS, str(_SOURCE), "-o", str(fresh), "-lm"]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PATIENCE)
            os.replace(fresh, library)
    return library


def _compiler() -> list[str]:
    """The command in CC, or the first compiler there is."""
    named = shlex.split(os.environ.get("CC", ""))
    if named:
        return named
    for name in _COMPILERS:
        found = shutil.which(name)
        if found is not None:
            return [found]
    raise FileNotFoundError(f"there is no C compiler ({', '.join(_COMPILERS)}; CC names another)")


def _address(array: Array, dtype: np.dtype | type) -> int:
    """Of contiguous memory; whoever calls keeps the array."""
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"the rasteriser takes contiguous {np.dtype(dtype)}, found {array.dtype}")
    return int(array.ctypes.data)


def _scene(scene: Scene) -> _Scene:
    f4, i4 = np.float32, np.int32
    return _Scene(
        width=scene.size[0],
        height=scene.size[1],
        n_passes=len(scene.passes),
        n_triangles=len(scene.triangles),
        n_vertices=scene.vertices.shape[1],
        n_strands=len(scene.strand_colour),
        n_points=scene.points.shape[1],
        shadow_side=scene.shadow_side,
        left=scene.left,
        bottom=scene.bottom,
        pixel=scene.wide / scene.size[0],
        focus=scene.focus,
        passes=_address(scene.passes, PASS),
        triangles=_address(scene.triangles, i4),
        material_of=_address(scene.triangle_material, i4),
        uv=_address(scene.triangle_uv, f4),
        strand_start=_address(scene.strand_start, i4),
        strand_of=_address(scene.strand_of, i4),
        half_width=_address(scene.half_width, f4),
        strand_colour=_address(scene.strand_colour, f4),
        materials=_address(scene.materials, MATERIAL),
        texels=_address(scene.texels, c_uint8),
        linear=_address(LINEAR, f4),
        sky=_Sky((c_float * 12)(*scene.sky.ravel().tolist())),
    )


def _moment(frame: Moment) -> _Moment:
    f4 = np.float32
    return _Moment(
        vertices=(c_void_p * 3)(*(_address(part, f4) for part in frame.vertices)),
        points=(c_void_p * 3)(*(_address(part, f4) for part in frame.points)),
        normals=_address(frame.normals, f4),
        point_normals=_address(frame.point_normals, f4),
        place=_address(frame.places, f4),
        axes=_address(frame.axes, f4),
        bounds=_address(frame.bounds, f4),
        n_bounds=len(frame.bounds),
        shadow_bias=frame.shadow_bias,
    )
