"""Values as people read them: by the unit and the choices of their tag, durations in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from minifactory.errors import InputError
from minifactory.signals.tags import Tag
from minifactory.units import NUMBER, PERCENT_B, VOLUME, Kind, factor, show

ARGUMENTS: Mapping[str, Tag] = {
    "percent_b": Tag("percent_b", PERCENT_B, "%B"),
    "volume": Tag("volume", VOLUME, "mL"),
    "pump": Tag("pump", NUMBER, choices=("A", "B")),
}
"""What the arguments of instructions are, by their names."""

MINUTES, HOURS = 120.0, 7200.0
"""s from which a duration is told in min and in h."""


def shown(tag: Tag, value: float, digits: int = 4) -> str:
    """`value` (SI) of `tag` as people read it: ``3.15 mL/min``, ``F3``, ``0.5 MPa``."""
    if tag.choices and value == value and value in range(len(tag.choices)):
        return tag.choices[int(value)]
    return show(value, _kind(tag.kind, tag.unit) if tag.unit else tag.kind, digits)


def said(values: Mapping[str, float], tags: Mapping[str, Tag]) -> str:
    """`values` (SI) by name in one line; a name that is not in `tags` is told as a plain number."""
    parts = []
    for name, value in values.items():
        tag = tags.get(name)
        parts.append(f"{name} = {value:.4g}" if tag is None else f"{name} = {shown(tag, value)}")
    return ", ".join(parts)


def duration(time: float) -> str:
    """`time` (s) in s, min or h, whichever reads best."""
    if not math.isfinite(time):
        return "an unknown time" if math.isnan(time) else "any time"
    if abs(time) < MINUTES:
        return f"{time:.3g} s"
    return f"{time / 60.0:.3g} min" if abs(time) < HOURS else f"{time / 3600.0:.3g} h"


@lru_cache(maxsize=256)
def _kind(kind: Kind, unit: str) -> Kind:
    """`kind` as it is shown in `unit`; as it is where a record names a unit that does not measure it."""
    try:
        factor(unit, kind)
    except InputError:
        return kind
    return Kind(kind.name, kind.si, unit)
