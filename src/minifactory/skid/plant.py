"""The virtual plant: several virtual skids on one process, advanced together.

Every skid has its own tags, actuators, detectors, latencies, noise and faults; the liquid is one. Process
time is granted to each skid by its own controller and goes on to the smallest time granted to any of them
(conservative co-simulation), so that controllers in lock-step see one plant. Skids whose streams cannot touch
are advanced together all the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.load import load_plant
from minifactory.plant.model import Plant
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import tag_table
from minifactory.skid.contents import Contents
from minifactory.skid.faults import Fault, parse_fault
from minifactory.skid.virtual import PERIOD, VirtualSkid
from minifactory.twin.flowsheet import ELEMENTS
from minifactory.twin.online import PlantProcess, SkidProcess, plant_flowsheet
from minifactory.twin.pumps import Segment

FREE_PERIOD = 0.1
"""s of link time between two samples of a free-running plant, as of a skid."""


class VirtualPlant:
    """Skids without hardware that share vessels, lines and valves.

    Parameters
    ----------
    plant : Plant
        The description.
    parameters : ParameterSet
        The truth of all skids.
    seed : int
        Of latencies and noise; every skid draws its own from it.
    skids : sequence of str, optional
        Names; all of the plant when left out.
    period : float
        s of process time between two samples of the detectors.
    link_speed : float or None
        Process seconds per second of link time, for the heartbeats; None in lock-step.
    faults : Mapping of str to sequence of Fault
        What is to go wrong, by skid.

    Attributes
    ----------
    skids : Mapping of str to PlantSkid
        Each offers what :class:`minifactory.opcua.source.TagSource` asks for; its ``advance`` grants time.
    """

    def __init__(
        self,
        plant: Plant,
        parameters: ParameterSet,
        seed: int,
        skids: Sequence[str] = (),
        period: float = PERIOD,
        link_speed: float | None = None,
        faults: Mapping[str, Sequence[Fault]] | None = None,
        elements: int = ELEMENTS,
    ) -> None:
        wanted = tuple(skids) or tuple(plant.skids)
        unknown = [name for name in (*wanted, *(faults or {})) if name not in plant.skids]
        if unknown:
            raise InputError(
                [
                    Finding("virtual plant", f'no skid "{name}"', remedy=did_you_mean(name, plant.skids))
                    for name in unknown
                ]
            )
        self.process = PlantProcess(plant_flowsheet(plant, wanted, parameters, elements))
        names = self.process.sheet.names
        seeds = (
            [seed] if len(names) == 1 else np.random.SeedSequence(seed).generate_state(len(names)).tolist()
        )
        self.period = period
        self._granted = dict.fromkeys(names, 0.0)
        self._released: set[str] = set(names) - set(wanted)
        self.skids: Mapping[str, PlantSkid] = {
            name: PlantSkid(
                self,
                SkidProcess(self.process, name),
                parameters,
                own,
                link_speed,
                (faults or {}).get(name, ()),
            )
            for name, own in zip(names, seeds, strict=True)
        }

    @property
    def time(self) -> float:
        """Process time in s."""
        return self.process.time

    @property
    def granted(self) -> float:
        """The smallest time in s granted by a controller; no skid goes beyond it."""
        times = [time for name, time in self._granted.items() if name not in self._released]
        return min(times, default=math.inf)

    def grant(self, skid: str, time: float) -> None:
        """Let `skid` run to process time `time` (s); all go on as far as every one may."""
        self._granted[skid] = max(self._granted[skid], time)
        self._released.discard(skid)
        self._go_on()

    def release(self, skid: str) -> None:
        """Nobody controls `skid` any more: it goes with the others, until it is granted time again.

        When nobody controls any skid, process time stands still.
        """
        self._released.add(skid)
        self._go_on()

    def contents(self) -> Contents:
        """What the vessels have received and given since the start, and hold where that changes."""
        sheet, inventory = self.process.sheet, self.process.inventory
        names = [item.name for item in sheet.species]

        def listed(amounts: Mapping[str, NDArray[np.float64]]) -> dict[str, dict[str, float]]:
            return {vessel: dict(zip(names, each.tolist(), strict=True)) for vessel, each in amounts.items()}

        drawn = inventory.amounts_drawn(sheet)
        return Contents(self.time, listed(inventory.amounts), listed(drawn), listed(self.process.held))

    def _go_on(self) -> None:
        granted = self.granted
        if math.isinf(granted):
            return
        while self.time < granted - 1e-9:
            samples = math.floor(self.time / self.period + 1e-9) + 1
            until = min(samples * self.period, granted)
            self.process.advance([skid.move(until) for skid in self.skids.values()])
            for skid in self.skids.values():
                skid.face(skid.process.values(), until)


def open_plant(
    case: Path,
    seed: int,
    speed: float | None,
    faults: Mapping[str, Sequence[str]] | None = None,
    identical: bool = False,
    skids: Sequence[str] = (),
) -> VirtualPlant:
    """The virtual plant of the case in folder `case`.

    Parameters
    ----------
    case : Path
        Holds ``factory.yaml`` and ``parameters.yaml``.
    seed : int
        Of the truth, latencies and noise.
    speed : float or None
        Process seconds per second of link time, for the heartbeats; None in lock-step.
    faults : Mapping of str to sequence of str
        By skid, as :func:`minifactory.skid.faults.parse_fault` reads them.
    identical : bool
        True: the truth is the predicting parameter set itself; only for tests of agreement.
    skids : sequence of str
        Names; all of the plant when left out.

    Raises
    ------
    InputError
        With everything that is wrong with the case, a name or a fault.
    """
    plant = load_plant(case)
    truth = plant.parameters if identical else plant.parameters.truth(seed)
    tables = {name: tag_table(plant.skids[name]) for name in faults or {} if name in plant.skids}
    known = {
        name: [parse_fault(text, tables[name]) for text in texts if name in tables]
        for name, texts in (faults or {}).items()
    }
    period = PERIOD if speed is None else min(PERIOD, FREE_PERIOD * speed)
    return VirtualPlant(plant, truth, seed, skids, period, speed, known)


class _Together:
    """The process of one skid, which moves with all others only."""

    def __init__(self, process: SkidProcess) -> None:
        self._process = process
        self.species = process.species
        self.detectors = process.detectors
        self.values = process.values

    def advance(self, segments: Sequence[Segment]) -> NoReturn:
        raise RuntimeError(f"a skid of a plant advances with the plant, not by {len(segments)} segments")


class PlantSkid(VirtualSkid):
    """A virtual skid of a :class:`VirtualPlant`."""

    def __init__(
        self,
        plant: VirtualPlant,
        process: SkidProcess,
        parameters: ParameterSet,
        seed: int,
        link_speed: float | None,
        faults: Sequence[Fault],
    ) -> None:
        self.plant = plant
        skid = process.sheet.skid
        super().__init__(
            tag_table(skid), skid, _Together(process), parameters, seed, plant.period, link_speed, faults
        )

    def advance(self, process_time: float) -> None:
        """Grant process time up to `process_time` (s); time goes on when all skids have been granted it."""
        self.plant.grant(self.table.skid, process_time)
