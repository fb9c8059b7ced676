"""HIM2K: 2,000 pictures of several people (Sun et al., CVPR 2022); M-HIM2K: ten sets of masks for it (MaGGIe, 2024)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vimatte.engine.errors import MediaError
from vimatte.engine.metrics.benchmarks.scene import Planes, Scene, folders_in, pictures_in

__all__ = ["IMQ_PUBLISHED", "MASK_SETS", "PUBLISHED", "him2k"]

MASK_SETS = (
    "r50_c4_3x",
    "r50_dc5_3x",
    "r101_c4_3x",
    "r50_fpn_3x",
    "r101_fpn_3x",
    "x101_fpn_3x",
    "r50_fpn_400e",
    "regnety_400e",
    "regnetx_400e",
    "r101_fpn_400e",
)
"""The Mask R-CNNs whose masks M-HIM2K holds (MaGGIe, Table 8), worst first."""

IMQ_PUBLISHED = {
    "comp": (
        ("MaskRCNN", (18.37, 25.65, 0.45, 19.07)),
        ("MaskRCNN + CascadePSP", (40.85, 51.64, 29.59, 43.37)),
        ("MaskRCNN + GCA", (37.76, 51.56, 38.33, 39.90)),
        ("MaskRCNN + SIM", (43.02, 52.90, 40.63, 44.29)),
        ("MaskRCNN + FBA", (36.01, 51.44, 37.86, 38.81)),
        ("MaskRCNN + MaskGuided", (51.67, 67.08, 53.03, 55.38)),
        ("InstMatt", (63.59, 78.14, 64.50, 67.71)),
    ),
    "natural": (
        ("MaskRCNN", (24.22, 33.74, 2.27, 26.65)),
        ("MaskRCNN + CascadePSP", (64.58, 74.66, 60.02, 67.20)),
        ("MaskRCNN + GCA", (45.72, 61.40, 44.77, 48.81)),
        ("MaskRCNN + SIM", (54.43, 66.67, 49.56, 58.12)),
        ("MaskRCNN + FBA", (34.81, 48.32, 36.29, 37.23)),
        ("MaskRCNN + MaskGuided", (57.98, 71.12, 66.53, 60.86)),
        ("InstMatt", (70.26, 81.34, 74.90, 72.60)),
    ),
}
"""InstMatt, Table 1: IMQ by MAD, MSE, Grad and Conn, in percent."""

PUBLISHED = {
    "comp": (
        ("MGM†", (23.15, 14.76, 12.75, 13.30, 64.39, 309.38)),
        ("MGM", (15.32, 9.13, 9.94, 8.83, 33.54, 261.43)),
        ("SparseMat", (21.05, 14.55, 14.64, 12.26, 45.19, 352.95)),
        ("InstMatt, public weights", (12.85, 5.71, 9.41, 7.19, 22.24, 255.61)),
        ("InstMatt", (16.99, 9.70, 10.93, 9.74, 53.76, 286.90)),
        ("MGM*", (14.31, 7.89, 10.12, 8.01, 41.94, 251.08)),
        ("MaGGIe", (12.93, 7.26, 8.91, 7.37, 19.54, 235.95)),
    ),
    "natural": (
        ("MGM†", (32.52, 18.80, 12.52, 18.51, 65.20, 179.76)),
        ("MGM", (30.23, 17.40, 10.53, 15.70, 63.16, 167.35)),
        ("SparseMat", (35.03, 21.79, 15.85, 18.50, 67.82, 212.63)),
        ("InstMatt, public weights", (26.76, 12.52, 10.20, 13.81, 48.63, 161.52)),
        ("InstMatt", (28.16, 14.30, 10.98, 14.63, 57.83, 168.74)),
        ("MGM*", (31.38, 18.38, 10.97, 14.75, 53.89, 165.13)),
        ("MaGGIe", (27.17, 16.09, 9.94, 13.42, 49.52, 146.71)),
    ),
}
"""MaGGIe, Table 5: MAD, MSE, Grad, Conn, MAD_f, MAD_u, means over the ten mask sets, in the scales of its release."""


def him2k(root: Path, *, split: str, masks: Path | None) -> Iterator[Scene]:
    """Yield the pictures `root/images/<split>/<name>.jpg` in order, with `root/alphas/<split>/<name>/<person>.png`.

    `split` is 'comp' or 'natural'; `masks` is a folder like `root/masks_matched_r50_c4_3x`, laid out as `alphas` is.
    Pictures without alphas are left out. Raises MediaError when there is none.
    """
    there = {folder.name: folder for folder in folders_in(root / "alphas" / split)}
    pictures = [path for path in pictures_in(root / "images" / split) if path.stem in there]
    if not pictures:
        raise MediaError(
            f"There is no HIM2K at {root}: it must hold images/{split}/<name>.jpg and alphas/{split}/<name>."
        )
    for picture in pictures:
        yield Scene(
            name=picture.stem,
            plate=picture,
            truth=_planes(there[picture.stem]),
            masks=None if masks is None else _planes(masks / split / picture.stem),
        )


def _planes(folder: Path) -> Planes:
    return {1: {path.stem: path for path in pictures_in(folder)}}
