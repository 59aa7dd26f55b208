"""Ions, buffer substances and compounds, with pKa values and conductivities at 25 degC."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from minifactory.plant.catalogue.files import open_data
from minifactory.plant.model import Species
from minifactory.plant.substance import read_species
from minifactory.units import NUMBER


@lru_cache(maxsize=1)
def all_species() -> Mapping[str, Species]:
    """Every species of the catalogue by name."""
    reader, report = open_data("species.yaml")
    found = {}
    for name in reader.keys:
        item = reader.section(name)
        found[name] = read_species(item, name)
        item.finish()
    report.raise_errors()
    return found


@lru_cache(maxsize=1)
def all_compounds() -> Mapping[str, Mapping[str, float]]:
    """Every compound by name: species -> mol per mol of compound."""
    reader, report = open_data("compounds.yaml")
    found = {}
    for name in reader.keys:
        item = reader.section(name)
        found[name] = {species: item.value(species, NUMBER) for species in item.keys}
    report.raise_errors()
    return found
