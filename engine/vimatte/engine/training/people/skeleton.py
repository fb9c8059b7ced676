"""Bones in motion: from turns of single bones to where every bone is, and how meshes follow them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.maths import Array

__all__ = ["Motion", "Pose", "lagged", "posed", "swing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Where every bone is at every sample of time."""

    turns: Array
    """From rest to the pose, in the world (t, b, 3, 3)."""
    places: Array
    """Where each bone begins, decimetres (t, b, 3)."""


@dataclass(kw_only=True, eq=False)
class Pose:
    """What is known of a motion: some bones in the world, some against their parents; the rest follows."""

    root: Array
    """Where the root is (t, 3)."""
    world: dict[str, Array] = field(default_factory=dict)
    """Bone -> its turn in the world (t, 3, 3)."""
    local: dict[str, Array] = field(default_factory=dict)
    """Bone -> its turn against its parent (t, 3, 3)."""

    def add(self, bone: str, turn: Array) -> None:
        """Turn a bone some more against its parent."""
        before = self.local.get(bone)
        self.local[bone] = np.broadcast_to(np.eye(3), turn.shape) @ turn if before is None else before @ turn

    def solved(self, body: Body) -> Motion:
        """Every bone, from the root outwards."""
        count, bones = len(self.root), body.assets.bones
        turns, places = np.zeros((count, len(bones), 3, 3)), np.zeros((count, len(bones), 3))
        for i, bone in enumerate(bones):
            parent = body.assets.parents[i]
            if bone in self.world:
                turns[:, i] = self.world[bone]
            else:
                base = turns[:, parent] if parent >= 0 else np.broadcast_to(np.eye(3), (count, 3, 3))
                turns[:, i] = base @ self.local[bone] if bone in self.local else base
            if parent < 0:
                places[:, i] = self.root
            else:
                step = body.heads[i] - body.heads[parent]
                places[:, i] = places[:, parent] + np.einsum("tij,j->ti", turns[:, parent], step)
        return Motion(turns=turns, places=places)


def posed(body: Body, vertices: Array, weights: Array, motion: Motion) -> Array:
    """Linear blend skinning: vertices (n, 3) with weights (n, b) -> where they are (t, n, 3), float32."""
    used = np.nonzero(weights.max(0) > 1e-5)[0]
    share = np.ascontiguousarray(weights[:, used], np.float32)
    homogeneous = np.concatenate([vertices, np.ones((len(vertices), 1))], 1).astype(np.float32)
    out = np.empty((len(motion.turns), len(vertices), 3), np.float32)
    for t, (turns, places) in enumerate(zip(motion.turns[:, used], motion.places[:, used], strict=True)):
        shift = places - np.einsum("bij,bj->bi", turns, body.heads[used])
        matrices = np.concatenate([turns, shift[..., None]], -1).astype(np.float32)
        blended = (share @ matrices.reshape(len(used), 12)).reshape(-1, 3, 4)
        out[t] = np.einsum("nij,nj->ni", blended, homogeneous)
    return out


def lagged(points: Array, lag: Array, motion: Motion, bone: int) -> Array:
    """Points (t, n, 3) that trail behind a bone's motion, by `lag` (n,): a first-order filter in its frame."""
    turns, places = motion.turns[:, bone], motion.places[:, bone]
    local = np.einsum("tij,tni->tnj", turns, points - places[:, None])
    rate = (1 - np.clip(lag, 0, 0.9))[:, None]
    at, out = local[0].copy(), np.empty_like(local)
    for t in range(len(points)):
        at = at + (local[t] - at) * rate
        out[t] = at
    trailed: Array = np.einsum("tij,tnj->tni", turns, out) + places[:, None]
    return trailed


def swing(support: Array) -> Array:
    """How far a hanging load swings back (t, 3), radians about each axis, from where it hangs (t, 3)."""
    push = np.gradient(np.gradient(support, axis=0), axis=0)
    at, out = np.zeros(3), np.zeros_like(support)
    for t in range(len(support)):
        at = at * 0.8 + push[t] * 0.12
        out[t] = np.clip(at, -0.5, 0.5)
    return out
