"""One clip: somebody, framed and lit by chance, frame after frame. The same seed and number, the same clip."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from vimatte.engine.training.people.actor import Actor, Studio, random_actor
from vimatte.engine.training.people.camera import SHOTS, Camera, framed, keypoints, random_angle
from vimatte.engine.training.people.film import Tone, coded, exposure, random_tone
from vimatte.engine.training.people.lighting import LIGHTS, random_lighting
from vimatte.engine.training.people.maths import Array, from_vectors, to_metres
from vimatte.engine.training.people.mesh import Part
from vimatte.engine.training.people.motion import looking_at
from vimatte.engine.training.people.render import rendered
from vimatte.engine.training.people.sampling import sample_passes
from vimatte.engine.training.people.scene import Rasteriser, Scene
from vimatte.engine.training.people.skeleton import Motion, lagged, posed, swing
from vimatte.engine.training.people.staging import MovingPart, MovingStrands, staged
from vimatte.engine.training.people.strands import Strands

__all__ = ["VERSION", "Drawn", "Filters", "Staged", "drawn", "stage"]

VERSION = 4
"""Of the pictures: goes up when the same seed makes other people."""
_BEFORE = 8
"""Samples of motion before the first frame, for hair and bags to start swinging."""
_SHOT_ODDS = (0.4, 0.2, 0.22, 0.18)
_LEAST_PASSES = 8
_PASSES_PER_PIXEL = 1.6
"""More passes the further things are smeared, up to 1.75 times what was asked."""
_MOST_PASSES = 1.75
_TRAILS = 0.06
_RIGID = 0.98


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is not left to chance; None leaves it."""

    shot: str | None = None
    motion: str | None = None
    hair: str | None = None
    light: str | None = None
    sex: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A clip ready to be drawn, and what meta.json says of it before it is."""

    scene: Scene
    tone: Tone
    meta: dict[str, Any]


def stage(studio: Studio, *, seed: int, clip: int, frames: int, size: int, passes: int, filters: Filters) -> Staged:
    """Everything about a clip but its pixels; `size` is the longer side, `passes` those of a still frame."""
    rng = np.random.default_rng([seed, clip, VERSION])
    shot = filters.shot or str(rng.choice(SHOTS, p=_SHOT_ODDS))
    close = shot in ("medium", "mcu")
    samples = frames + 2
    actor = random_actor(
        studio, rng, shot=shot, count=_BEFORE + samples, sex=filters.sex, motion=filters.motion, hair=filters.hair
    )
    bone = studio.assets.bone
    meta: dict[str, Any] = {"version": VERSION, "seed": seed, "clip": clip, **actor.meta}
    motion = actor.acted.motion
    ahead = motion.turns[_BEFORE + samples // 2, bone["spine01"]] @ np.array([0, 0, 1.0])
    angle = random_angle(rng, ahead, close=close)
    if angle.frontal and rng.random() < 0.6:
        motion = looking_at(actor.body, rng, actor.acted, angle.direction)
        meta["looks_at_camera"] = True
    parts, strands = _moving(actor, motion)
    shown = Motion(turns=motion.turns[_BEFORE:], places=motion.places[_BEFORE:])
    outline = [moving.places for moving in parts if moving.part.name != "eyes"] + [moving.places for moving in strands]
    camera = framed(studio.assets, rng, shown, np.concatenate(outline, 1), angle, shot=shot, size=size)
    if camera.move is not None:
        meta["camera_move"] = camera.move
    meta["keypoints"] = keypoints(studio.assets, shown, camera)
    blur, focus, lens = 0.0, camera.distance, 0.0
    if rng.random() < 0.22:
        blur = float(rng.uniform(1.5, 7.0) * size / 512)
        focus = camera.distance * float(rng.choice([0.72, 1.5, 2.5]))
        lens = blur / camera.pixels / abs(1 / focus - 1 / camera.distance) / 2
    kind = filters.light or str(rng.choice(LIGHTS))
    to_camera = np.array([angle.direction[0], -angle.direction[2]])
    light = random_lighting(rng, kind, camera=to_camera)
    smears = rng.random() < (0.75 if camera.speed > 3 else 0.35)
    shutter = float(rng.uniform(0.25, 1.0)) if smears else 0.0
    wanted = round(_LEAST_PASSES + max(blur, camera.speed * shutter) * _PASSES_PER_PIXEL)
    count = int(np.clip(wanted, passes, _MOST_PASSES * passes))
    tone = random_tone(rng)
    scene = staged(
        parts,
        strands,
        head=actor.body.joint("head"),
        turns=shown.turns[:, bone["head"]],
        camera=camera,
        light=light,
        passes=sample_passes(rng, light, count=count, shutter=shutter, lens=lens),
        focus=focus,
        close=close,
    )
    meta.update(
        light.to_json(),
        shot=camera.shot,
        truncated=list(camera.truncated),
        frames=frames,
        size=list(camera.size),
        camera=_camera_json(camera, azimuth=angle.azimuth, elevation=angle.elevation, blur=blur),
        shutter=round(shutter, 2),
        speed_px_p97=round(camera.speed, 2),
        motion=actor.acted.meta,
        n_strands=len(scene.strand_colour),
        passes=count,
        tone=tone.to_json(),
    )
    return Staged(scene=scene, tone=tone, meta=meta)


def _camera_json(camera: Camera, *, azimuth: float, elevation: float, blur: float) -> dict[str, float]:
    return {
        "azimuth_deg": round(azimuth, 1),
        "elevation_deg": round(elevation, 1),
        "distance_m": round(camera.distance, 2),
        "focal_eq_mm": round(camera.focal, 1),
        "roll_deg": round(math.degrees(camera.roll), 2),
        "fx_px": round(float(camera.pixels), 1),
        "dof_blur_px": round(blur, 2),
    }


def _moving(actor: Actor, motion: Motion) -> tuple[list[MovingPart], list[MovingStrands]]:
    """Where everything of somebody is, in metres, after the samples that only set things swinging."""
    parts = [
        MovingPart(part=part, places=to_metres(_part_places(actor, part, motion)[_BEFORE:])) for part in actor.parts
    ]
    strands = [
        MovingStrands(strands=hair, places=to_metres(_strand_places(actor, hair, motion)[_BEFORE:]))
        for hair in actor.strands
    ]
    return parts, strands


def _part_places(actor: Actor, part: Part, motion: Motion) -> Array:
    """Vertices over time (t, n, 3), decimetres."""
    spine = actor.body.assets.bone["spine01"]
    if part.hangs_from is not None:
        return _hanging(actor, part, motion, spine=spine)
    places = posed(actor.body, part.vertices, part.weights, motion)
    return places if part.lag is None else lagged(places, part.lag, motion, spine)


def _hanging(actor: Actor, part: Part, motion: Motion, *, spine: int) -> Array:
    """A bag that hangs straight down from the hand, turned with the chest, swinging."""
    hand = actor.body.assets.bone[f"wrist.{part.hangs_from}"]
    grip = np.einsum("tij,j->ti", motion.turns[:, hand], part.palm - actor.body.heads[hand]) + motion.places[:, hand]
    ahead = motion.turns[:, spine, :, 2]
    swung = swing(grip)
    places = []
    for at, towards, sway in zip(grip, np.arctan2(ahead[:, 0], ahead[:, 2]), swung, strict=True):
        turn = from_vectors([0, towards, 0]) @ from_vectors([sway[2], 0, -sway[0]])
        places.append(part.vertices @ turn.T + at)
    return np.stack(places)


def _strand_places(actor: Actor, hair: Strands, motion: Motion) -> Array:
    """Points over time (t, n m, 3), decimetres; hair that only follows the head does not trail."""
    bone = actor.body.assets.bone
    places = posed(actor.body, hair.points.reshape(-1, 3), hair.weights, motion)
    rigid = hair.weights[:, bone["head"]].min() > _RIGID
    if rigid and hair.lag.max() <= _TRAILS:
        return places
    return lagged(places, hair.lag.reshape(-1), motion, bone["spine01"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One frame of a clip."""

    rgba: Array
    """Straight colour and alpha (h, w, 4), uint8."""
    exposure: float
    """What its light was multiplied by: the first frame decides for all."""


def drawn(clip: Staged, rasterise: Rasteriser, *, threads: int = 1) -> Iterator[Drawn]:
    """A clip's frames. Threads draw them side by side: how many makes no difference to a single byte."""
    frames = range(1, len(clip.scene.vertices) - 1)
    factor: float | None = None
    with ThreadPoolExecutor(threads) as pool:
        for frame in pool.map(lambda k: rendered(clip.scene, k, rasterise), frames):
            if factor is None:
                factor = exposure(frame.light, frame.weight, clip.tone)
            rgba = coded(frame.light, frame.alpha, frame.weight, clip.tone, factor=factor)
            yield Drawn(rgba=rgba, exposure=factor)
