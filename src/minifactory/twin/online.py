"""The process model of a virtual skid: the generated flowsheet, moved on line by what the actuators do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.model import DeviceKind, Plant, Species
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import tag_table
from minifactory.twin.engine import Stepper, Tolerance
from minifactory.twin.flowsheet import ELEMENTS, FlowMap, Flowsheet, flowsheet, pump_flows
from minifactory.twin.hydraulics import Hydraulics, hydraulics
from minifactory.twin.inventory import Inventory
from minifactory.twin.machine import machine_of
from minifactory.twin.process import ProcessValues
from minifactory.twin.pumps import Segment

TOLERANCE = 1e-4
"""Relative local error of the time integration."""


@dataclass(frozen=True)
class Detectors:
    """Rows of the ports that the single-valued detectors see."""

    conductivity: int
    ph: int


def skid_flowsheet(
    plant: Plant, skid_name: str, parameters: ParameterSet | None = None, elements: int = ELEMENTS
) -> Flowsheet:
    """The flowsheet of a skid, its valves in the order in which the actuators give their positions."""
    table = tag_table(plant.skids[skid_name])
    values = plant.parameters if parameters is None else parameters
    valves = machine_of(table, plant.skids[skid_name], values).valves
    positions = {valve: table.tag(f"{valve}.SP").choices for valve in valves}
    return flowsheet(plant, skid_name, positions, values, elements)


def detectors_of(sheet: Flowsheet) -> Detectors:
    """Which cell feeds the conductivity and the pH reading (the first of its kind, else the first)."""

    def row(kind: DeviceKind) -> int:
        found = [at for at, name in enumerate(sheet.detectors) if sheet.skid.devices[name].kind is kind]
        return found[0] if found else 0

    return Detectors(row(DeviceKind.CONDUCTIVITY_CELL), row(DeviceKind.PH_CELL))


def species_scales(sheet: Flowsheet) -> NDArray[np.float64]:
    """Typical concentration (mol/m3) of each species, for the absolute tolerance of the integration."""
    scales = sheet.inlet_concentrations.max(axis=0, initial=0.0)
    return np.where(scales > 0.0, scales, 1.0)


class OnlineProcess:
    """Implements :class:`minifactory.twin.process.ProcessModel` by the generated network.

    A pump that draws from a vessel whose content is used up has air in its sensor, until it draws from one
    that is not empty. The network itself knows no gas: what it is fed goes on as liquid.
    """

    def __init__(self, sheet: Flowsheet, tolerance: float = TOLERANCE) -> None:
        self.sheet = sheet
        self.inventory = Inventory()
        self._hydraulics: Hydraulics = hydraulics(sheet)
        self._which = detectors_of(sheet)
        self._stepper = Stepper(
            sheet.network,
            sheet.initial_state(),
            0.0,
            species_scales(sheet),
            sheet.ports,
            Tolerance(relative=tolerance),
        )
        self._n_detectors = len(sheet.detectors)
        still = np.zeros(len(sheet.network.links))
        self._outlets = self._stepper.advance(0.0, still, sheet.inlet_concentrations)
        self._passed = self._stepper.passed
        self._time = 0.0
        self._pressures = (0.0, 0.0)
        self._air = (False, False)

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
        cells = self._outlets[: self._n_detectors]
        both = np.stack((cells[self._which.conductivity], cells[self._which.ph]))
        ph, conductivity = self.sheet.chemistry.evaluate(both, self.sheet.temperature)
        return ProcessValues(
            time=self._time,
            concentrations=cells,
            conductivity=float(conductivity[0]),
            ph=float(ph[1]),
            system_pressure=self._pressures[0],
            column_pressure=self._pressures[1],
            temperature=self.sheet.temperature,
            air=self._air,
            received=self.inventory.amounts,
            drawn={
                vessel: self.inventory.drawn.get(vessel, 0.0) * self.sheet.inlet_concentrations[place]
                for place, vessel in enumerate(self.sheet.routing.inlets)
            },
            volumes=self.inventory.held(self.sheet),
        )

    def advance(self, segments: Sequence[Segment]) -> ProcessValues:
        """The true values at the end of the last segment."""
        inlets = self.sheet.inlet_concentrations
        for segment in segments:
            flows = self.sheet.flow_map(segment.positions)
            before, after = pump_flows(segment, False), pump_flows(segment, True)
            links = flows.links @ before
            constant = np.array_equal(before, after)
            self._outlets = self._stepper.advance(
                segment.end, links, inlets, None if constant else flows.links @ after
            )
            passed = self._stepper.passed
            self.inventory.add(segment, flows, self.sheet.ports, passed - self._passed)
            self._passed = passed
            self._air = (self._draws_air(0, flows, after), self._draws_air(1, flows, after))
            self._time = segment.end
            self._pressures = self._hydraulics.pressures(flows, after)
        return self.values()

    def _draws_air(self, pump: int, flows: FlowMap, now: NDArray[np.float64]) -> bool:
        """Whether air stands before `pump` (0: A, 1: B) with `now` (4,) m3/s; as before while it rests."""
        columns = [place for place in (pump, pump + 2) if now[place] > 0.0]
        if not columns:
            return self._air[pump]
        return any(
            self.inventory.content(self.sheet, vessel) <= 0.0
            for vessel, per_pump in flows.drawn.items()
            if any(per_pump[place] > 0.0 for place in columns)
        )


def process_model(plant: Plant, skid_name: str, parameters: ParameterSet) -> OnlineProcess:
    """The process model of a virtual skid whose truth is `parameters`."""
    return OnlineProcess(skid_flowsheet(plant, skid_name, parameters))
