"""What every vessel has given and received: volumes and amounts, from flows and what passed the outlets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.twin.flow_map import FlowMap
from minifactory.twin.flowsheet import Flowsheet
from minifactory.twin.joint import Joint

Array = NDArray[np.float64]


@dataclass
class Inventory:
    """Running totals of one skid of a flowsheet: what its pumps draw and what leaves its units.

    Parameters
    ----------
    skid : str
        Its name; empty: of all skids together.
    drawn : dict of str to float
        m3 taken out of each vessel.
    taken : dict of str to ndarray (n_species,)
        mol taken out of each vessel whose content changes.
    volumes : dict of str to float
        m3 that each vessel has received.
    amounts : dict of str to ndarray (n_species,)
        mol that each vessel has received.
    """

    skid: str = ""
    drawn: dict[str, float] = field(default_factory=dict)
    taken: dict[str, Array] = field(default_factory=dict)
    volumes: dict[str, float] = field(default_factory=dict)
    amounts: dict[str, Array] = field(default_factory=dict)

    def add(self, joint: Joint, flows: FlowMap, sheet: Flowsheet, passed: Array) -> None:
        """Account for a stretch in which `passed` (ports, n_species) mol came out of each port."""
        mean, duration, ports = joint.mean, joint.duration, sheet.ports
        own = sheet.flows_of(self.skid) if self.skid and len(sheet.names) > 1 else slice(None)
        for vessel, per_pump in flows.drawn.items():
            if self.skid and not np.any(per_pump[own]):
                continue
            through = float(per_pump[own] @ mean[own])
            self.drawn[vessel] = self.drawn.get(vessel, 0.0) + through * duration
            if vessel in sheet.routing.shared and through > 0.0:
                _book(self.taken, vessel, passed[ports.index(vessel)] * (through / float(per_pump @ mean)))
        for unit, vessel, per_pump in flows.received:
            through = float(per_pump @ mean)
            if through <= 0.0 or (self.skid and sheet.owner(unit) != self.skid):
                continue
            total = sum(float(other @ mean) for source, _, other in flows.received if source == unit)
            self.volumes[vessel] = self.volumes.get(vessel, 0.0) + through * duration
            _book(self.amounts, vessel, passed[ports.index(unit)] * (through / total))

    def amounts_drawn(self, sheet: Flowsheet) -> dict[str, Array]:
        """mol (n_species,) taken out of each vessel that delivers."""
        return {
            vessel: self.taken.get(vessel, np.zeros(len(sheet.species)))
            if vessel in sheet.routing.shared
            else self.drawn.get(vessel, 0.0) * sheet.inlet_concentrations[place]
            for place, vessel in enumerate(sheet.routing.inlets)
        }

    def content(self, sheet: Flowsheet, vessel: str) -> float:
        """m3 in `vessel` now; below zero when more was drawn than it held."""
        gained = self.volumes.get(vessel, 0.0)
        return sheet.plant.vessels[vessel].volume - self.drawn.get(vessel, 0.0) + gained

    def held(self, sheet: Flowsheet) -> Mapping[str, float]:
        """m3 in each vessel now."""
        return {name: self.content(sheet, name) for name in sheet.plant.vessels}

    def copy(self) -> Inventory:
        """An independent copy."""
        return Inventory(
            self.skid,
            dict(self.drawn),
            {name: amount.copy() for name, amount in self.taken.items()},
            dict(self.volumes),
            {name: amount.copy() for name, amount in self.amounts.items()},
        )


def _book(amounts: dict[str, Array], vessel: str, gained: Array) -> None:
    before = amounts.get(vessel)
    amounts[vessel] = gained.copy() if before is None else before + gained
