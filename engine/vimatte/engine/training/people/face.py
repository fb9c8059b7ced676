"""Faces: an expression, talking, a blink, and where the eyes look."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.assets import Assets
from vimatte.engine.training.people.maths import Array, from_vectors, noise
from vimatte.engine.training.people.skeleton import Pose

__all__ = ["make_face"]

_JAW = "JawDrop"
_LIDS = ("LeftUpperLidClosed", "RightUpperLidClosed")
_STILL = 0.99999
"""Cosine of half the angle from which on a bone does not turn."""


def make_face(assets: Assets, rng: Generator, pose: Pose) -> dict[str, Any]:
    """Move the face by chance; `pose.local` is changed. Returns what meta.json says of it."""
    count = len(pose.root)
    meta: dict[str, Any] = {}
    amounts: dict[str, Array] = {}
    if rng.random() < 0.75:
        expression = sorted(assets.expressions)[rng.integers(len(assets.expressions))]
        amount = rng.uniform(0.3, 0.9)
        meta = {"expression": expression, "amount": round(float(amount), 2)}
        for name, share in assets.expressions[expression].items():
            amounts[name] = np.full(count, share * amount)
    if rng.random() < 0.35:
        talk = noise(rng, period=rng.uniform(6, 14), count=count)[:, 0]
        amounts[_JAW] = amounts.get(_JAW, 0) + np.clip(talk * 0.3 + 0.15, 0, 0.5)
        meta["talk"] = True
    if rng.random() < 0.4:
        blink = np.clip(1 - np.abs(np.arange(count) - rng.integers(0, count)) / 2.5, 0, 1)
        for lid in _LIDS:
            amounts[lid] = np.maximum(amounts.get(lid, 0), blink)
    left, up = rng.normal(0, 0.35), rng.normal(0, 0.2)
    for direction, amount in (("turnLeft", left), ("turnRight", -left), ("Up", up), ("Down", -up)):
        if amount > 0:
            for eye in ("Left", "Right"):
                unit = f"{eye}Eye{direction}"
                amounts[unit] = amounts.get(unit, 0) + np.full(count, min(amount, 0.8))
    _apply(assets, pose, {name: amount for name, amount in amounts.items() if name in assets.face_units})
    meta["jaw"] = float(np.max(amounts[_JAW])) if _JAW in amounts else 0.0
    return meta


def _apply(assets: Assets, pose: Pose, amounts: dict[str, Array]) -> None:
    """Add up the turns that face units give each bone, as rotation vectors."""
    for bone, name in enumerate(assets.bones):
        if all(abs(assets.face_units[unit][bone, 0]) >= _STILL for unit in amounts):
            continue
        turn = np.zeros((len(pose.root), 3))
        for unit, amount in amounts.items():
            q = assets.face_units[unit][bone].astype(float)
            q = q if q[0] >= 0 else -q
            angle = 2 * math.acos(min(1, q[0]))
            if angle > 1e-4:
                turn += (q[1:] / math.sin(angle / 2) * angle)[None] * amount[:, None]
        pose.local[name] = from_vectors(turn)
