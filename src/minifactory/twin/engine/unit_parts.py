"""What each kind of unit contributes to the tables, from its description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.numerics import nodal
from minifactory.twin.binding.protocol import CompiledBinding
from minifactory.twin.engine import tables as t
from minifactory.twin.engine.specification import Bed, BedModel, NetworkUnit, StirredTank, Tube, Vessel
from minifactory.twin.engine.tables import Array

# Liquid at the solid of a transport-dispersive bed per volume of solid: too little to
# show, but with it a state slightly off finds back, where an algebraic one would refuse every step.
_BOUNDARY = 1.0e-6
_ALONE = np.ones(1)
_ONE_SIZE = nodal.particles(1, _ALONE, _ALONE, _ALONE)

SMALLEST_SHARE = 1e-6
"""Part of its capacity that an emptying vessel counts with at least."""


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
    film_power: Array | None = None
    per_flow: float = 0.0
    pore: Array | None = None
    solid: float = 0.0
    diffusion: Array | None = None
    surface: Array | None = None
    particle: nodal.ParticleOperators = field(default_factory=lambda: _ONE_SIZE)
    sizes: int = 1
    fronts: Array | None = None
    floor: float = 0.0  # vessels: least volume to divide by
    membrane: int = t.OPEN
    sieving: Array | None = None

    @property
    def particle_nodes(self) -> int:
        """Nodes of all particle sizes together."""
        return len(self.particle.weight)


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
    if isinstance(unit, Vessel):
        # Its one node holds amounts, as if in one cubic metre.
        floor = SMALLEST_SHARE * unit.capacity
        return UnitParts(t.CELLS, 0, 1.0, nodal.stirred_cells(1), None, zero, zero, floor=floor)
    if not isinstance(unit, Bed):
        if isinstance(unit, Tube) and unit.dispersion is not None and unit.length is not None:
            operators = nodal.uniform_elements(unit.elements, unit.degree)
            spread = np.full(len(components), unit.dispersion / unit.length**2)
            return UnitParts(t.CELLS, 0, unit.volume, operators, None, spread, zero)
        cells = 1
        if isinstance(unit, StirredTank) and unit.sieving:
            passing = by_component(
                dict.fromkeys(components, 1.0) | dict(unit.sieving), components, f"network unit {unit.name}"
            )
            return UnitParts(
                t.CELLS, 0, unit.volume, nodal.stirred_cells(1), None, zero, zero,
                membrane=t.CATCHES if unit.catches else t.KEEPS, sieving=passing,
            )  # fmt: skip
        if not isinstance(unit, StirredTank):
            cells = unit.stages or max(1, min(unit.max_stages, round(equivalent_stages(unit.peclet or 0.0))))
        return UnitParts(t.CELLS, 0, unit.volume, nodal.stirred_cells(cells), None, zero, zero)
    where = f"network unit {unit.name}"
    eps = unit.interstitial_porosity
    operators = nodal.uniform_elements(unit.elements, unit.degree)
    if unit.monotone:
        operators = nodal.subcells(operators)
    liquid = eps * unit.volume
    spread = by_component(unit.axial_dispersion, components, where + " axial_dispersion") / unit.length**2
    # dispersivity * u / L2 with u = Q / (area eps)
    per_flow = by_component(unit.dispersivity, components, where + " dispersivity") / (liquid * unit.length)
    binding = unit.binding.compile(components)
    phase = (1.0 - eps) / eps
    fronts = _fronts(binding)
    if unit.model in (BedModel.LRM, BedModel.EDM):
        if unit.model is BedModel.EDM and np.any(binding.kinetic):
            raise InputError(
                Finding(where, "kinetic binding", "rapid equilibrium (EDM)", "Leave k_kin out, or use LRM.")
            )
        return UnitParts(
            t.LRM, 0, liquid, operators, binding, spread, per_flow, phase, pore=np.ones(len(components)),
            solid=phase, diffusion=zero, surface=zero, fronts=fronts,
        )  # fmt: skip
    if unit.model is BedModel.TDM:
        transfer = by_component(unit.transfer_coefficient, components, where + " transfer_coefficient")
        if np.any(transfer <= 0.0):
            raise InputError(Finding(where, f"transfer_coefficient {transfer}", "1/s, above 0"))
        return UnitParts(
            t.PORES, 1, liquid, operators, binding, spread, per_flow, phase,
            film=transfer, pore=np.full(len(components), _BOUNDARY), solid=1.0, diffusion=zero,
            surface=zero, fronts=fronts,
        )  # fmt: skip
    pore = unit.particle_porosity * by_component(unit.accessibility, components, where + " accessibility")
    if np.any(pore <= 0.0):
        raise InputError(Finding(where, f"accessible porosity {pore}", "above 0"))
    film = by_component(unit.film_coefficient, components, where + " film_coefficient")
    power = by_component(unit.film_exponent, components, where + " film_exponent")
    if np.any(power) and not unit.film_velocity > 0.0:
        raise InputError(
            Finding(
                where, f"film_velocity {unit.film_velocity} m/s", "above 0, the velocity of film_coefficient"
            )
        )
    full = unit.model is BedModel.GRM
    inner = by_component(unit.pore_diffusion, components, where + " pore_diffusion") if full else zero
    surface = by_component(unit.surface_diffusion, components, where + " surface_diffusion") if full else zero
    solid = 1.0 - unit.particle_porosity
    radius = unit.mean_radius
    particle = _particle(unit, unit.radial_nodes if full else 1)
    return UnitParts(
        t.PORES,
        len(particle.weight),
        liquid,
        operators,
        binding,
        spread,
        per_flow,
        phase,
        film=3.0 * film / radius,
        pore=pore,
        solid=solid,
        diffusion=pore * inner / radius**2,
        surface=surface / radius**2,
        particle=particle,
        sizes=max(len(unit.particle_sizes), 1),
        fronts=fronts,
        film_power=power,
        per_flow=1.0 / (unit.film_velocity * unit.area) if np.any(power) else 0.0,
    )


def _fronts(binding: CompiledBinding) -> Array:
    """Components whose fronts may sharpen themselves: all that a law binds that is not linear, (nc,)."""
    bound = np.any(binding.stoichiometry > 0.0, axis=1)
    return np.asarray(bound & (not binding.linear))


def _particle(unit: Bed, nodes: int) -> nodal.ParticleOperators:
    if not unit.particle_sizes:
        return nodal.particles(nodes, _ALONE, _ALONE, _ALONE)
    radii = np.array([size.radius for size in unit.particle_sizes]) / unit.mean_radius
    fractions = np.array([size.fraction for size in unit.particle_sizes])
    films = [
        radius ** (-2.0 / 3.0) if size.film is None else size.film
        for radius, size in zip(radii, unit.particle_sizes, strict=True)
    ]
    return nodal.particles(nodes, radii, fractions / fractions.sum(), np.array(films))


def equivalent_stages(peclet: float) -> float:
    """Number of stirred cells with the residence time variance of closed dispersed plug flow at `peclet`.

    Source: O. Levenspiel, Chemical Reaction Engineering, 3rd ed., Wiley 1999, ch. 13.
    """
    if peclet < 1e-6:
        return 1.0
    return float(1.0 / (2.0 / peclet - 2.0 / peclet**2 * -np.expm1(-peclet)))
