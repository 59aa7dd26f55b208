"""Reads what flows: species, materials and vessels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from minifactory.errors import did_you_mean
from minifactory.plant.catalogue.substances import all_compounds, all_species
from minifactory.plant.document import Reader
from minifactory.plant.model import Material, Species, Vessel
from minifactory.plant.substance import read_species
from minifactory.units import CONCENTRATION, CONDUCTIVITY, MASS_CONCENTRATION, PH, VISCOSITY, VOLUME

PURPOSES = ("buffer", "feed", "cleaning", "storage", "pool", "flow-through", "waste", "other")
_WATER_IONS = ("hydrogen", "hydroxide", "H+", "OH-", "H", "OH")


def read_declared_species(top: Reader) -> dict[str, Species]:
    """The species that the description declares, by name; catalogue entries are completed."""
    declared = {}
    for item in top.members("species"):
        declared[item.name] = read_species(item, item.name, all_species().get(item.name))
        item.finish()
    return declared


def read_materials(top: Reader, declared: Mapping[str, Species]) -> dict[str, Material]:
    """The materials by name; compositions may name species and compounds (NaCl, sodium acetate, ...)."""
    known = {**all_species(), **declared}
    materials = {}
    for item in top.members("materials", required=True):
        stated = {}
        if "pH" in item:
            stated["pH"] = item.value("pH", PH)
        if "conductivity" in item:
            stated["conductivity"] = item.value("conductivity", CONDUCTIVITY)
        materials[item.name] = Material(
            name=item.name,
            composition=_read_composition(item.section("composition", required=True), known),
            viscosity=item.value("viscosity", VISCOSITY, 1.0e-3, lower=1e-5),
            description=item.text("description", ""),
            stated=stated,
        )
        item.finish()
    return materials


def used_species(declared: Mapping[str, Species], materials: Iterable[Material]) -> dict[str, Species]:
    """Every species that occurs, in a fixed order: those of the catalogue as used, then those declared."""
    used = {name for material in materials for name in material.composition}
    from_catalogue = {
        name: species for name, species in all_species().items() if name in used and name not in declared
    }
    return {**from_catalogue, **declared}


def read_vessels(
    top: Reader, materials: Mapping[str, Material]
) -> tuple[dict[str, Vessel], dict[str, Reader]]:
    """The vessels by name, and the block of each (for its connections)."""
    vessels, blocks = {}, {}
    for item in top.members("vessels", required=True):
        purpose = item.choice("purpose", PURPOSES, "buffer" if "material" in item else "waste")
        material = item.reference("material", materials, "material", required=False)
        volume = item.value("volume", VOLUME, 0.0)
        capacity = item.value("capacity", VOLUME, volume if volume > 0.0 else None)
        minimum = item.value("minimum", VOLUME, 0.0)
        if volume > capacity * (1.0 + 1e-9):
            item.fail("holds more than its capacity", f"volume up to {capacity * 1e6:.4g} mL", key="volume")
        if volume > 0.0 and "material" not in item:
            item.fail("holds a volume of nothing", 'a material, e.g. "material: buffer_a"', key="volume")
        if not math.isnan(volume) and minimum > volume > 0.0:
            item.fail("starts below its minimum", "minimum <= volume", key="minimum")
        vessels[item.name] = Vessel(item.name, capacity, volume, material, purpose, minimum)
        blocks[item.name] = item
    return vessels, blocks


def _read_composition(block: Reader, known: Mapping[str, Species]) -> dict[str, float]:
    """Species -> mol/m3, compounds resolved and sums taken."""
    composition: dict[str, float] = {}
    compounds = all_compounds()
    for name in block.keys:
        if name in _WATER_IONS:
            block.quantity(name, CONCENTRATION)
            block.fail(
                f'"{name}" is not stated in a composition',
                "it follows from electroneutrality",
                'Write NaOH as "NaOH" or its sodium, HCl as "HCl" or its chloride.',
                key=name,
            )
            continue
        if name not in known and name not in compounds:
            block.quantity(name, CONCENTRATION, MASS_CONCENTRATION)
            remedy = did_you_mean(name, [*known, *compounds])
            block.fail(f'"{name}" is no known species or compound', remedy=remedy, key=name)
            continue
        quantity = block.quantity(name, CONCENTRATION, MASS_CONCENTRATION)
        if quantity is None:
            continue
        value = quantity.value
        if quantity.kind is MASS_CONCENTRATION:
            if name not in known:
                block.fail("a compound by mass", "a molar concentration", 'Write e.g. "100 mM".', key=name)
                continue
            value /= known[name].molar_mass
        parts = compounds[name] if name not in known else {name: 1.0}
        for species, number in parts.items():
            composition[species] = composition.get(species, 0.0) + number * value
    return composition
