"""How somebody moves: a recorded take, gestures on a standing pose, or a pose held."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.capture import captured
from vimatte.engine.training.people.face import make_face
from vimatte.engine.training.people.limbs import ARMS, curl_fingers, point_arm
from vimatte.engine.training.people.maths import (
    Array,
    about_axes,
    between,
    from_quaternions,
    from_vectors,
    noise,
    shortest_turn,
    smooth,
    unit,
)
from vimatte.engine.training.people.skeleton import Motion, Pose

__all__ = ["MOTIONS", "Acted", "act", "looking_at"]

MOTIONS = ("cmu", "gesture", "pose")
_RATES = (0.6, 1.0, 1.0, 1.5, 2.0)
_NOT_HELD = ("gym01", "fly01", "fly02")
"""Poses that only make sense in the air."""
_LOW_ARMS = ("down", "down2", "pocket", "hip", "behind")
_SWAY = (("spine05", 2.5), ("spine03", 3), ("spine01", 3), ("neck02", 4), ("head", 6))
"""Bone -> degrees it sways by."""
_HEAD_TURN = 42
"""Degrees by which a head turns to the camera at most."""
_STILL = 0.99999


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """A motion, what it was made from, and what meta.json says of it."""

    motion: Motion
    pose: Pose
    meta: dict[str, Any]


def act(body: Body, rng: Generator, *, count: int, kind: str | None = None) -> Acted:
    """A motion of `count` samples, one a frame, of a kind (MOTIONS) or one drawn by chance."""
    chance = rng.random()
    kind = kind or ("cmu" if chance < 0.45 else "gesture" if chance < 0.82 else "pose")
    rate = float(rng.choice(_RATES))
    meta: dict[str, Any] = {"kind": kind, "fps_rate": rate}
    pose = Pose(root=np.repeat(body.joint("root")[None], count, 0))
    if kind == "cmu":
        meta.update(captured(body, rng, pose, rate=rate))
    else:
        meta.update(_posed(body, rng, pose, rate=rate, kind=kind))
        if kind == "gesture":
            meta.update(_gestures(body, rng, pose, rate=rate))
    meta["face"] = make_face(body.assets, rng, pose)
    return Acted(motion=pose.solved(body), pose=pose, meta=meta)


def _posed(body: Body, rng: Generator, pose: Pose, *, rate: float, kind: str) -> dict[str, Any]:
    """A pose, swaying."""
    assets, count = body.assets, len(pose.root)
    names = [name for name in sorted(assets.poses) if name not in _NOT_HELD]
    if kind == "gesture":
        names = [name for name in names if name.startswith("standing")]
    name = names[rng.integers(len(names))]
    turns = assets.poses[name].astype(float)
    amount = rng.uniform(0.3, 1.6)
    curl_fingers(body, rng, pose)
    for bone, q in zip(assets.bones, turns, strict=True):
        if abs(q[0]) < _STILL:
            pose.local.setdefault(bone, np.broadcast_to(from_quaternions(q), (count, 3, 3)))
    for bone, degrees in _SWAY:
        swaying = noise(rng, period=rng.uniform(12, 40) / rate, count=count, channels=3)
        lean = np.radians(rng.normal(0, 3, 3) * [1, 1.6, 0.8])
        pose.add(bone, from_vectors(np.radians(swaying * degrees * amount * np.array([1, 1.6, 0.6])) + lean))
    drift = noise(rng, count=count, period=30 / rate, channels=3)
    pose.root = pose.root + drift * [0.12 * amount, 0.03 * amount, 0.08 * amount]
    return {"pose": name}


def _gestures(body: Body, rng: Generator, pose: Pose, *, rate: float) -> dict[str, Any]:
    """Arms that go from one pose to the next; in three of ten, turning on the spot."""
    count = len(pose.root)
    meta: dict[str, Any] = {}
    if rng.random() < 0.3:
        pace = rng.uniform(-9, 9) * rate
        meta["turn_deg_per_frame"] = float(pace)
        pose.world["root"] = np.array([about_axes(y=pace * (t - count / 2)) for t in range(count)])
    chest = pose.solved(body).turns[:, body.assets.bone["spine01"]]
    alike = rng.random() < 0.4
    frames = rng.uniform(5, 22) / rate
    arms: list[list[str]] = []
    phase = 0.0
    for side in "LR":
        if side == "R" and alike:
            names = arms[0]
        else:
            names, phase = _arm_names(rng, 4 + int(count / frames))
        arms.append(names)
        upper, lower = _arm_directions(rng, names, count=count, frames=frames, phase=phase, rate=rate)
        mirror = np.array([1 if side == "L" else -1, 1, 1.0])
        along = unit(body.joint(f"wrist.{side}") - body.joint(f"lowerarm01.{side}"))
        wrist = from_vectors(along * math.radians(rng.normal(0, 25)) + np.radians(rng.normal(0, 10, 3)))
        point_arm(body, pose, side, chest=chest, upper=upper * mirror, lower=lower * mirror, wrist=wrist)
    return {**meta, "arms": [names[:3] for names in arms]}


def _arm_names(rng: Generator, count: int) -> tuple[list[str], float]:
    """Poses an arm goes through, and how far it is on the way to the second."""
    every = sorted(ARMS)
    names = [
        every[rng.integers(len(every))] if rng.random() < 0.62 else _LOW_ARMS[rng.integers(len(_LOW_ARMS))]
        for _ in range(count)
    ]
    phase = rng.uniform(0, 1)
    if rng.random() < 0.3:
        names = [names[0]] * len(names)
    return names, phase


def _arm_directions(
    rng: Generator, names: list[str], *, count: int, frames: float, phase: float, rate: float
) -> tuple[Array, Array]:
    """Directions of the upper and the lower arm against the chest (t, 3)."""
    upper, lower = np.zeros((count, 3)), np.zeros((count, 3))
    tremble = noise(rng, count=count, period=9 / rate, channels=6) * rng.uniform(0.03, 0.16)
    for t in range(count):
        x = t / frames + phase
        k = int(x)
        share = smooth(np.asarray((x - k) * 1.5))
        for out, part, shake in ((upper, 0, tremble[t, :3]), (lower, 1, tremble[t, 3:])):
            start, end = (unit(np.array(ARMS[name][part])) for name in names[k : k + 2])
            out[t] = unit(start * (1 - share) + end * share) + shake
    if names[0].startswith("wave") and rng.random() < 0.8:
        lower[:, 0] += np.sin(np.arange(count) * rng.uniform(0.4, 1.1) * rate + phase * 6) * 0.5
    return upper, lower


def looking_at(body: Body, rng: Generator, acted: Acted, direction: Array) -> Motion:
    """The motion with the head turned towards a direction (3,), as far as a neck goes."""
    motion, pose = acted.motion, acted.pose
    bone = body.assets.bone
    amount = rng.uniform(0.5, 1.0)
    for t in range(len(motion.turns)):
        ahead = motion.turns[t, bone["head"]] @ np.array([0, 0, 1.0])
        turn = shortest_turn(ahead, direction)
        angle = math.acos(np.clip(ahead @ direction, -1, 1))
        share = min(1, math.radians(_HEAD_TURN) / max(angle, 1e-3)) * amount
        for name, part in (("neck01", 0.2), ("neck02", 0.35), ("neck03", 0.55), ("head", 1.0)):
            if t == 0:
                pose.world[name] = motion.turns[:, bone[name]].copy()
            pose.world[name][t] = between(np.eye(3), turn, share * part) @ motion.turns[t, bone[name]]
    return pose.solved(body)
