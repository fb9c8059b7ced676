"""MobileSAM: a person's mask from clicks, boxes or a rough mask (Kirillov et al. 2023; Zhang et al. 2023)."""

from __future__ import annotations

from vimatte.engine.vis.mobile_sam.segmenter import Embedding, Point, Segmenter

__all__ = ["Embedding", "Point", "Segmenter"]
