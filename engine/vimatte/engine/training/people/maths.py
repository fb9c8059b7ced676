"""Rotations, unit vectors and smooth noise that the people generator is built on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Array",
    "about_axes",
    "between",
    "from_quaternions",
    "from_vectors",
    "noise",
    "shortest_turn",
    "smooth",
    "to_metres",
    "unit",
]

Array = NDArray[Any]
"""A numpy array; the docstring that uses it gives its shape."""

_OCTAVES = 3
_FADE = 0.6
"""Amplitude of an octave of noise over that of the one below."""


def unit(vectors: Array) -> Array:
    """Vectors (…, 3) of length 1; a zero vector stays zero."""
    out: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return out


def from_quaternions(quaternions: Array) -> Array:
    """Rotation matrices (…, 3, 3) of quaternions (…, 4), w first, of any length."""
    w, x, y, z = np.moveaxis(quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, -1) for row in rows], -2)


def from_vectors(vectors: ArrayLike) -> Array:
    """Rotation matrices (…, 3, 3) of rotation vectors (…, 3): axis times angle in radians."""
    v = np.asarray(vectors, float)
    angle = np.linalg.norm(v, axis=-1, keepdims=True)
    axis = v / np.maximum(angle, 1e-9)
    return from_quaternions(np.concatenate([np.cos(angle / 2), axis * np.sin(angle / 2)], -1))


def about_axes(*, x: float = 0, y: float = 0, z: float = 0) -> Array:
    """A turn about the fixed axes X, then Y, then Z, in degrees."""
    about_z, about_y = from_vectors([0, 0, np.radians(z)]), from_vectors([0, np.radians(y), 0])
    turn: Array = about_z @ about_y @ from_vectors([np.radians(x), 0, 0])
    return turn


def shortest_turn(start: ArrayLike, end: ArrayLike) -> Array:
    """The smallest rotation (3, 3) that turns one direction (3,) into another."""
    a, b = unit(np.asarray(start, float)), unit(np.asarray(end, float))
    c = np.cross(a, b)
    sine, cosine = np.linalg.norm(c), float(np.dot(a, b))
    if sine < 1e-8:
        return np.eye(3) if cosine > 0 else from_vectors(unit(np.cross(a, [0.3, 1, 0.2])) * math.pi)
    return from_vectors(c / sine * math.atan2(sine, cosine))


def between(start: Array, end: Array, share: float) -> Array:
    """The rotation (3, 3) that lies `share` of the way from one to another."""
    r = start.T @ end
    angle = math.acos(np.clip((np.trace(r) - 1) / 2, -1, 1))
    if angle < 1e-6:
        return start
    axis = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
    length = np.linalg.norm(axis)
    if length < 1e-8:  # half a turn: its axis cannot be told from the matrix this way
        return start if share < 0.5 else end
    turned: Array = start @ from_vectors(axis / length * angle * share)
    return turned


def smooth(x: Array) -> Array:
    """From 0 to 1 without corners as x goes from 0 to 1."""
    x = np.clip(x, 0, 1)
    out: Array = x * x * (3 - 2 * x)
    return out


def noise(rng: Generator, *, count: int, period: float, channels: int = 1) -> Array:
    """Smooth noise (count, channels) of about unit amplitude; `period` in samples."""
    t = np.arange(count)
    out = np.zeros((count, channels))
    for octave in range(_OCTAVES):
        frequency = 2**octave / period
        pace, phase = rng.uniform(0.7, 1.3, channels), rng.uniform(0, 6.28, channels)
        out += np.sin(2 * np.pi * frequency * t[:, None] * pace + phase) * (_FADE**octave)
    return out / 1.3


def to_metres(points: ArrayLike) -> Array:
    """From the body's decimetres with y up (x left, z front) to metres with z up, float32."""
    a = np.asarray(points, np.float32)
    return np.stack([a[..., 0], -a[..., 2], a[..., 1]], -1) * np.float32(0.1)
