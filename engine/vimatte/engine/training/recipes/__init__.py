"""One recipe function a system: everything that decides what a training run does."""

from vimatte.engine.training.recipes.catalogue import RECIPES, recipe_for
from vimatte.engine.training.recipes.recipe import Data, Moment, Objective, Recipe

__all__ = ["RECIPES", "Data", "Moment", "Objective", "Recipe", "recipe_for"]
