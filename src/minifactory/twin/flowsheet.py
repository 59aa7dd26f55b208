"""The digital factory of a skid or of several that touch, generated from their description.

Tubing and mixers become tubes and stirred tanks, columns become beds with their binding model, detector cells
small stirred tanks, vessels that are filled and drawn from vessels of changing content; valve positions open
routes and thereby decide which links carry flow. No model code is written for a case.

Flows come four to a skid (pump A, pump B, wash A, wash B), skid after skid. Several skids are one network;
what belongs to one of them is :meth:`Flowsheet.of`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import InputError
from minifactory.plant.bindings import PH_SPECIES
from minifactory.plant.model import REACTING, Device, DeviceKind, Plant, Skid, Species
from minifactory.plant.network import whole_name
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.requirements import missing_parameters
from minifactory.twin.columns import packed_bed
from minifactory.twin.electrolyte import Electrolyte, electrolyte
from minifactory.twin.engine import Inlet, Link, Network, StirredTank, Tube, Vessel
from minifactory.twin.engine.specification import NetworkUnit
from minifactory.twin.filters import DeadEndFilter, filter_units, filters_of
from minifactory.twin.flow_map import FlowMap, flow_map
from minifactory.twin.membranes import membrane_units
from minifactory.twin.pumps import Segment
from minifactory.twin.reacting import nothing_reacted, reacting_unit
from minifactory.twin.routes import CELLS
from minifactory.twin.routing import Routing, routing

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
    """A compiled network of one skid or several, and how their actuators and detectors map onto it.

    Build it with :func:`flowsheet`. Arrays follow `species`, `network.links` and `network.units`; rows of
    `inlet_concentrations` follow `routing.inlets` (for a vessel whose content changes the row is that of air,
    which counts when it is empty).
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
    names: tuple[str, ...] = ()
    whole: Flowsheet | None = field(default=None, repr=False, compare=False)
    _matrices: dict[tuple[int, ...], FlowMap] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def ports(self) -> tuple[str, ...]:
        """Names of the units whose outlets are of interest.

        Detector cells, then units that feed a vessel, then the columns where there are several, then vessels
        of changing content, then what comes to filters, then the cells of membranes.
        """
        if self.whole is not None:
            return self.whole.ports
        ends = [route.source for route in self.routing.routes if route.target in self.plant.vessels]
        feeding = [end for end in ends if end in self.routing.units]
        shared = self.routing.shared
        filtered = [each.unit for name in self.names for each in self.filters_of(name)]
        cells = [unit for unit in self.routing.drives if unit in self.routing.units]
        known = [*self.detectors, *feeding, *self.several_columns, *shared, *filtered, *cells]
        return tuple(dict.fromkeys(known))

    def filters_of(self, skid: str) -> tuple[DeadEndFilter, ...]:
        """The filters of `skid`, one of :attr:`names`."""
        own, alone = self.plant.skids[skid], len(self.names) == 1
        called = [
            each.name if alone else whole_name(self.plant, skid, each.name)
            for each in own.of_kind(DeviceKind.FILTER)
        ]
        return filters_of(own, called, self.species, self.parameters)

    @property
    def width(self) -> int:
        """Length of the flow vector: four flows of every skid, then the drives."""
        return 4 * len(self.names) + len(self.routing.drives)

    @cached_property
    def shared_contents(self) -> tuple[NDArray[np.float64], ...]:
        """What the vessels of changing content hold at the start, (n_species,) in mol/m3 each."""
        return tuple(
            _composition(self.plant, self.parameters, vessel, self.species) for vessel in self.routing.shared
        )

    @cached_property
    def several_columns(self) -> tuple[str, ...]:
        """The columns where there is more than one."""
        if self.whole is not None:
            own = self.plant.columns
            return tuple(name for name in self.whole.several_columns if own[name].skid == self.skid.name)
        columns = [name for name in self.plant.columns if name in self.routing.units]
        return tuple(columns) if len(columns) > 1 else ()

    def of(self, skid: str) -> Flowsheet:
        """The sheet as `skid` sees it: its own detectors, valves and columns; all else is that of the whole.

        Names of detectors and valves are plain; positions of :meth:`flow_map` remain those of all skids.
        """
        if len(self.names) == 1:
            return self
        own = self.plant.skids[skid]
        called = {whole_name(self.plant, skid, device): device for device in own.devices}
        values = self.parameters
        return replace(
            self,
            skid=own,
            valves=tuple(called[valve] for valve in self.valves if valve in called),
            positions={called[name]: known for name, known in self.positions.items() if name in called},
            detectors=tuple(called[name] for name in self.detectors if name in called),
            temperature=values.get_or(f"{skid}.temperature", self.plant.temperature),
            whole=self,
        )

    def rows(self, skid: str) -> NDArray[np.intp]:
        """Places among `ports` of the detectors of `skid`, in their order."""
        own = {whole_name(self.plant, skid, device) for device in self.plant.skids[skid].devices}
        found = [place for place, name in enumerate(self.detectors) if len(self.names) == 1 or name in own]
        return np.array(found, dtype=np.intp)

    def columns_of(self, skid: str) -> slice:
        """Where the four flows of `skid` stand among those of all."""
        place = self.names.index(skid)
        return slice(4 * place, 4 * place + 4)

    def flows_of(self, skid: str) -> NDArray[np.intp]:
        """Where all flows of `skid` stand among those of all: its pumps, and its drives."""
        mine, first = self.columns_of(skid), 4 * len(self.names)
        drives = [first + at for at, name in enumerate(self.routing.drives) if self.owner(name) == skid]
        return np.array([*range(mine.start, mine.stop), *drives], dtype=np.intp)

    def owner(self, device: str) -> str:
        """The skid that `device` of the network belongs to."""
        if len(self.names) == 1:
            return self.names[0]
        column = self.plant.columns.get(device)
        return column.skid if column is not None else device.partition(".")[0]

    def path(self, positions: tuple[int, ...], pumps: NDArray[np.float64]) -> str:
        """Vessels and columns that liquid passes at these valve positions and pump flows, in words.

        Several ways (two pumps, washing aside) stand beside one another with a comma.
        """
        flows = self.flow_map(positions)
        onward: dict[str, list[str]] = {}
        for link, flow in zip(self.network.links, flows.links @ pumps, strict=True):
            if flow > 0.0:
                onward.setdefault(link.source, []).append(link.target)
        vessels = set(self.routing.shared)
        for unit, vessel, four in flows.received:
            if four @ pumps > 0.0:
                onward.setdefault(unit, []).append(vessel)
        shown = {*self.plant.vessels, *self.plant.columns}
        found: list[str] = []
        for inlet in self.routing.inlets:
            way, at = [inlet], inlet
            passed: set[str] = set()
            while at in onward and at not in passed and (at not in vessels or not passed):
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
            At a dead-head of a single skid; among several see :attr:`FlowMap.gaps`.
        """
        if self.whole is not None:
            return self.whole.flow_map(positions)
        known = self._matrices.get(positions)
        if known is None:
            stand = {
                valve: self.positions[valve][index]
                for valve, index in zip(self.valves, positions, strict=True)
            }
            known = flow_map(self.plant, self.names, self.routing, self.network, stand)
            self._matrices[positions] = known
        return known

    def initial_state(self, material: str | None = None) -> NDArray[np.float64]:
        """The state vector of skids filled with `material` (default: what their description says)."""
        held: dict[str, str | None] = {}
        for name in self.names:
            skid = self.plant.skids[name]
            filling = material or skid.filled_with or self._first_material(name)
            own = [unit for unit in self.routing.units if self.owner(unit) == name]
            held |= dict.fromkeys(own, filling)
        if not material:
            own_contents = self.skid.contents
            held |= {u: own_contents[d] for u, d in self.routing.devices.items() if d in own_contents}
        filled = {
            name: self._filling(content) for name, content in held.items() if name in self.routing.units
        }
        filled |= dict(zip(self.routing.shared, self.shared_contents, strict=True))
        return self.network.initial_state(filled, bound=nothing_reacted(self.network))

    def _first_material(self, skid: str) -> str | None:
        """What the first vessel holds that `skid` draws from."""
        sources = {start.owner for start, _ in self.plant.skids[skid].connections if not start.port}
        inlet = next((vessel for vessel in self.routing.inlets if vessel in sources), self.routing.inlets[0])
        return self.plant.vessels[inlet].material

    def _filling(self, material: str | None) -> NDArray[np.float64]:
        """Concentrations (n_species,) in mol/m3 of `material`; none: pure water."""
        content = self.plant.materials[material].composition if material else {}
        amounts = np.array([max(content.get(item.name, 0.0), 0.0) for item in self.species])
        return _with_ph(amounts, content, self.species)


def pump_flows(segment: Segment, at_end: bool) -> NDArray[np.float64]:
    """Flows (pump A, pump B, wash A, wash B) in m3/s at the start or end of a segment."""
    if at_end:
        return np.array([segment.a_end, segment.b_end, segment.wash_a, segment.wash_b])
    return np.array([segment.a_start, segment.b_start, segment.wash_a, segment.wash_b])


def flowsheet(
    plant: Plant,
    names: str | Sequence[str],
    positions: Mapping[str, tuple[str, ...]],
    parameters: ParameterSet | None = None,
    elements: int = ELEMENTS,
) -> Flowsheet:
    """The digital factory of a skid, or of several as one.

    Parameters
    ----------
    plant : Plant
        The description.
    names : str or sequence of str
        Which skids.
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
    skids = (names,) if isinstance(names, str) else tuple(names)
    routes = routing(plant, *skids)
    skid = routes.skid
    species = tuple(plant.species.values())
    largest = {name: _largest(plant, name) for name in skids}
    units: list[NetworkUnit] = []
    missing = tuple(missing_parameters(plant))
    if missing:
        raise InputError(missing)
    for name in routes.units:
        device = routes.device(name)
        if device.kind is DeviceKind.COLUMN:
            units.append(packed_bed(plant.columns[name], species, values, elements))
            continue
        owner, plain = (skids[0], device) if len(skids) == 1 else _of_skid(plant, device.name)
        if device.kind is DeviceKind.FILTER:
            both = filter_units(device.name, f"{owner}.{plain.name}", plain, species, values)
            units.append(next(each for each in both if each.name == name))
            continue
        if device.kind is DeviceKind.MEMBRANE:
            path = f"{owner}.{plain.name}"
            units.append(membrane_units(device.name, path, plain, species, values)[name])
            continue
        if device.kind in REACTING:
            unit = reacting_unit(owner, plain, species, values)
        else:
            unit = _vessel_unit(owner, plain, values, largest[owner])
        units.append(replace(unit, name=name))
    for name in routes.shared:
        vessel = plant.vessels[name]
        units.append(Vessel(name, vessel.capacity, vessel.volume))
    inside = {*routes.units, *routes.shared}
    links = dict.fromkeys(
        Link(route.source, route.target, route.source_end, route.target_end)
        for route in routes.routes
        if route.target in inside
    )
    links |= {
        replace(link, source=air_of(link.source)): None for link in links if link.source in routes.shared
    }
    network = Network(
        tuple(item.name for item in species),
        tuple(units),
        tuple(Inlet(air_of(name) if name in routes.shared else name) for name in routes.inlets),
        tuple(links),
    )
    concentrations = np.array(
        [
            np.zeros(len(species))
            if vessel in routes.shared
            else _composition(plant, values, vessel, species)
            for vessel in routes.inlets
        ]
    )
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
        detectors=tuple(name for name in routes.units if routes.device(name).kind in CELLS),
        temperature=values.get_or(f"{skids[0]}.temperature", plant.temperature),
        names=skids,
    )


def _of_skid(plant: Plant, name: str) -> tuple[str, Device]:
    """The skid of a device called ``skid.Device``, and the device under its own name."""
    skid, _, device = name.partition(".")
    return skid, plant.skids[skid].devices[device]


def air_of(vessel: str) -> str:
    """Name of the inlet that stands in for a vessel of changing content when it is empty."""
    return f"air of {vessel}"


def _largest(plant: Plant, skid: str) -> float:
    """The largest volume (m3) of a device or column of `skid`."""
    columns = [column.volume for column in plant.columns.values() if column.skid == skid]
    return max([*columns, 0.0, *(device.volume for device in plant.skids[skid].devices.values())])


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
        # By the volume as described: a parameter must not change the mesh that is differentiated.
        share = device.volume / (SMALL_TUBE * largest) if largest > 0.0 else 1.0
        return Tube(device.name, volume, stages=max(2, min(TUBE_STAGES, math.ceil(TUBE_STAGES * share))))
    if device.kind is DeviceKind.SUPERLOOP:
        return Tube(device.name, volume, stages=SUPERLOOP_STAGES)
    return StirredTank(device.name, volume)
