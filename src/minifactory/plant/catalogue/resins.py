"""Chromatography resins: particle size, capacity of the functional groups, limits and chemistry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from minifactory.plant.catalogue.files import open_data, plain
from minifactory.units import CONCENTRATION, LENGTH, PH, PRESSURE, VELOCITY


@dataclass(frozen=True)
class Resin:
    """A resin.

    Parameters
    ----------
    name, chemistry : str
        As its maker calls it, and what it does.
    particle_diameter : float
        m, mean of the volume distribution.
    ionic_capacity : tuple of float
        Range of the total ionic capacity in mol per m3 of packed bed; empty when it is no ion exchanger.
    ligand_density : float or None
        mol per m3 of packed bed, for ligands that carry no charge.
    max_velocity : float
        m/s, superficial.
    max_pressure : float
        Pa over the packed bed.
    ph_range : tuple of float
        Normal use.
    source : str
        Where the numbers come from.
    """

    name: str
    chemistry: str
    particle_diameter: float
    ionic_capacity: tuple[float, ...]
    ligand_density: float | None
    max_velocity: float
    max_pressure: float
    ph_range: tuple[float, ...]
    source: str


@lru_cache(maxsize=1)
def all_resins() -> Mapping[str, Resin]:
    """Every resin of the catalogue by its plain names (aliases included)."""
    reader, report = open_data("resins.yaml")
    found = {}
    for name in reader.keys:
        item = reader.section(name)
        resin = Resin(
            name=name,
            chemistry=item.text("chemistry"),
            particle_diameter=item.value("particle_diameter", LENGTH),
            ionic_capacity=item.values("ionic_capacity", CONCENTRATION),
            ligand_density=item.value("ligand_density", CONCENTRATION) if "ligand_density" in item else None,
            max_velocity=item.value("max_velocity", VELOCITY),
            max_pressure=item.value("max_pressure", PRESSURE),
            ph_range=item.values("ph_range", PH),
            source=item.source,
        )
        for each in (name, *item.texts("aliases")):
            found[plain(each)] = resin
        item.finish()
    report.raise_errors()
    return found
