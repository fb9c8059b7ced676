"""Recorded motion carried over to our skeleton: CMU's sequences, the turns of their bones in the world."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.assets import Assets
from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.limbs import curl_fingers
from vimatte.engine.training.people.maths import Array, between, from_quaternions, from_vectors, shortest_turn, unit
from vimatte.engine.training.people.skeleton import Pose

__all__ = ["captured"]

_ODDS = {"01": 0.6, "02": 3.0, "03": 1.4, "135": 3.0, "85": 1.0}
"""Subject -> how often one of their takes is drawn."""
_LABELS = {
    "01": "playground/climb",
    "02_01": "walk",
    "02_02": "walk",
    "02_03": "run",
    "02_04": "jump",
    "02_05": "punch",
    "02_06": "bend/scoop",
    "02_07": "swordplay",
    "02_08": "swordplay",
    "02_09": "swordplay",
    "02_10": "wash",
    "03": "walk uneven/hop",
    "135": "martial arts",
    "85": "acrobatics",
}
_CLIMBERS = "01"
"""Whose takes begin with a second of standing."""
_STEP = 2.0
"""Samples of a take (60 a second) from one frame (30 a second) to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Carrier:
    """Carries a take's bones over to a body."""

    assets: Assets
    body: Body
    subject: str
    turns: Array
    """Of captured bones in the world (t, b, 3, 3)."""

    def bone(self, name: str) -> Array:
        """The turn of a captured bone (t, 3, 3)."""
        out: Array = self.turns[:, self.assets.capture_bones[name]]
        return out

    def blend(self, start: Array, end: Array, share: float) -> Array:
        """Turns (t, 3, 3) between two."""
        return np.array([between(a, b, share) for a, b in zip(start, end, strict=True)])

    def limb(self, name: str, start: str, end: str) -> Array:
        """The turn of a captured bone whose rest direction is not that of ours, from one joint to another."""
        return self.along(name, self.body.joint(end) - self.body.joint(start))

    def along(self, name: str, direction: Array) -> Array:
        """The same, for a bone of ours that lies along a direction at rest (3,)."""
        rest = self.assets.capture_rest[self.subject][self.assets.capture_bones[name]]
        out: Array = self.bone(name) @ shortest_turn(direction, rest)
        return out


def captured(body: Body, rng: Generator, pose: Pose, *, rate: float) -> dict[str, Any]:
    """Part of a take drawn by chance, at a multiple of its speed; `pose` is changed. Returns what meta.json says."""
    assets, count = body.assets, len(pose.root)
    names = sorted(assets.takes)
    odds = np.array([_ODDS[name.split("_")[0]] for name in names])
    name = names[rng.choice(len(names), p=odds / odds.sum())]
    take, subject = assets.takes[name], name.split("_")[0]
    length, step = len(take.rotations), _STEP * rate
    while (count - 1) * step > length - 12:
        step *= 0.8
    earliest, latest = 60 if subject == _CLIMBERS else 4, length - (count - 1) * step - 2
    start = rng.uniform(min(earliest, latest), latest)
    at = start + np.arange(count) * step
    whole = at.astype(int)
    share = (at - whole)[:, None, None]
    turns = from_quaternions(unit(take.turned(whole, share)))
    places = take.places[whole] * (1 - share[:, 0]) + take.places[whole + 1] * share[:, 0]
    middle = count // 2
    ahead = from_vectors([0, -math.atan2(turns[middle, 0, 0, 2], turns[middle, 0, 2, 2]), 0])
    thigh = np.linalg.norm(body.joint("upperleg01.L") - body.joint("lowerleg01.L"))
    shin = np.linalg.norm(body.joint("lowerleg01.L") - body.joint("foot.L"))
    pose.root = pose.root + (places - places[middle]) @ ahead.T * (thigh + shin)
    carrier = _Carrier(assets=assets, body=body, subject=subject, turns=ahead @ turns)
    _spine(carrier, pose)
    for side, letter in (("L", "l"), ("R", "r")):
        _arm(carrier, pose, side, letter)
        _leg(carrier, pose, side, letter)
    curl_fingers(body, rng, pose)
    label = _LABELS.get(name) or _LABELS.get(subject)
    return {"clip": name, "label": label, "start": float(start), "step": float(step)}


def _spine(carrier: _Carrier, pose: Pose) -> None:
    bone, blend = carrier.bone, carrier.blend
    pose.world.update(
        root=bone("root"),
        spine05=blend(bone("root"), bone("lowerback"), 0.5),
        spine04=bone("lowerback"),
        spine03=bone("upperback"),
        spine02=blend(bone("upperback"), bone("thorax"), 0.5),
        spine01=bone("thorax"),
        neck01=blend(bone("thorax"), bone("lowerneck"), 0.7),
        neck02=bone("lowerneck"),
        neck03=bone("upperneck"),
        head=bone("head"),
    )


def _arm(carrier: _Carrier, pose: Pose, side: str, letter: str) -> None:
    world, blend = pose.world, carrier.blend
    collar = carrier.bone(f"{letter}clavicle")
    upper = carrier.limb(f"{letter}humerus", f"upperarm01.{side}", f"lowerarm01.{side}")
    twisted = carrier.limb(f"{letter}wrist", f"lowerarm01.{side}", f"wrist.{side}")
    hand = carrier.limb(f"{letter}hand", f"wrist.{side}", f"finger3-1.{side}")
    world[f"clavicle.{side}"] = collar
    world[f"shoulder01.{side}"] = blend(collar, upper, 0.3)
    world[f"upperarm01.{side}"] = blend(collar, upper, 0.85)
    world[f"upperarm02.{side}"] = upper
    world[f"lowerarm01.{side}"] = carrier.limb(f"{letter}radius", f"lowerarm01.{side}", f"wrist.{side}")
    world[f"lowerarm02.{side}"] = twisted
    world[f"wrist.{side}"] = blend(twisted, hand, 0.6)


def _leg(carrier: _Carrier, pose: Pose, side: str, letter: str) -> None:
    world, body = pose.world, carrier.body
    thigh = carrier.limb(f"{letter}femur", f"upperleg01.{side}", f"lowerleg01.{side}")
    shin = carrier.limb(f"{letter}tibia", f"lowerleg01.{side}", f"foot.{side}")
    foot = carrier.along(f"{letter}foot", body.tip(f"foot.{side}") - body.joint(f"foot.{side}"))
    world[f"pelvis.{side}"] = carrier.bone("root")
    world[f"upperleg01.{side}"] = world[f"upperleg02.{side}"] = thigh
    world[f"lowerleg01.{side}"] = world[f"lowerleg02.{side}"] = shin
    world[f"foot.{side}"] = carrier.blend(shin, foot, 0.8)
