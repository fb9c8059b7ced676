"""Who somebody is: age, sex, build and face as weights of morph targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.assets import Assets
from vimatte.engine.training.people.maths import Array

__all__ = ["Person", "random_person", "shaped"]

_FACE = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "ears", "chin", "cheek", "neck")
_TRUNK = ("torso", "hip", "stomach", "buttocks", "bodyshapes", "armslegs")
_ENDINGS = (
    *("-incr", "-decr", "-up", "-down", "-in", "-out", "-forward", "-backward", "-convex", "-concave"),
    *("-compress", "-uncompress", "-square", "-triangle", "-pointed"),
)
"""How the names of targets end that change one thing either way."""
_NEVER = ("pregnant", "navel", "nipple", "tongue", "elvs", "neck-double")
"""Unseen under clothes, or not of this world."""
_GENTLE = (
    *("head-trans", "eye-trans", "torso-trans", "neck-trans", "hip-trans"),
    *("upperleg-scale-vert", "lowerleg-scale-vert"),
)
"""Targets that tear a face or a body apart sooner than others."""
_YOUNG, _CHILD = 0.5, 0.1875
"""Ages on MakeHuman's scale: 0.1875 is about 10 years, 0.5 is 25, 1 is 90."""
_GROWN = 0.4
_OLD = 0.72
_LEAST = 1e-4
"""Weights below are left out."""
_DECIMETRES = 1000.0
"""Targets are in 0.1 mm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What a body is made from; every figure is 0 .. 1 on MakeHuman's scales."""

    sex: str
    """female or male: which clothes, hair and skins are drawn from."""
    gender: float
    """Of the body; 0 female."""
    age: float
    """0.1875 about 10 years, 0.5 about 25, 1 about 90."""
    muscle: float
    weight: float
    height: float
    proportions: float
    """How ideal."""
    cup: float
    african: float
    asian: float
    caucasian: float
    """These three sum to 1."""
    details: Mapping[str, float]
    """Morph targets of face and body -> weight."""

    @property
    def female(self) -> bool:
        """Whether clothes, hair and skins for women are drawn from."""
        return self.sex == "female"

    @property
    def child(self) -> bool:
        """Below about 17 years."""
        return self.age < _GROWN

    @property
    def old(self) -> bool:
        """Above about 55 years."""
        return self.age > _OLD

    def to_json(self) -> dict[str, Any]:
        """What meta.json says of them."""
        scales = {
            "gender": self.gender,
            "age": self.age,
            "muscle": self.muscle,
            "weight": self.weight,
            "height": self.height,
            "prop": self.proportions,
            "cup": self.cup,
        }
        race = {"african": self.african, "asian": self.asian, "caucasian": self.caucasian}
        return {
            **{name: round(value, 3) for name, value in scales.items()},
            "race": {name: round(value, 3) for name, value in race.items()},
            "sex": self.sex,
            "child": self.child,
        }


def random_person(assets: Assets, rng: Generator, *, sex: str | None = None) -> Person:
    """Somebody drawn by chance: 7 % are 10 to 16 years old, 20 % over 55."""
    sex = sex or ("female" if rng.random() < 0.5 else "male")
    kind = rng.random()
    if kind < 0.07:
        age = rng.uniform(0.2, 0.34)
    elif kind < 0.8:
        age = rng.uniform(0.44, 0.72)
    else:
        age = rng.uniform(0.72, 0.98)
    race = rng.dirichlet([0.55, 0.55, 0.55])
    return Person(
        sex=sex,
        gender=float(np.clip(rng.normal(0.93 if sex == "male" else 0.06, 0.05), 0, 1)),
        age=float(age),
        muscle=float(np.clip(rng.normal(0.52, 0.17), 0.1, 0.95)),
        weight=float(np.clip(rng.normal(0.5, 0.19), 0.08, 0.97)),
        height=float(np.clip(rng.normal(0.5, 0.16), 0.1, 0.9)),
        proportions=float(rng.uniform(0, 0.8)),
        cup=float(np.clip(rng.normal(0.45, 0.18), 0.05, 0.95)),
        african=float(race[0]),
        asian=float(race[1]),
        caucasian=float(race[2]),
        details=_details(assets, rng),
    )


