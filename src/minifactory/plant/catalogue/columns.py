"""Column hardware: inner diameter, range of bed heights and pressure limit of the families on the market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from minifactory.plant.catalogue.files import open_data, plain
from minifactory.units import LENGTH, PRESSURE


@dataclass(frozen=True)
class Hardware:
    """An empty or prepacked column; lengths in m, pressure in Pa; `fixed` when the bed height is given."""

    name: str
    inner_diameter: float
    min_bed_height: float
    max_bed_height: float
    max_pressure: float
    source: str

    @property
    def fixed(self) -> bool:
        """Whether there is only one bed height (prepacked)."""
        return self.min_bed_height == self.max_bed_height


@lru_cache(maxsize=1)
def all_hardware() -> Mapping[str, Hardware]:
    """Every column of the catalogue by its plain name."""
    reader, report = open_data("columns.yaml")
    found = {}
    for family_name in reader.keys:
        family = reader.section(family_name)
        pressure = family.value("max_pressure", PRESSURE)
        for member in family.members("members", required=True):
            bed = member.values("bed", LENGTH)
            found[plain(member.name)] = Hardware(
                name=member.name,
                inner_diameter=member.value("inner_diameter", LENGTH),
                min_bed_height=min(bed),
                max_bed_height=max(bed),
                max_pressure=member.value("max_pressure", PRESSURE, pressure),
                source=member.source,
            )
            member.finish()
        family.finish()
    report.raise_errors()
    return found
