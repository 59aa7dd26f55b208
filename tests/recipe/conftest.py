"""A plant like the real one of the cation exchange step, and the recipe of docs/recipe.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from minifactory.plant.load import load_plant
from minifactory.plant.model import Plant

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def plant() -> Plant:
    return load_plant(HERE / "example")


@pytest.fixture(scope="session")
def recipe_text() -> str:
    """The full example of the documentation."""
    page = (HERE.parents[1] / "docs" / "recipe.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]
