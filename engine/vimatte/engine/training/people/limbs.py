"""Fingers that curl, and arms that point where they are told."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.maths import Array, about_axes, between, from_vectors, shortest_turn, unit
from vimatte.engine.training.people.skeleton import Pose

__all__ = ["ARMS", "curl_fingers", "point_arm"]

_Direction = tuple[float, float, float]
ARMS: Mapping[str, tuple[_Direction, _Direction]] = {
    "down": ((0.22, -1, 0.02), (0.12, -1, 0.22)),
    "down2": ((0.3, -1, -0.12), (0.22, -1, 0.12)),
    "hip": ((0.8, -0.8, -0.3), (-0.62, -0.62, 0.5)),
    "cross": ((0.28, -0.95, 0.42), (-0.85, 0.08, 0.62)),
    "wave": ((0.85, -0.3, 0.25), (0.25, 1, 0.15)),
    "wave2": ((0.6, 0.25, 0.3), (0.35, 1, 0.1)),
    "phone": ((0.42, -0.85, 0.4), (-0.22, 0.95, 0.12)),
    "hold": ((0.18, -0.97, 0.2), (-0.18, 0.12, 1)),
    "point": ((0.3, -0.15, 1), (0.1, 0.02, 1)),
    "point_side": ((1, 0.1, 0.25), (1, 0.15, 0.2)),
    "overhead": ((0.42, 0.95, 0.15), (-0.12, 1, 0.05)),
    "spread": ((1, 0.05, 0.05), (1, 0.1, 0.2)),
    "chin": ((0.12, -0.85, 0.52), (-0.3, 0.9, 0.3)),
    "pocket": ((0.38, -0.95, -0.18), (0.02, -0.97, 0.3)),
    "behind": ((0.32, -0.95, -0.32), (-0.35, -0.9, -0.25)),
    "shrug": ((0.42, -0.9, 0.1), (0.8, 0.1, 0.6)),
    "carry": ((0.3, -1, 0.1), (0.1, -0.35, 1)),
    "drink": ((0.35, -0.75, 0.6), (-0.35, 0.85, 0.35)),
    "chest": ((0.35, -0.95, 0.25), (-0.75, 0.35, 0.55)),
    "read": ((0.2, -0.95, 0.35), (-0.25, 0.35, 1)),
    "clap": ((0.3, -0.8, 0.5), (-0.5, 0.25, 0.85)),
    "salute": ((0.75, 0.1, 0.45), (-0.75, 0.75, 0.1)),
    "head_back": ((0.75, 0.55, 0.1), (-0.85, 0.35, -0.45)),
}
"""Directions of the upper and the lower left arm against the chest: x outwards, y up, z to the front."""
_KNUCKLES = (0.55, 0.9, 0.6)
"""How much of a finger's curl each of its joints takes."""


def curl_fingers(body: Body, rng: Generator, pose: Pose) -> None:
    """Curl the fingers of both hands by chance, a hand's fingers alike; `pose.local` is changed."""
    count = len(pose.root)

    def held(turn: Array) -> Array:
        return np.broadcast_to(turn, (count, 3, 3))

    for side in "LR":
        curl = rng.uniform(5, 45)
        for finger in range(2, 6):
            a, b = (body.joint(f"finger{finger}-{k}.{side}") for k in (1, 2))
            tip = body.tip(f"finger{finger}-3.{side}")
            axis = unit(np.cross(b - a, tip - b))
            if np.linalg.norm(np.cross(unit(b - a), unit(tip - b))) < 0.02:  # straight: no telling which way it bends
                continue
            for k, share in enumerate(_KNUCKLES, 1):
                angle = math.radians((curl + rng.normal(0, 4)) * share)
                pose.local[f"finger{finger}-{k}.{side}"] = held(from_vectors(axis * angle))
        a, b = body.joint(f"finger1-2.{side}"), body.joint(f"finger1-3.{side}")
        axis = unit(np.cross(b - a, body.tip(f"finger1-3.{side}") - b))
        for k in (2, 3):
            pose.local[f"finger1-{k}.{side}"] = held(from_vectors(axis * math.radians(curl * 0.35)))


def point_arm(body: Body, pose: Pose, side: str, *, chest: Array, upper: Array, lower: Array, wrist: Array) -> None:
    """Turn an arm's bones so that it points along `upper` and `lower` (t, 3) against the chest's turn (t, 3, 3).

    `wrist` (3, 3) turns the hand against the lower arm. `pose.world` is changed.
    """
    shoulder, elbow, hand = (body.joint(f"{bone}.{side}") for bone in ("upperarm01", "lowerarm01", "wrist"))
    upper_rest, lower_rest = unit(elbow - shoulder), unit(hand - elbow)
    hinge_rest = unit(np.cross(upper_rest, lower_rest))
    upper_frame, lower_frame = _frame(upper_rest, hinge_rest), _frame(lower_rest, hinge_rest)
    count = len(upper)
    uppers, lowers, collar = np.zeros((count, 3, 3)), np.zeros((count, 3, 3)), np.zeros((count, 3, 3))
    for t in range(count):
        a, b = unit(upper[t]), unit(lower[t])
        hinge = np.cross(a, b) + 0.25 * (
            shortest_turn(upper_rest, a) @ hinge_rest
        )  # a straight arm has no hinge of its own
        hinge = unit(hinge - a * (hinge @ a))
        uppers[t] = chest[t] @ _frame(a, hinge) @ upper_frame.T
        hinge = unit(hinge - b * (hinge @ b))
        lowers[t] = chest[t] @ _frame(b, hinge) @ lower_frame.T
        raised = np.clip((a[1] + 0.3) / 1.2, 0, 1)  # the collar bone goes up with the arm
        collar[t] = chest[t] @ about_axes(z=(1 if side == "L" else -1) * 22 * raised)
    world = pose.world
    world[f"clavicle.{side}"] = collar
    world[f"shoulder01.{side}"] = _between(collar, uppers, 0.3)
    world[f"upperarm01.{side}"] = _between(collar, uppers, 0.85)
    world[f"upperarm02.{side}"] = uppers
    world[f"lowerarm01.{side}"] = lowers
    world[f"lowerarm02.{side}"] = lowers @ between(np.eye(3), wrist, 0.5)
    world[f"wrist.{side}"] = lowers @ wrist


def _frame(along: Array, hinge: Array) -> Array:
    return np.stack([along, hinge, np.cross(along, hinge)], -1)


def _between(start: Array, end: Array, share: float) -> Array:
    return np.array([between(a, b, share) for a, b in zip(start, end, strict=True)])