def _details(assets: Assets, rng: Generator) -> dict[str, float]:
    """Weights of some targets, the same left and right but for a little."""
    families: dict[str, list[str]] = {}
    for name in assets.targets:
        if name.split("/")[0] in _FACE + _TRUNK:
            ending = next((e for e in _ENDINGS if name.endswith(e)), "")
            families.setdefault(name.removesuffix(ending), []).append(name)
    details: dict[str, float] = {}
    for family in sorted(families):
        if any(word in family for word in _NEVER) or family.split("/")[1].startswith("r-"):
            continue
        chance, amount = _odds(family)
        if rng.random() >= chance:
            continue
        name = families[family][rng.integers(len(families[family]))]
        weight = float(np.clip(abs(rng.normal(0, amount)), 0, 1))
        details[name] = weight
        other = name.replace("/l-", "/r-")
        if other != name and other in assets.targets:
            details[other] = float(np.clip(weight + rng.normal(0, 0.05), 0, 1))
    return details


def _odds(family: str) -> tuple[float, float]:
    """Chance that a detail is changed, and by how much."""
    folder = family.split("/")[0]
    chance, amount = (0.34, 0.5) if folder in _FACE else (0.22, 0.35)
    if folder == "ears":
        chance, amount = 0.15, 0.4
    if folder == "bodyshapes" or "head-age" in family:
        chance, amount = 0.08, 0.4
    return chance, 0.2 if any(word in family for word in _GENTLE) else amount


def shaped(assets: Assets, person: Person) -> Array:
    """Vertices of the base mesh (19158, 3) as this person."""
    vertices = assets.vertices.copy()
    for name, weight in [*_macro_weights(person).items(), *person.details.items()]:
        target = assets.targets.get(name)
        if target is not None:  # the mesh itself is the average of some, so these have no target
            vertices[target.index] += target.offset * (weight / _DECIMETRES)
    return vertices


def _macro_weights(person: Person) -> dict[str, float]:
    """MakeHuman's macro targets: products of age, sex, race, muscle and weight, as its modelling tool mixes them."""
    if person.age < _YOUNG:
        share = (person.age - _CHILD) / (_YOUNG - _CHILD)
        ages = {"child": 1 - share, "young": share}
    else:
        share = (person.age - _YOUNG) / (1 - _YOUNG)
        ages = {"young": 1 - share, "old": share}
    sexes = {"female": 1 - person.gender, "male": person.gender}
    races = {"african": person.african, "asian": person.asian, "caucasian": person.caucasian}
    muscles, weights = _three(person.muscle, "muscle"), _three(person.weight, "weight")
    out: dict[str, float] = {}

    def add(name: str, weight: float) -> None:
        if weight > _LEAST:
            out[name] = out.get(name, 0) + weight

    tall, full = "max" if person.height > 0.5 else "min", "max" if person.cup > 0.5 else "min"
    for sex, of_sex in sexes.items():
        for age, of_age in ages.items():
            for race, of_race in races.items():
                add(f"macrodetails/{race}-{sex}-{age}", of_sex * of_age * of_race)
            for muscle, of_muscle in muscles.items():
                for weight, of_weight in weights.items():
                    share = of_sex * of_age * of_muscle * of_weight
                    if share < _LEAST:
                        continue
                    build = f"{sex}-{age}-{muscle}-{weight}"
                    add(f"macrodetails/universal-{build}", share)
                    add(f"macrodetails/height/{build}-{tall}height", share * abs(2 * person.height - 1))
                    add(f"macrodetails/proportions/{build}-idealproportions", share * person.proportions)
                    if sex == "female" and age != "child":
                        add(f"breast/{build}-{full}cup-averagefirmness", share * abs(2 * person.cup - 1))
    return out


def _three(value: float, name: str) -> dict[str, float]:
    """Weights of a scale's two ends and its middle."""
    return {
        f"min{name}": max(0, 1 - 2 * value),
        f"max{name}": max(0, 2 * value - 1),
        f"average{name}": 1 - abs(2 * value - 1),
    }
