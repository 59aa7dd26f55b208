"""The process model of virtual skids: the generated flowsheet, moved on line by what the actuators do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.model import DeviceKind, Plant, Species
from minifactory.plant.network import group, whole_name
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import tag_table
from minifactory.twin.driving import drives_of
from minifactory.twin.engine import Stepper, Tolerance
from minifactory.twin.flow_map import FlowMap
from minifactory.twin.flowsheet import ELEMENTS, Flowsheet, flowsheet
from minifactory.twin.hydraulics import Load, hydraulics
from minifactory.twin.inventory import Inventory
from minifactory.twin.joint import Joint, side_by_side
from minifactory.twin.machine import machine_of
from minifactory.twin.process import ProcessValues
from minifactory.twin.pumps import Segment
from minifactory.twin.vessels import SharedVessels

TOLERANCE = 1e-4
"""Relative local error of the time integration."""
BLOCKED = 1e9
"""Pa that a pump builds up against a closed port: above every limit."""


@dataclass(frozen=True)
class Detectors:
    """Rows of the ports that the single-valued detectors see."""

    conductivity: int
    ph: int


def skid_flowsheet(
    plant: Plant, skid_name: str, parameters: ParameterSet | None = None, elements: int = ELEMENTS
) -> Flowsheet:
    """The flowsheet of a skid, its valves in the order in which the actuators give their positions."""
    return plant_flowsheet(plant, (skid_name,), parameters, elements)


def plant_flowsheet(
    plant: Plant,
    names: Sequence[str],
    parameters: ParameterSet | None = None,
    elements: int = ELEMENTS,
) -> Flowsheet:
    """The flowsheet of several skids as one, and of all that lines join to them."""
    skids = group(plant, names)
    values = plant.parameters if parameters is None else parameters
    positions = {}
    for name in skids:
        table = tag_table(plant.skids[name])
        for valve in machine_of(table, plant.skids[name], values).valves:
            called = valve if len(skids) == 1 else whole_name(plant, name, valve)
            positions[called] = table.tag(f"{valve}.SP").choices
    return flowsheet(plant, skids, positions, values, elements)


def detectors_of(sheet: Flowsheet) -> Detectors:
    """Which cell feeds the conductivity and the pH reading (the first of its kind, else the first)."""

    def row(kind: DeviceKind) -> int:
        found = [at for at, name in enumerate(sheet.detectors) if sheet.skid.devices[name].kind is kind]
        return found[0] if found else 0

    return Detectors(row(DeviceKind.CONDUCTIVITY_CELL), row(DeviceKind.PH_CELL))


def species_scales(sheet: Flowsheet) -> NDArray[np.float64]:
    """Typical concentration (mol/m3) of each species, for the absolute tolerance of the integration."""
    scales = sheet.inlet_concentrations.max(axis=0, initial=0.0)
    for content in sheet.shared_contents:
        scales = np.maximum(scales, content)
    return np.where(scales > 0.0, scales, 1.0)


class PlantProcess:
    """Skids in motion as one network; each of them is seen through a :class:`SkidProcess`.

    A pump that draws from a vessel whose content is used up has air in its sensor, until it draws from one
    that is not empty. The network itself knows no gas: what it is fed goes on as liquid, from a vessel whose
    content changes as liquid in which nothing is dissolved. What arrives at a full vessel of that kind is
    spilt. A pump against a closed port delivers nothing, and its pressure shows it.
    """

    def __init__(self, sheet: Flowsheet, tolerance: float = TOLERANCE) -> None:
        self.sheet = sheet
        self.inventory = Inventory()
        self.vessels = SharedVessels(sheet)
        self._stepper = Stepper(
            sheet.network,
            sheet.initial_state(),
            0.0,
            species_scales(sheet),
            sheet.ports,
            Tolerance(relative=tolerance),
        )
        still = np.zeros(len(sheet.network.links))
        self.outlets = self._stepper.advance(0.0, still, sheet.inlet_concentrations)
        self._passed = self._stepper.passed
        self.through = np.zeros(len(sheet.network.links))
        self.time = 0.0
        self._drives = drives_of(sheet)
        self.seen_by: list[SkidProcess] = []

    def advance(self, motions: Sequence[Sequence[Segment]]) -> None:
        """Go on by what the actuators of every skid do; their segments cover the same time."""
        joints, _ = side_by_side(motions)
        for joint in joints:
            self._advance(joint)

    def content(self, vessel: str) -> float:
        """m3 in `vessel` now."""
        if vessel in self.vessels.names:
            return self.vessels.volume(vessel, self._stepper.volumes)
        return self.inventory.content(self.sheet, vessel)

    def contents(self) -> dict[str, float]:
        """m3 in every vessel now."""
        volumes = self._stepper.volumes if self.vessels.names else np.zeros(0)
        shared = {name: self.vessels.volume(name, volumes) for name in self.vessels.names}
        others = self.sheet.plant.vessels.keys() - shared.keys()
        return shared | {name: self.inventory.content(self.sheet, name) for name in others}

    def amounts(self, unit: str) -> NDArray[np.float64]:
        """mol (n_species,) that have left `unit`, one of the ports, since the start."""
        return np.asarray(self._passed[self.sheet.ports.index(unit)])

    def liquid(self, unit: str) -> NDArray[np.float64]:
        """mol/m3 (n_species,) at the outlet of `unit`, one of the ports, now."""
        return np.asarray(self.outlets[self.sheet.ports.index(unit)])

    @property
    def held(self) -> dict[str, NDArray[np.float64]]:
        """mol (n_species,) that each vessel of changing content holds now."""
        ports = self.sheet.ports
        return {name: self.content(name) * self.outlets[ports.index(name)] for name in self.vessels.names}

    def _advance(self, joint: Joint) -> None:
        flows = self.sheet.flow_map(joint.positions)
        joint = joint.widened(len(self.sheet.routing.drives))
        blocked: set[int] = set()
        for _, causes in flows.faults(joint.last) + flows.faults(joint.first):
            blocked.update(int(cause) // 4 for cause in causes)
        if blocked:
            open_ways = np.ones(len(joint.first))
            for place in blocked:
                open_ways[4 * place : 4 * place + 4] = 0.0
            joint = joint._replace(first=joint.first * open_ways, last=joint.last * open_ways)
        if np.any(flows.open_drives):
            joint = joint._replace(
                first=self._drives.flows(flows, joint.first, self.liquid),
                last=self._drives.flows(flows, joint.last, self.liquid),
            )
        inlets = self.sheet.inlet_concentrations
        for part, first, last in self._parts(joint, flows):
            steady = np.array_equal(first, last)
            self.outlets = self._stepper.advance(part.end, first, inlets, None if steady else last)
            passed = self._stepper.passed
            self.inventory.add(part, flows, self.sheet, passed - self._passed)
            self._passed = passed
            self.through += 0.5 * (first + last) * part.duration
        self.time = joint.end
        for skid in self.seen_by:
            skid.see(flows, joint.last, skid.place in blocked)

    def _parts(
        self, joint: Joint, flows: FlowMap
    ) -> Iterator[tuple[Joint, NDArray[np.float64], NDArray[np.float64]]]:
        """`joint`, cut where a vessel runs empty or full, with the flows in all links at both ends."""
        if not self.vessels.names:
            yield joint, flows.links @ joint.first, flows.links @ joint.last
            return
        rest: Joint | None = joint
        while rest is not None:
            part, rest, first, last = self.vessels.possible(rest, flows, self._stepper.volumes)
            yield part, first, last


class SkidProcess:
    """What the detectors of skid `name` face of a :class:`PlantProcess`, which moves all skids together."""

    def __init__(self, process: PlantProcess, name: str) -> None:
        self.plant = process
        process.seen_by.append(self)
        self.place = process.sheet.names.index(name)
        self.sheet = process.sheet.of(name)
        self._hydraulics = hydraulics(process.sheet, name)
        self._which = detectors_of(self.sheet)
        self._rows = process.sheet.rows(name)
        self._own = process.sheet.columns_of(name)
        self._pressures = (0.0, 0.0)
        gauged = (*(item.name for item in self._hydraulics.filters), *self._hydraulics.membranes)
        self._drops = {f"{name}.Pressure": 0.0 for name in gauged}
        self._flows = {f"{name}.Flow": 0.0 for name in self._hydraulics.passages}
        self._air = (False, False)

    @property
    def inventory(self) -> Inventory:
        """What the vessels have given and received."""
        return self.plant.inventory

    @property
    def species(self) -> tuple[Species, ...]:
        """The dissolved substances, in the order of concentration columns."""
        return self.sheet.species

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detector cells, in the order of concentration rows."""
        return self.sheet.detectors

    def values(self) -> ProcessValues:
        """The true values now."""
        cells = self.plant.outlets[self._rows]
        if not len(cells):  # a skid without detector cells shows neither
            cells = np.zeros((1, len(self.species)))
        both = np.stack((cells[self._which.conductivity], cells[self._which.ph]))
        ph, conductivity = self.sheet.chemistry.evaluate(both, self.sheet.temperature)
        inventory = self.plant.inventory
        passages, through = self._hydraulics.passages, self.plant.through
        shown = {f"{name}.Volume": float(through[into].sum()) for name, into in passages.items()}
        return ProcessValues(
            time=self.plant.time,
            concentrations=cells,
            conductivity=float(conductivity[0]),
            ph=float(ph[1]),
            system_pressure=self._pressures[0],
            column_pressure=self._pressures[1],
            temperature=self.sheet.temperature,
            air=self._air,
            received=inventory.amounts,
            drawn=inventory.amounts_drawn(self.plant.sheet),
            volumes=self.plant.contents(),
            readings=shown | self._flows,
            drops=self._drops,
        )

    def _come(self) -> dict[str, Load]:
        """What has come to each filter."""
        through, passages = self.plant.through, self._hydraulics.passages
        return {
            item.name: (through[passages[item.name]].sum(keepdims=True), self.plant.amounts(item.unit)[None])
            for item in self._hydraulics.filters
        }

    def see(self, flows: FlowMap, pumps: NDArray[np.float64], blocked: bool) -> None:
        """Take over pressures and air when pumps and drives deliver `pumps` (all,) m3/s."""
        self._air = (self._draws_air(0, flows, pumps), self._draws_air(1, flows, pumps))
        both, over = self._hydraulics.series(flows, pumps[None, :], self._come())
        self._pressures = (BLOCKED if blocked else float(both[0, 0]), float(both[0, 1]))
        self._drops = {f"{name}.Pressure": float(drop[0]) for name, drop in over.items()}
        links = flows.links @ pumps
        self._flows = {
            f"{name}.Flow": float(links[into].sum()) for name, into in self._hydraulics.passages.items()
        }

    def _draws_air(self, pump: int, flows: FlowMap, pumps: NDArray[np.float64]) -> bool:
        """Whether air stands before `pump` (0: A, 1: B); as before while it rests."""
        now = pumps[self._own]
        columns = [place for place in (pump, pump + 2) if now[place] > 0.0]
        if not columns:
            return self._air[pump]
        return any(
            self.plant.vessels.empty(vessel, self.plant.content(vessel))
            for vessel, per_pump in flows.drawn.items()
            if any(per_pump[self._own][place] > 0.0 for place in columns)
        )


class OnlineProcess(SkidProcess):
    """Implements :class:`minifactory.twin.process.ProcessModel` for a skid that is alone."""

    def __init__(self, sheet: Flowsheet, tolerance: float = TOLERANCE) -> None:
        super().__init__(PlantProcess(sheet, tolerance), sheet.names[0])

    def advance(self, segments: Sequence[Segment]) -> ProcessValues:
        """The true values at the end of the last segment; segments follow each other without gaps."""
        self.plant.advance((segments,))
        return self.values()


def process_model(plant: Plant, skid_name: str, parameters: ParameterSet) -> OnlineProcess:
    """The process model of a virtual skid, alone, whose truth is `parameters`."""
    return OnlineProcess(skid_flowsheet(plant, skid_name, parameters))
