"""Pressures of a skid from the flows: packed beds, tubing, filters and the flow restrictor.

    bed     dp = K mu u L (1 - eps)^2 / (eps^3 d_p^2)        Kozeny and Carman, u superficial velocity
    tubing  dp = 128 mu Q L / (pi d^4)                       Hagen and Poiseuille, laminar

Filters: :mod:`minifactory.twin.filters`. The restrictor keeps a constant back-pressure while liquid flows.
Viscosity is that of water unless a material states its own; it is not followed through the column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.filters import WATER_VISCOSITY
from minifactory.plant.membranes import channel_resistance
from minifactory.plant.model import DeviceKind
from minifactory.plant.network import whole_name
from minifactory.plant.reactors import packing_resistance
from minifactory.twin.filters import DeadEndFilter
from minifactory.twin.flow_map import FlowMap
from minifactory.twin.flowsheet import Flowsheet
from minifactory.twin.parts import parts_of

KOZENY = 180.0
"""Kozeny-Carman constant of a bed of spheres."""
Load = tuple[NDArray[np.float64], NDArray[np.float64]]
OPENS = 1e-12
"""m3/s above which the restrictor shows its full back-pressure."""


@dataclass(frozen=True)
class Channel:
    """The feed side of a membrane: the links into it, the transmembrane pressure (Pa) that is kept, and the
    resistance (Pa s/m3) along it."""

    into: NDArray[np.intp]
    transmembrane: float
    resistance: float


@dataclass(frozen=True)
class Hydraulics:
    """Resistances of what the stream of one skid passes.

    `beds` and `tubes` map a unit to its resistance in Pa s/m3; `restriction` is the back-pressure in Pa;
    `own` is where its flows stand among those of several skids (None: it is alone); `filters` and `membranes`
    (by name) are its own; `passages` are the links into what its filters, membranes and make-up lines let
    through, by name; `behind` are the units behind pumps: what stands before them is at suction.
    """

    beds: Mapping[str, float]
    tubes: Mapping[str, float]
    restriction: float
    targets: tuple[str, ...]
    own: slice | None = None
    filters: tuple[DeadEndFilter, ...] = ()
    membranes: Mapping[str, Channel] = field(default_factory=dict)
    passages: Mapping[str, NDArray[np.intp]] = field(default_factory=dict)
    behind: frozenset[str] = frozenset()

    def series(
        self,
        flows: FlowMap,
        pumps: NDArray[np.float64],
        loads: Mapping[str, Load] | None = None,
    ) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
        """Pressures in Pa at the pumps and over the columns, (n, 2), and over each filter or membrane, (n,).

        `pumps` (n, all): all flows of pumps and drives in m3/s; `loads`: by filter, what has come to it until
        then: m3 (n,) and mol (n, n_species). Filters that are not named are clean.
        """
        drop = np.zeros(len(pumps))
        for name, per_pump in flows.columns.items():
            if self.own is None or np.any(per_pump[self.own]):
                drop += self.beds.get(name, 0.0) * (pumps @ per_pump)
        links = pumps @ flows.links.T
        if self.own is not None:
            links = links * np.any(flows.links[:, self.own], axis=1)
        lines = links @ self._line_resistances
        over = {}
        for item in self.filters:
            through = links[:, self.passages[item.name]].sum(axis=1)
            clean = np.zeros(len(pumps)), np.zeros((len(pumps), len(item.per_amount)))
            over[item.name] = through * item.resistances(*(loads or {}).get(item.name, clean))
            if item.unit in self.behind:
                lines = lines + over[item.name]
        for name, channel in self.membranes.items():
            fed = links[:, channel.into].sum(axis=1)
            over[name] = np.where(fed > OPENS, channel.transmembrane, 0.0)
            lines = lines + over[name] + 0.5 * channel.resistance * fed
        mine = pumps if self.own is None else pumps[:, self.own]
        flowing = mine[:, 0] + mine[:, 1] > OPENS
        total = np.where(flowing, drop + lines + self.restriction, 0.0)
        return np.stack([total, drop], axis=1), over

    @cached_property
    def _line_resistances(self) -> NDArray[np.float64]:
        return np.array([self.tubes.get(target, 0.0) for target in self.targets])


def hydraulics(sheet: Flowsheet, name: str = "") -> Hydraulics:
    """The resistances for the stream of skid `name` of a flowsheet (may be left out when it is alone).

    Only tubing and filters behind the pumps count (inlet lines are at suction).
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
        device = sheet.routing.device(name)
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
    own = None if alone else sheet.columns_of(skid.name)
    filters = sheet.filters_of(skid.name)
    passages = {item.name: _links_into(sheet, item.unit) for item in filters}
    membranes = {}
    for device in skid.devices.values():
        called = device.name if alone else whole_name(sheet.plant, skid.name, device.name)
        if device.kind is DeviceKind.MEMBRANE:
            parts = parts_of(called, device)
            passages[device.name] = _links_into(sheet, parts.exit("permeate"))
            membranes[device.name] = Channel(
                _links_into(sheet, parts.entry),
                device.value("transmembrane_pressure", 0.0),
                channel_resistance(device),
            )
        elif device.kind is DeviceKind.MAKE_UP:
            passages[device.name] = _links_into(sheet, called)
    return Hydraulics(
        beds, tubes, restriction, targets, own, filters, membranes, passages, frozenset(pumped)
    )  # fmt: skip


def _links_into(sheet: Flowsheet, unit: str) -> NDArray[np.intp]:
    found = [at for at, link in enumerate(sheet.network.links) if link.target == unit]
    return np.array(found, dtype=np.intp)


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
