"""What each kind of unit contributes to the tables, from its description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.numerics import nodal
from minifactory.twin.binding.protocol import CompiledBinding
from minifactory.twin.engine import tables as t
from minifactory.twin.engine.specification import Bed, BedModel, NetworkUnit, Tube
from minifactory.twin.engine.tables import Array


@dataclass
class UnitParts:
    """What one unit contributes to the tables."""

    kind: int
    radial: int
    volume: float
    operators: nodal.AxialOperators
    binding: CompiledBinding | None
    dispersion: Array
    dispersivity: Array
    phase: float = 0.0
    film: Array | None = None
    pore: Array | None = None
    solid: float = 0.0
    diffusion: Array | None = None
    surface: Array | None = None


def by_component(values: float | Mapping[str, float], components: Sequence[str], where: str) -> Array:
    """One number for all components, or one by name for every component, as an array (nc,)."""
    if isinstance(values, Mapping):
        missing = [name for name in components if name not in values]
        if missing:
            raise InputError(
                Finding(where, f"no value for {', '.join(missing)}", "a value for every component")
            )
        array = np.array([float(values[name]) for name in components])
    else:
        array = np.full(len(components), float(values))
    if np.any(~np.isfinite(array)) or np.any(array < 0.0):
        raise InputError(Finding(where, f"{array}", "finite values, 0 or more"))
    return array


def unit_parts(unit: NetworkUnit, components: Sequence[str]) -> UnitParts:
    zero = np.zeros(len(components))
    if not isinstance(unit, Bed):
        if isinstance(unit, Tube) and unit.dispersion is not None and unit.length is not None:
            operators = nodal.uniform_elements(unit.elements, unit.degree)
            spread = np.full(len(components), unit.dispersion / unit.length**2)
            return UnitParts(t.CELLS, 0, unit.volume, operators, None, spread, zero)
        cells = 1
        if isinstance(unit, Tube):
            cells = unit.stages or max(1, min(unit.max_stages, round(equivalent_stages(unit.peclet or 0.0))))
        return UnitParts(t.CELLS, 0, unit.volume, nodal.stirred_cells(cells), None, zero, zero)
    where = f"network unit {unit.name}"
    eps = unit.interstitial_porosity
    operators = nodal.uniform_elements(unit.elements, unit.degree)
    liquid = eps * unit.volume
    spread = by_component(unit.axial_dispersion, components, where + " axial_dispersion") / unit.length**2
    # dispersivity * u / L2 with u = Q / (area eps)
    per_flow = by_component(unit.dispersivity, components, where + " dispersivity") / (liquid * unit.length)
    binding = unit.binding.compile(components)
    phase = (1.0 - eps) / eps
    if unit.model is BedModel.LRM:
        return UnitParts(t.LRM, 0, liquid, operators, binding, spread, per_flow, phase, solid=phase)
    pore = unit.particle_porosity * by_component(unit.accessibility, components, where + " accessibility")
    if np.any(pore <= 0.0):
        raise InputError(Finding(where, f"accessible porosity {pore}", "above 0"))
    film = by_component(unit.film_coefficient, components, where + " film_coefficient")
    full = unit.model is BedModel.GRM
    inner = by_component(unit.pore_diffusion, components, where + " pore_diffusion") if full else zero
    surface = by_component(unit.surface_diffusion, components, where + " surface_diffusion") if full else zero
    solid = 1.0 - unit.particle_porosity
    square = unit.particle_radius**2
    return UnitParts(
        t.PORES,
        unit.radial_nodes if full else 1,
        liquid,
        operators,
        binding,
        spread,
        per_flow,
        phase,
        film=3.0 * film / unit.particle_radius,
        pore=pore,
        solid=solid,
        diffusion=pore * inner / square,
        surface=solid * surface / square,
    )


def equivalent_stages(peclet: float) -> float:
    """Number of stirred cells with the residence time variance of closed dispersed plug flow at `peclet`.

    Source: O. Levenspiel, Chemical Reaction Engineering, 3rd ed., Wiley 1999, ch. 13.
    """
    if peclet < 1e-6:
        return 1.0
    return float(1.0 / (2.0 / peclet - 2.0 / peclet**2 * -np.expm1(-peclet)))
