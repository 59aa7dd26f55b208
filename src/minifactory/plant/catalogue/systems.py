"""Chromatography systems: pump ranges, valves with their positions, volumes and limits, as a device graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.catalogue.files import open_data, plain, system_files
from minifactory.plant.equipment import EMPTY, Equipment, read_equipment
from minifactory.plant.model import Number


@dataclass(frozen=True)
class System:
    """A system's equipment and where each of its numbers comes from (by path inside the file)."""

    equipment: Equipment
    numbers: Mapping[str, Number]


def system_names() -> tuple[str, ...]:
    """The names of all systems in the catalogue."""
    return tuple(open_data(f"systems/{name}.yaml")[0].text("name") for name in system_files())


@lru_cache(maxsize=32)
def find_system(name: str) -> System:
    """The system called `name`; case, accents and blanks do not matter.

    Raises
    ------
    InputError
        There is none.
    """
    key = plain(name)
    if key not in system_files():
        raise InputError(
            Finding(
                "system", f'no system "{name}" in the catalogue', remedy=did_you_mean(name, system_names())
            )
        )
    reader, report = open_data(f"systems/{key}.yaml")
    base, numbers = EMPTY, {}
    if "extends" in reader:
        parent = find_system(reader.text("extends"))
        base, numbers = parent.equipment, dict(parent.numbers)
    equipment = replace(read_equipment(reader, base), system=reader.text("name"))
    reader.finish()
    report.raise_errors()
    return System(equipment, {**numbers, **report.numbers})
