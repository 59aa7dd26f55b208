"""Small plants of two skids, described as a case is: a pool between them, and a station of three columns."""

from __future__ import annotations

from pathlib import Path

from minifactory.plant.load import load_plant
from minifactory.plant.model import Plant
from minifactory.recipe.bind import bind
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.load import load_recipe

HERE = Path(__file__).parent


def opened(name: str) -> tuple[Plant, dict[str, BoundRecipe]]:
    """The plant in folder `name`, and its recipe bound to each of its skids."""
    plant = load_plant(HERE / name)
    recipe = load_recipe(HERE / name / "recipe.yaml", plant)
    return plant, {skid: bind(recipe, plant, skid) for skid in plant.skids}
