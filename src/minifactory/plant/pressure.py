"""A static estimate of the pressure of a flow path: for checks, not for control.

Packed beds after Kozeny and Carman, dp/L = K mu u (1 - eps)^2 / (eps^3 d_p^2) with the superficial velocity
u; tubing after Hagen and Poiseuille, dp = 128 mu L Q / (pi d^4); flow restrictors by their constant pressure
drop; filters by the permeability of the clean membrane. Laminar flow of a Newtonian liquid and a rigid bed
are assumed. Source: Bird, Stewart, Lightfoot,
Transport Phenomena, 2nd ed., sections 2.3 and 6.4 (K = 180 after Carman, 150 after Ergun).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from minifactory.plant.filters import WATER_VISCOSITY, clean_resistance
from minifactory.plant.flowpath import FlowPath
from minifactory.plant.membranes import feed_pressure
from minifactory.plant.model import Column, Device, DeviceKind
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.reactors import packing_resistance

KOZENY_CONSTANT = 180.0
POROSITY = 0.35
"""Interstitial porosity when the parameters do not state it."""


@dataclass(frozen=True)
class PressureEstimate:
    """Pressures in Pa above that at the outlet vessel.

    `system` is behind the pumps, `bed` the drop over each packed bed and `column` the pressure at the inlet
    of each column (what its hardware bears), by column; `parts` the drop of every device that has one.
    """

    system: float
    bed: Mapping[str, float]
    column: Mapping[str, float]
    parts: Mapping[str, float]


def pressure_estimate(
    path: FlowPath,
    columns: Mapping[str, Column],
    parameters: ParameterSet,
    flow: float,
    viscosity: float = 1.0e-3,
) -> PressureEstimate:
    """The pressures at `flow` (m3/s) of a liquid of `viscosity` (Pa s) along `path`.

    Parameters
    ----------
    path : FlowPath
        The active path.
    columns : Mapping of str to Column
        The plant's columns.
    parameters : ParameterSet
        Gives ``<column>.interstitial_porosity``, ``<column>.kozeny_constant``, ``<skid>.<restrictor>.gain``.
    """
    parts: dict[str, float] = {}
    for name in path.devices:
        device = path.skid.devices[name]
        if device.kind is DeviceKind.COLUMN and name in columns:
            parts[name] = bed_pressure(columns[name], parameters, flow, viscosity)
        else:
            drop = _drop(device, flow, viscosity)
            if device.kind is DeviceKind.RESTRICTOR:
                drop *= parameters.get_or(f"{path.skid.name}.{name}.gain", 1.0)
            if drop > 0.0:
                parts[name] = drop
    remaining = system = sum(parts.values())
    inlet: dict[str, float] = {}
    for name in path.devices:
        if name in path.columns:
            inlet[name] = remaining
        remaining -= parts.get(name, 0.0)
    bed = {name: parts[name] for name in path.columns if name in parts}
    return PressureEstimate(system, bed, inlet, parts)


def bed_pressure(column: Column, parameters: ParameterSet, flow: float, viscosity: float = 1.0e-3) -> float:
    """The pressure drop in Pa over the packed bed of `column` at `flow` (m3/s)."""
    porosity = parameters.get_or(f"{column.name}.interstitial_porosity", POROSITY)
    constant = parameters.get_or(f"{column.name}.kozeny_constant", KOZENY_CONSTANT)
    velocity = flow / column.area
    resistance = constant * (1.0 - porosity) ** 2 / (porosity**3 * column.particle_diameter**2)
    return resistance * viscosity * velocity * column.bed_height


def _drop(device: Device, flow: float, viscosity: float) -> float:
    if device.kind is DeviceKind.TUBING and "inner_diameter" in device.values:
        diameter = device.values["inner_diameter"]
        return 128.0 * viscosity * device.value("length", 0.0) * flow / (math.pi * diameter**4)
    if device.kind is DeviceKind.REACTOR:
        return packing_resistance(device) * viscosity * flow
    if device.kind is DeviceKind.FILTER:
        return clean_resistance(device) * viscosity / WATER_VISCOSITY * flow
    if device.kind is DeviceKind.MEMBRANE:
        return feed_pressure(device, flow)
    if device.kind is DeviceKind.RESTRICTOR and flow > 0.0:
        return device.value("restriction", 0.0)
    return 0.0
