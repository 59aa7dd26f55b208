"""What every vessel has given and received: volumes and amounts, from flows and what passed the outlets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.twin.flowsheet import FlowMap, Flowsheet, pump_flows
from minifactory.twin.pumps import Segment


@dataclass
class Inventory:
    """Running totals of one skid.

    Parameters
    ----------
    drawn : dict of str to float
        m3 taken out of each vessel.
    volumes : dict of str to float
        m3 that each vessel has received.
    amounts : dict of str to ndarray (n_species,)
        mol that each vessel has received.
    """

    drawn: dict[str, float] = field(default_factory=dict)
    volumes: dict[str, float] = field(default_factory=dict)
    amounts: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def add(
        self,
        segment: Segment,
        flows: FlowMap,
        ports: Sequence[str],
        passed: NDArray[np.float64],
    ) -> None:
        """Account for one segment in which `passed` (ports, n_species) mol came out of each port."""
        mean = 0.5 * (pump_flows(segment, False) + pump_flows(segment, True))
        duration = segment.end - segment.start
        for vessel, per_pump in flows.drawn.items():
            self.drawn[vessel] = self.drawn.get(vessel, 0.0) + float(per_pump @ mean) * duration
        for unit, vessel, per_pump in flows.received:
            through = float(per_pump @ mean)
            if through <= 0.0:
                continue
            total = sum(float(other @ mean) for source, _, other in flows.received if source == unit)
            self.volumes[vessel] = self.volumes.get(vessel, 0.0) + through * duration
            gained = passed[ports.index(unit)] * (through / total)
            before = self.amounts.get(vessel)
            self.amounts[vessel] = gained.copy() if before is None else before + gained

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
            dict(self.drawn),
            dict(self.volumes),
            {name: amount.copy() for name, amount in self.amounts.items()},
        )
