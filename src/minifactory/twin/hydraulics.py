"""Pressures of a skid from the flows: packed beds, tubing and the flow restrictor.

    bed     dp = K mu u L (1 - eps)^2 / (eps^3 d_p^2)        Kozeny and Carman, u superficial velocity
    tubing  dp = 128 mu Q L / (pi d^4)                       Hagen and Poiseuille, laminar

The restrictor keeps a constant back-pressure while liquid flows. Viscosity is that of water unless a material
states its own; it is not followed through the column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.model import DeviceKind
from minifactory.plant.reactors import packing_resistance
from minifactory.twin.flow_map import FlowMap
from minifactory.twin.flowsheet import Flowsheet

WATER_VISCOSITY = 0.89e-3
"""Pa s at 25 degC (CRC Handbook)."""
KOZENY = 180.0
"""Kozeny-Carman constant of a bed of spheres."""
OPENS = 1e-12
"""m3/s above which the restrictor shows its full back-pressure."""


@dataclass(frozen=True)
class Hydraulics:
    """Resistances of what the stream of one skid passes.

    `beds` and `tubes` map a unit to its resistance in Pa s/m3; `restriction` is the back-pressure in Pa;
    `own` is where its flows stand among those of several skids (None: it is alone).
    """

    beds: Mapping[str, float]
    tubes: Mapping[str, float]
    restriction: float
    targets: tuple[str, ...]
    own: slice | None = None

    def pressures(self, flows: FlowMap, pumps: NDArray[np.float64]) -> tuple[float, float]:
        """Pressure at the pumps and over the columns (Pa); `pumps` (4 skids,): all pump flows in m3/s."""
        both = self.series(flows, pumps[None, :])[0]
        return float(both[0]), float(both[1])

    def series(self, flows: FlowMap, pumps: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for `pumps` (n, 4 skids): pressures (n, 2) in Pa."""
        drop = np.zeros(len(pumps))
        for name, per_pump in flows.columns.items():
            if self.own is None or np.any(per_pump[self.own]):
                drop += self.beds.get(name, 0.0) * (pumps @ per_pump)
        links = pumps @ flows.links.T
        if self.own is not None:
            links = links * np.any(flows.links[:, self.own], axis=1)
        lines = links @ self._line_resistances
        mine = pumps if self.own is None else pumps[:, self.own]
        flowing = mine[:, 0] + mine[:, 1] > OPENS
        total = np.where(flowing, drop + lines + self.restriction, 0.0)
        return np.stack([total, drop], axis=1)

    @cached_property
    def _line_resistances(self) -> NDArray[np.float64]:
        return np.array([self.tubes.get(target, 0.0) for target in self.targets])


def hydraulics(sheet: Flowsheet, name: str = "") -> Hydraulics:
    """The resistances for the stream of skid `name` of a flowsheet (may be left out when it is alone).

    Only tubing behind the pumps counts (inlet lines are at suction).
    """
    skid = sheet.plant.skids[name or sheet.names[0]]
    alone = len(sheet.names) == 1
    beds = {}
    for column in sheet.plant.columns.values():
        path = f"{column.name}.interstitial_porosity"
        porosity = sheet.parameters.get_or(path, 0.36)
        constant = sheet.parameters.get_or(f"{column.name}.kozeny_constant", KOZENY)
        beds[column.name] = (
            constant
            * WATER_VISCOSITY
            * column.bed_height
            * (1.0 - porosity) ** 2
            / (porosity**3 * column.particle_diameter**2 * column.area)
        )
    pumped = _behind_pumps(sheet)
    tubes = {}
    for name in pumped:
        device = sheet.skid.devices[name]
        diameter = device.value("inner_diameter", 0.0)
        if device.kind is DeviceKind.TUBING and diameter > 0.0:
            length = device.volume / (0.25 * math.pi * diameter**2)
            tubes[name] = 128.0 * WATER_VISCOSITY * length / (math.pi * diameter**4)
        elif device.kind is DeviceKind.REACTOR:
            tubes[name] = packing_resistance(device) * WATER_VISCOSITY
    restriction = sum(
        device.value("restriction", 0.0) * sheet.parameters.get_or(f"{skid.name}.{device.name}.gain", 1.0)
        for device in skid.devices.values()
        if device.kind is DeviceKind.RESTRICTOR
    )
    targets = tuple(link.target for link in sheet.network.links)
    return Hydraulics(beds, tubes, restriction, targets, None if alone else sheet.columns_of(skid.name))


def _behind_pumps(sheet: Flowsheet) -> set[str]:
    """Units that lie downstream of a pump."""
    found = {route.target for route in sheet.routing.routes if route.pump is not None and not route.wash}
    while True:
        more = {
            route.target for route in sheet.routing.routes if route.source in found and not route.wash
        } & set(sheet.routing.units)
        if more <= found:
            return found & set(sheet.routing.units)
        found |= more
