"""Damaged recipes: whatever stands in the file, the answer is a recipe or findings, never anything else."""

from __future__ import annotations

import random

import pytest

from minifactory.errors import InputError
from minifactory.plant.model import Plant
from minifactory.recipe import check, describe, parse_recipe, references, write_recipe

WORDS = [
    "", "~", "0", "-1", "1e99", "nan", "5 CV", "0 CV", "-3 mL", "10 min", "1 CV/min", "bypass", "C1", "A11",
    "pool", "feed", "waste", "done", "UV > 5 mAU", "UV > 5 mAU and", "falling(UV, 1 s)", "[]", "{}",
    "yes", "100 %B", "101 %B", "3000 cm/h", "AutoZero", "PumpWash(A)", "PumpWash(C)", "Gradient(5 %B, 0 mL)",
]  # fmt: skip


def damaged(text: str, source: random.Random) -> str:
    """The text with a few lines lost, doubled, indented otherwise or given another value."""
    lines = text.splitlines()
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(lines))
        kind = source.randrange(5)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[source.randrange(len(lines))])
        elif kind == 2:
            lines[at] = " " * source.randint(0, 12) + lines[at].lstrip()
        elif ":" in lines[at]:
            key = lines[at].split(":")[0]
            lines[at] = f"{key}: {source.choice(WORDS)}"
        else:
            place = source.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:place] + chr(source.randint(32, 126)) + lines[at][place:]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", range(4))
def test_damage_is_answered_in_findings(recipe_text: str, plant: Plant, seed: int) -> None:
    source = random.Random(seed)
    accepted = 0
    for _ in range(60):
        try:
            recipe = parse_recipe(damaged(recipe_text, source), plant)
        except InputError as fault:
            for finding in fault.findings:
                assert finding.where.startswith("recipe.yaml"), finding
                assert finding.found
            continue
        accepted += 1
        assert parse_recipe(write_recipe(recipe), plant) == recipe
        assert describe(recipe).lines()
        assert references(recipe)
        result = check(recipe, plant)
        assert len(result.phases) == len(list(recipe.phases()))
        assert all("nan" not in str(finding) for finding in result.findings)
    assert accepted
