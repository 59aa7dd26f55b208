"""From ``recipe.yaml`` to a recipe, with every fault of the file at once."""

from __future__ import annotations

from pathlib import Path

from minifactory.plant.document import Report, open_document, open_text
from minifactory.plant.model import Plant
from minifactory.plant.tagging import tag_table
from minifactory.recipe.model import Recipe
from minifactory.recipe.reading import read_recipe
from minifactory.signals.tags import TagTable


def load_recipe(path: Path, plant: Plant) -> Recipe:
    """The recipe in the file at `path`, whose names are checked against `plant`.

    Raises
    ------
    InputError
        With every fault: no such file, not YAML, unknown keys and names, wrong units, conditions that cannot
        be read.
    """
    report = Report()
    top = open_document(path, report)
    report.raise_errors()
    recipe = read_recipe(top, plant, tag_tables(plant))
    report.raise_errors()
    return recipe


def parse_recipe(text: str, plant: Plant, file: str = "recipe.yaml") -> Recipe:
    """The recipe in a YAML text; `file` names it in messages.

    Raises
    ------
    InputError
        As :func:`load_recipe`.
    """
    report = Report()
    recipe = read_recipe(open_text(text, file, report), plant, tag_tables(plant))
    report.raise_errors()
    return recipe


def tag_tables(plant: Plant) -> dict[str, TagTable]:
    """Skid -> its tags and instructions."""
    return {name: tag_table(skid) for name, skid in plant.skids.items()}
