"""What the conditions of a recipe may name: the readable tags of a skid and their short names."""

from __future__ import annotations

from collections.abc import Iterable

from minifactory.recipe.expressions import DELIVERED, LEVEL, NO_YES, about
from minifactory.recipe.grammar import Names
from minifactory.signals.tags import TagTable
from minifactory.units import VOLUME, Kind

SHORT_NAMES: dict[str, str] = {
    "UV": "UV1.Signal",
    "Pressure": "Pressure.System",
    "DeltaPressure": "Pressure.Delta",
    "Flow": "System.Flow",
    "PercentB": "Gradient.PercentB",
    "Temperature": "Cond.Temperature",
}
"""Short name -> tag, besides ``X`` for every tag ``X.Signal`` (UV1, UV2, Cond, pH ...)."""


def aliases(table: TagTable) -> dict[str, str]:
    """Short name -> tag, for the tags that the table has."""
    signals = {tag.name.removesuffix(".Signal"): tag.name for tag in table.readable if ".Signal" in tag.name}
    found = {name: tag for name, tag in SHORT_NAMES.items() if tag in table.tags}
    return {**found, **{name: tag for name, tag in signals.items() if name not in table.tags}}


def condition_names(table: TagTable) -> Names:
    """Every readable tag and short name with its kind, or with its choices."""
    known: dict[str, Kind | tuple[str, ...]] = {
        tag.name: tag.choices if tag.choices else tag.kind for tag in table.readable
    }
    return {**{name: known[tag] for name, tag in aliases(table).items() if tag in known}, **known}


def skid_names(table: TagTable, vessels: Iterable[str], transfers: Iterable[str]) -> Names:
    """What the conditions of the phases of a skid may name: its tags, ``level(VESSEL)`` of any vessel, and
    ``delivered(NAME)`` of its own transfers."""
    levels: dict[str, Kind | tuple[str, ...]] = {about(LEVEL, name): VOLUME for name in vessels}
    return {**condition_names(table), **levels, **{about(DELIVERED, name): NO_YES for name in transfers}}
