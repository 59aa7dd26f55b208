"""How the pool of a step suits the next one: what a column does with the product at a composition.

The retention volume of the product at low concentration, in column volumes,

    V_R / CV = eps_t + (1 - eps_t) dq/dc,

tells whether it binds (many column volumes) or leaves (a few). eps_t is the total porosity. It follows from
the column's own binding model in equilibrium; what is saturated or limited by kinetics shows in the
simulation, which decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minifactory.plant.bindings import find_binding
from minifactory.plant.model import Plant
from minifactory.twin.binding.equilibrium import equilibrium
from minifactory.twin.columns import binding_model

TRACE = 1e-9
"""Of the largest concentration: what counts as little product."""
PH = 7.0
"""Where a law follows the pH and no material states one."""


@dataclass(frozen=True)
class Liquid:
    """A composition (mol/m3 by species), and its pH where it is known."""

    composition: Mapping[str, float]
    ph: float | None = None

    def mixed(self, other: Liquid, share: float) -> Liquid:
        """This liquid with the volume share `share` of another one."""
        names = {*self.composition, *other.composition}
        mixture = {
            name: (1.0 - share) * self.composition.get(name, 0.0) + share * other.composition.get(name, 0.0)
            for name in names
        }
        if self.ph is None or other.ph is None:
            return Liquid(mixture, self.ph)
        return Liquid(mixture, (1.0 - share) * self.ph + share * other.ph)


def liquid_of(plant: Plant, vessel: str) -> Liquid:
    """What a vessel holds by its material; nothing for an empty one."""
    name = plant.vessels[vessel].material
    if name is None:
        return Liquid({})
    material = plant.materials[name]
    return Liquid(material.composition, material.stated.get("pH"))


def retention(plant: Plant, column: str, product: str, liquid: Liquid) -> float:
    """Retention volume of the product on `column` at the composition `liquid`, in column volumes."""
    bed = plant.columns[column]
    species = tuple(plant.species.values())
    kind = find_binding(bed.binding_model)
    model = binding_model(bed, species, plant.parameters)
    names = [one.name for one in species]
    values = [max(liquid.composition.get(name, 0.0), 0.0) for name in names]
    if kind is not None and kind.ph:
        carried = bed.components[kind.ph]
        if carried not in names:
            names.append(carried)
            values.append(liquid.ph if liquid.ph is not None else PH)
    compiled = model.compile(names)
    porosity = _total_porosity(plant, column)
    if product not in compiled.bound:
        return porosity
    c = np.array(values)
    at = names.index(product)
    for one in species:
        if one.role.is_protein:
            c[names.index(one.name)] = 0.0
    c[at] = TRACE * max(1.0, float(c.max()))
    q = equilibrium(compiled, c)
    bound = float(compiled.stoichiometry[at] @ q)
    return porosity + (1.0 - porosity) * bound / float(c[at])


def _total_porosity(plant: Plant, column: str) -> float:
    known = plant.parameters.parameters
    if f"{column}.total_porosity" in known:
        return known[f"{column}.total_porosity"].value
    between = known[f"{column}.interstitial_porosity"].value
    return between + (1.0 - between) * known[f"{column}.particle_porosity"].value
