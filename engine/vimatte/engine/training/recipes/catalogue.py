"""Recipes by name, with their switches given as text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

from vimatte.engine.errors import ConfigError
from vimatte.engine.training.recipes.instmatt import instmatt, instmatt_refiner
from vimatte.engine.training.recipes.lite_matte import lite_matte
from vimatte.engine.training.recipes.lite_propagate import lite_propagate
from vimatte.engine.training.recipes.maggie import maggie_image, maggie_video
from vimatte.engine.training.recipes.msg_vim import msg_vim
from vimatte.engine.training.recipes.oavm import oavm
from vimatte.engine.training.recipes.recipe import Recipe

__all__ = ["RECIPES", "recipe_for"]

RECIPES: Mapping[str, Callable[..., Recipe]] = {
    "instmatt": instmatt,
    "instmatt_refiner": instmatt_refiner,
    "lite_matte": lite_matte,
    "lite_propagate": lite_propagate,
    "maggie_image": maggie_image,
    "maggie_video": maggie_video,
    "msg_vim": msg_vim,
    "oavm": oavm,
}
"""Name -> function; a hyphen is as good as an underscore on the command line."""
_WORDS = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


def recipe_for(name: str, switches: Mapping[str, str] | None = None) -> Recipe:
    """Make a recipe; `switches` are those of its function as text: {'erase': 'off'}. Raises ConfigError."""
    function = RECIPES.get(name.replace("-", "_"))
    if function is None:
        raise ConfigError(f"There is no recipe '{name}'; there are {', '.join(RECIPES)}.")
    known = inspect.signature(function).parameters
    values: dict[str, bool | int | str] = {}
    for key, text in (switches or {}).items():
        parameter = known.get(key.replace("-", "_"))
        if parameter is None:
            raise ConfigError(f"The recipe {name} has no switch '{key}'; it has {', '.join(known) or 'none'}.")
        values[parameter.name] = _value(name, parameter, text)
    return function(**values)


def _value(recipe: str, parameter: inspect.Parameter, text: str) -> bool | int | str:
    kind = type(parameter.default)
    known = _CHOICES.get(parameter.name)
    if known is not None and text not in known:
        raise ConfigError(f"{recipe}'s switch {parameter.name} takes {', '.join(known)}, found '{text}'.")
    if kind is bool:
        word = _WORDS.get(text.lower())
        if word is None:
            raise ConfigError(f"{recipe}'s switch {parameter.name} takes on or off, found '{text}'.")
        return word
    if kind is int and text.isdecimal():
        return int(text)
    if kind is int and known is None:
        raise ConfigError(f"{recipe}'s switch {parameter.name} takes a number, found '{text}'.")
    return text


_CHOICES = {
    "backbone": ("mobilenet_v3_large", "resnet50"),
    "embedding": ("1", "2", "3", "5", "stacked"),
    "fusion": ("none", "forward", "both"),
    "recurrence": ("none", "forward", "both"),
}
