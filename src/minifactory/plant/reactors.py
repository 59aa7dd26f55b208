"""Reactors of a skid: a coil or a packed bed in which viruses are inactivated, its volume and its pressure.

A reactor states its liquid `volume` and `peclet`, or what both follow from: `inner_diameter`, `length`,
`porosity` and `particle_diameter` of a bed of inert beads.
"""

from __future__ import annotations

import math

from minifactory.plant.document import Reader
from minifactory.plant.model import Device
from minifactory.units import Kind

POROSITY = Kind("porosity", "", "", 0.0, 1.0, bare=True)

KOZENY = 180.0
"""Kozeny-Carman constant of a bed of spheres."""
DISPERSIVITY = 2.0
"""Dispersivity of a bed of inert beads in particle diameters; in liquids, assumed (Levenspiel, ch. 13)."""


def complete_reactor(item: Reader, values: dict[str, float], volume: float | None) -> float:
    """The liquid volume (m3) of a reactor; `values` is completed by its Peclet number.

    What is missing or contradicts itself becomes a finding.
    """
    area = math.pi / 4.0 * values.get("inner_diameter", math.nan) ** 2
    inside = area * values.get("length", math.nan) * values.get("porosity", math.nan)
    if math.isfinite(inside) and volume and not math.isclose(volume, inside, rel_tol=0.02):
        item.fail(
            "volume, inner_diameter, length and porosity contradict each other",
            f"{inside * 1e6:.4g} mL for these dimensions",
            "Leave one of them out.",
        )
    found = volume or inside
    if not found > 0.0:
        item.fail(
            "a reactor without volume",
            'its liquid volume, or "inner_diameter", "length" and "porosity" of the packed bed',
        )
    if "peclet" not in values:
        length, diameter = values.get("length", math.nan), values.get("particle_diameter", math.nan)
        if length > 0.0 and diameter > 0.0:
            values["peclet"] = length / (DISPERSIVITY * diameter)
        else:
            item.fail(
                "a reactor whose dispersion is not stated",
                '"peclet", or "length" and "particle_diameter" of the packed bed',
            )
    return found


def packing_resistance(reactor: Device) -> float:
    """Pressure drop in Pa per flow (m3/s) and viscosity (Pa s) of the packed bed; 0 without one."""
    diameter, length = reactor.value("inner_diameter", 0.0), reactor.value("length", 0.0)
    particle, porosity = reactor.value("particle_diameter", 0.0), reactor.value("porosity", 0.0)
    if not (diameter > 0.0 and particle > 0.0 and 0.0 < porosity < 1.0):
        return 0.0
    area = math.pi / 4.0 * diameter**2
    return KOZENY * (1.0 - porosity) ** 2 / porosity**3 * length / (particle**2 * area)
