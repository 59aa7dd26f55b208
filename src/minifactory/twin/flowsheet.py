"""The digital factory of one skid, generated from its description: units, links, flows and detectors.

Tubing and mixers become tubes and stirred tanks, columns become beds with their binding model, detector cells
small stirred tanks; valve positions open routes and thereby decide which links carry flow. No model code is
written for a case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import InputError
from minifactory.plant.bindings import PH_SPECIES
from minifactory.plant.model import Device, DeviceKind, Plant, Skid, Species
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.requirements import missing_parameters
from minifactory.twin.columns import packed_bed
from minifactory.twin.electrolyte import Electrolyte, electrolyte
from minifactory.twin.engine import Inlet, Link, Network, StirredTank, Tube
from minifactory.twin.engine.specification import NetworkUnit
from minifactory.twin.pumps import Segment
from minifactory.twin.reacting import nothing_inactivated, reacting_unit
from minifactory.twin.routing import CELLS, REACTING, WASH, Routing, routing

SMALLEST_VOLUME = 1e-9
"""m3 (1 uL) that a detector cell or a piece of tubing counts at least."""
TUBE_STAGES = 20
"""Stirred stages of a long tube (a Peclet number of about 40: coiled tubing of 0.5 to 3 mm bore; assumed)."""
SUPERLOOP_STAGES = 100
"""Stirred stages of a superloop, whose seal keeps the drive liquid out: they spread its end by a tenth."""
SMALL_TUBE = 0.02
"""A tube below this fraction of the largest volume of the skid gets proportionally fewer stages: its variance
stays below that of one stage of a tube of this size."""
ELEMENTS = 6
"""Elements along a bed, unless the accuracy asks for more."""


@dataclass(frozen=True)
class Flowsheet:
    """A compiled network of one skid, and how its actuators and detectors map onto it.

    Build it with :func:`flowsheet`. Arrays follow `species`, `network.links` and `network.units`.
    """

    plant: Plant
    skid: Skid
    parameters: ParameterSet
    routing: Routing
    network: Network
    species: tuple[Species, ...]
    chemistry: Electrolyte
    valves: tuple[str, ...]
    positions: Mapping[str, tuple[str, ...]]
    inlet_concentrations: NDArray[np.float64]
    detectors: tuple[str, ...]
    temperature: float
    _matrices: dict[tuple[int, ...], FlowMap] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def ports(self) -> tuple[str, ...]:
        """Names of the units whose outlets are of interest.

        Detector cells, then units that feed a vessel, then the columns where the skid has several.
        """
        ends = [route.source for route in self.routing.routes if route.target in self.plant.vessels]
        feeding = [end for end in ends if end in self.routing.units]
        return tuple(dict.fromkeys([*self.detectors, *feeding, *self.several_columns]))

    @cached_property
    def several_columns(self) -> tuple[str, ...]:
        """The columns of a skid that has more than one."""
        kinds = {name: self.skid.devices[name].kind for name in self.routing.units}
        columns = tuple(name for name, kind in kinds.items() if kind is DeviceKind.COLUMN)
        return tuple(name for name in self.plant.columns if name in columns) if len(columns) > 1 else ()

    def path(self, positions: tuple[int, ...], pumps: NDArray[np.float64]) -> str:
        """Vessels and columns that liquid passes at these valve positions and pump flows, in words.

        Several ways (two pumps, washing aside) stand beside one another with a comma.
        """
        flows = self.flow_map(positions)
        onward: dict[str, list[str]] = {}
        for link, flow in zip(self.network.links, flows.links @ pumps, strict=True):
            if flow > 0.0:
                onward.setdefault(link.source, []).append(link.target)
        for unit, vessel, four in flows.received:
            if four @ pumps > 0.0:
                onward.setdefault(unit, []).append(vessel)
        shown = {*self.plant.vessels, *self.plant.columns}
        found: list[str] = []
        for inlet in self.routing.inlets:
            way, at, passed = [inlet], inlet, set()
            while at in onward and at not in passed:
                passed.add(at)
                at = onward[at][0]
                if at in shown:
                    way.append(at)
            if len(way) > 1:
                found.append(" > ".join(way))
        return ", ".join(found)

    def flow_map(self, positions: tuple[int, ...]) -> FlowMap:
        """How flows follow from the pumps at these valve positions (index per valve); cached.

        Raises
        ------
        InputError
            At a dead-head.
        """
        known = self._matrices.get(positions)
        if known is None:
            stand = {
                valve: self.positions[valve][index]
                for valve, index in zip(self.valves, positions, strict=True)
            }
            known = self._matrices[positions] = _flow_map(self, stand)
        return known

    def initial_state(self, material: str | None = None) -> NDArray[np.float64]:
        """The state vector of a skid filled with `material` (default: what its description says)."""
        name = material or self.skid.filled_with or self.plant.vessels[self.routing.inlets[0]].material
        held = {} if material else self.skid.contents
        return self.network.initial_state(
            {unit.name: self._filling(held.get(unit.name, name)) for unit in self.network.units},
            bound=nothing_inactivated(self.network, self.skid.devices),
        )

    def _filling(self, material: str | None) -> NDArray[np.float64]:
        """Concentrations (n_species,) in mol/m3 of `material`; none: pure water."""
        content = self.plant.materials[material].composition if material else {}
        amounts = np.array([max(content.get(item.name, 0.0), 0.0) for item in self.species])
        return _with_ph(amounts, content, self.species)


@dataclass(frozen=True)
class FlowMap:
    """Flows at one set of valve positions, per unit of (pump A, pump B, wash A, wash B).

    Parameters
    ----------
    links : ndarray (n_links, 4)
        Into the network's links.
    drawn : Mapping of str to ndarray (4,)
        Out of each vessel.
    received : tuple of (unit, vessel, ndarray (4,))
        Out of a unit into a vessel; washing goes nowhere that is kept.
    columns : Mapping of str to ndarray (4,)
        Through each column.
    """

    links: NDArray[np.float64]
    drawn: Mapping[str, NDArray[np.float64]]
    received: tuple[tuple[str, str, NDArray[np.float64]], ...]
    columns: Mapping[str, NDArray[np.float64]]


def pump_flows(segment: Segment, at_end: bool) -> NDArray[np.float64]:
    """Flows (pump A, pump B, wash A, wash B) in m3/s at the start or end of a segment."""
    if at_end:
        return np.array([segment.a_end, segment.b_end, segment.wash_a, segment.wash_b])
    return np.array([segment.a_start, segment.b_start, segment.wash_a, segment.wash_b])


def flowsheet(
    plant: Plant,
    skid_name: str,
    positions: Mapping[str, tuple[str, ...]],
    parameters: ParameterSet | None = None,
    elements: int = ELEMENTS,
) -> Flowsheet:
    """The digital factory of `skid_name`.

    Parameters
    ----------
    plant : Plant
        The description.
    skid_name : str
        Which skid.
    positions : Mapping of str to tuple of str
        Valves in the order of the actuators' position tuples, each with its position names in index order.
    parameters : ParameterSet, optional
        Instead of the plant's own, e.g. a draw.
    elements : int
        Mesh elements along each bed.

    Raises
    ------
    InputError
        For a bed or binding model that needs a parameter which is not stated.
    """
    values = plant.parameters if parameters is None else parameters
    routes = routing(plant, skid_name)
    skid = plant.skids[skid_name]
    species = tuple(plant.species.values())
    names = tuple(item.name for item in species)
    largest = max(
        (column.volume for column in plant.columns.values() if column.skid == skid_name), default=0.0
    )
    largest = max([largest, *(device.volume for device in skid.devices.values())])
    units: list[NetworkUnit] = []
    missing = tuple(missing_parameters(plant))
    if missing:
        raise InputError(missing)
    for name in routes.units:
        device = skid.devices[name]
        if device.kind is DeviceKind.COLUMN:
            units.append(packed_bed(plant.columns[name], species, values, elements))
        elif device.kind in REACTING:
            units.append(reacting_unit(skid_name, device, species, values))
        else:
            units.append(_vessel_unit(skid_name, device, values, largest))
    pairs = dict.fromkeys(
        (route.source, route.target) for route in routes.routes if route.target in routes.units
    )
    network = Network(
        names,
        tuple(units),
        tuple(Inlet(name) for name in routes.inlets),
        tuple(Link(source, target) for source, target in pairs),
    )
    concentrations = np.array([_composition(plant, values, vessel, species) for vessel in routes.inlets])
    return Flowsheet(
        plant=plant,
        skid=skid,
        parameters=values,
        routing=routes,
        network=network,
        species=species,
        chemistry=electrolyte(species),
        valves=tuple(positions),
        positions=dict(positions),
        inlet_concentrations=concentrations.reshape(len(routes.inlets), len(species)),
        detectors=tuple(name for name in routes.units if skid.devices[name].kind in CELLS),
        temperature=values.get_or(f"{skid_name}.temperature", plant.temperature),
    )


def _flow_map(sheet: Flowsheet, stand: Mapping[str, str]) -> FlowMap:
    matrix = sheet.routing.flow_matrix(stand)
    pumps = sheet.routing.pumps
    order = [pumps.index(name) if name in pumps else -1 for name in _pump_pair(pumps)]
    columns = [*order, *(at + len(pumps) if at >= 0 else -1 for at in order)]
    four = np.stack([matrix[:, at] if at >= 0 else np.zeros(len(matrix)) for at in columns], axis=1)
    place = {(link.source, link.target): index for index, link in enumerate(sheet.network.links)}
    links = np.zeros((len(place), 4))
    drawn: dict[str, NDArray[np.float64]] = {}
    through: dict[str, NDArray[np.float64]] = {}
    received = []
    for route, flow in zip(sheet.routing.routes, four, strict=True):
        if (route.source, route.target) in place and not route.wash:
            links[place[(route.source, route.target)]] += flow
        if not np.any(flow):
            continue
        if route.source in sheet.plant.vessels:
            drawn[route.source] = drawn.get(route.source, np.zeros(4)) + flow
        if route.target in sheet.plant.vessels and route.target != WASH:
            received.append((route.source, route.target, flow))
        if route.target in sheet.plant.columns:
            through[route.target] = through.get(route.target, np.zeros(4)) + flow
    return FlowMap(links, drawn, tuple(received), through)


def _pump_pair(pumps: tuple[str, ...]) -> tuple[str, str]:
    """The pumps that the actuators call A and B."""
    first = next((name for name in pumps if name.endswith("A")), pumps[0] if pumps else "")
    second = next((name for name in pumps if name != first), "")
    return first, second


def _composition(
    plant: Plant, parameters: ParameterSet, vessel: str, species: tuple[Species, ...]
) -> NDArray[np.float64]:
    """Concentrations (n_species,) in mol/m3 of what `vessel` holds, with the material's true strength."""
    name = plant.vessels[vessel].material
    if name is None:
        return _with_ph(np.zeros(len(species)), {}, species)
    content = plant.materials[name].composition
    strength = parameters.get_or(f"{name}.strength", 1.0)
    amounts = [
        content.get(item.name, 0.0) * parameters.get_or(f"{name}.{item.name}.strength", strength)
        for item in species
    ]
    return _with_ph(np.array(amounts), content, species)


def _with_ph(
    amounts: NDArray[np.float64], content: Mapping[str, float], species: tuple[Species, ...]
) -> NDArray[np.float64]:
    """`amounts` (n_species,) with the pH where it is carried: stated, or from the charge balance."""
    for place, item in enumerate(species):
        if item.name == PH_SPECIES:
            amounts[place] = content.get(PH_SPECIES, 0.0) or float(electrolyte(species).ph(amounts[None])[0])
    return amounts


def _vessel_unit(skid: str, device: Device, parameters: ParameterSet, largest: float) -> NetworkUnit:
    factor = parameters.get_or(f"{skid}.{device.name}.volume_factor", 1.0)
    factor *= parameters.get_or(f"{skid}.volume_factor", 1.0)
    volume = max(device.volume * factor, SMALLEST_VOLUME)
    if device.kind is DeviceKind.TUBING:
        share = volume / (SMALL_TUBE * largest) if largest > 0.0 else 1.0
        return Tube(device.name, volume, stages=max(2, min(TUBE_STAGES, math.ceil(TUBE_STAGES * share))))
    if device.kind is DeviceKind.SUPERLOOP:
        return Tube(device.name, volume, stages=SUPERLOOP_STAGES)
    return StirredTank(device.name, volume)
