"""The example of ``docs/description.md`` as a case folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from minifactory.plant.load import load_plant
from minifactory.plant.model import Plant

DESCRIPTION = Path(__file__).resolve().parents[2] / "docs" / "description.md"


def example(file: str) -> str:
    """The text of one file of the documented example."""
    found = re.search(
        rf"<!-- {re.escape(file)} -->\n```yaml\n(.*?)```", DESCRIPTION.read_text("utf-8"), re.DOTALL
    )
    assert found is not None, f"docs/description.md shows no {file}"
    return found[1]


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A folder with the documented example."""
    for file in ("factory.yaml", "parameters.yaml"):
        (tmp_path / file).write_text(example(file), encoding="utf-8")
    return tmp_path


@pytest.fixture
def plant(case: Path) -> Plant:
    """The documented example, loaded."""
    return load_plant(case)


@pytest.fixture
def changed(case: Path) -> Callable[[str, str, str], Path]:
    """A function that replaces a text in one file of the example and gives the folder."""

    def change(file: str, old: str, new: str) -> Path:
        text = (case / file).read_text(encoding="utf-8")
        assert old in text, f"{file} of the example does not hold {old!r}"
        (case / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        return case

    return change
