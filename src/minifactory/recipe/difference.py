"""What differs between two bound recipes, as the lines of their outlines that come and go."""

from __future__ import annotations

import difflib

from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.outline import describe
from minifactory.signals.tags import TagTable


def difference(before: BoundRecipe, after: BoundRecipe, table: TagTable | None = None) -> str:
    """The difference in words, ``- `` before what goes and ``+ `` before what comes, below the phase that it
    belongs to; empty when nothing differs."""
    one, other = (_lines(item, table) for item in (before, after))
    found: list[str] = []
    told = ""
    for line in difflib.ndiff(one, other):
        if line.startswith(("- ", "+ ")):
            place, _, text = line[2:].partition(" | ")
            if place != told:
                found.append(place)
                told = place
            found.append(f"  {line[:2]}{text}")
    return "\n".join(found)


def _lines(bound: BoundRecipe, table: TagTable | None) -> list[str]:
    """Every line of the outline with the entry of the top that it belongs to."""
    lines: list[str] = []
    for entry in describe(bound, table).children:
        place = entry.path or entry.label
        lines += [f"{place} | {text.strip()}" for text in entry.lines()]
    return lines
