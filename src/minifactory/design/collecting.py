"""What left the outlet of a skid in a predicted run, and the recipe that collects between given cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minifactory.design.candidates import FloatArray
from minifactory.design.description import RECIPE, Description, yaml_path
from minifactory.design.places import with_texts
from minifactory.design.pooling import Curves, Fraction
from minifactory.errors import Finding, InputError
from minifactory.plant.tagging import tag_table
from minifactory.recipe.model import Phase
from minifactory.records.run import Run
from minifactory.twin.driving import refuse_drives
from minifactory.twin.machine import machine_of
from minifactory.twin.online import skid_flowsheet
from minifactory.twin.signals import Stretch
from minifactory.twin.simulate import simulate
from minifactory.units import VOLUME, show


@dataclass(frozen=True)
class Outlet:
    """The run, and the proteins (kg) that left its outlet over time."""

    run: Run
    curves: Curves

    def elution(self) -> Curves:
        """The part in which the recipe elutes; all after the load when it has no such phase."""
        elutions = [phase for phase in self.run.phases if phase.kind == "elute"]
        loads = [phase for phase in self.run.phases if phase.kind == "load"]
        if elutions:
            return self.curves.between(elutions[0].start, elutions[-1].end)
        return self.curves.between(loads[-1].end if loads else 0.0, self.run.duration)


def outlet_of(description: Description, *, tolerance: float, elements: int) -> Outlet:
    """The outlet in the prediction of a description.

    Raises
    ------
    SolverError
        As :func:`minifactory.twin.simulate.simulate`.
    """
    plant, bound = description.plant, description.bound
    seen: list[Stretch] = []
    run = simulate(
        plant,
        bound,
        tolerance=tolerance,
        elements=elements,
        identifier="pool",
        observer=lambda _, stretch: seen.append(stretch),
    )
    sheet = skid_flowsheet(plant, bound.skid)
    refuse_drives(sheet, "pool")
    proteins = [place for place, one in enumerate(sheet.species) if one.role.is_protein]
    masses = np.array([sheet.species[place].molar_mass for place in proteins])
    times, volumes, flows, passed, rates = [], [], [], [], []
    volume, before = 0.0, np.zeros(len(proteins))
    for stretch in seen:
        unit, per_pump = _receiving(sheet.flow_map(stretch.segments[0].positions).received)
        if unit is None:
            continue
        port = sheet.ports.index(unit)
        flow = stretch.pumps(stretch.points) @ per_pump
        grown = np.concatenate([[0.0], np.cumsum(0.5 * (flow[1:] + flow[:-1]) * np.diff(stretch.points))])
        times.append(stretch.points)
        flows.append(flow)
        volumes.append(volume + grown)
        passed.append(before + stretch.passed[:, port][:, proteins] * masses)
        rates.append(stretch.outlet[:, port][:, proteins] * masses * flow[:, None])
        volume, before = float(volumes[-1][-1]), passed[-1][-1]
    time = np.concatenate(times)
    kept = np.concatenate([[True], np.diff(time) > 1e-9])
    curves = Curves(
        tuple(sheet.species[place].name for place in proteins),
        time[kept],
        np.concatenate(volumes)[kept],
        np.concatenate(flows)[kept],
        np.concatenate(passed)[kept],
        np.concatenate(rates)[kept],
    )
    return Outlet(run, curves)


def _receiving(received: Sequence[tuple[str, str, FloatArray]]) -> tuple[str | None, FloatArray]:
    """The unit whose outlet the vessels receive, and its flow per unit of pumps A, B, wash A, wash B."""
    units = [unit for unit, _, _ in received]
    if not units:
        return None, np.zeros(4)
    return units[0], np.sum([flow for unit, _, flow in received if unit == units[0]], axis=0)


def with_cuts(description: Description, outlet: Outlet, fraction: Fraction) -> Description:
    """The description whose recipe collects `fraction` by the volume of the phase.

    The watches of the elution that lead the outlet to the pool and away from it get the volumes of the cuts.

    Raises
    ------
    InputError
        The recipe has no such watches.
    """
    phase, start, end = _cut_watches(description)
    record = next(one for one in outlet.run.phases if one.path == phase)
    table = tag_table(description.plant.skids[description.skid])
    machine = machine_of(table, description.plant.skids[description.skid], description.plant.parameters)
    delays = [
        seconds
        for valve, (seconds, _) in zip(machine.valves, machine.switch_times, strict=True)
        if "Outlet" in valve
    ]
    delay = max(delays, default=0.0)
    times = np.array([record.start, fraction.start - delay, fraction.end - delay])
    begin, first, last = outlet.run.volume_axis(times)
    texts = {
        yaml_path(f"{phase}.watch.{watch}.when"): f"volume >= {show(max(volume - begin, 0.0), VOLUME, 7)}"
        for watch, volume in ((start, first), (end, last))
    }
    files = {**description.texts, RECIPE: with_texts(description.texts[RECIPE], RECIPE, texts)}
    return Description(files, description.skid, description.product, description.pool, description.sums)


def _cut_watches(description: Description) -> tuple[str, str, str]:
    """Path of the phase, and names of the watches that begin and end the pool."""
    vessels = description.plant.vessels
    pools = {name for name, one in vessels.items() if one.purpose == "pool"}
    if description.pool is not None:
        pools = {description.pool}
    for path, phase in _elutions(description):
        starts = [one.name for one in phase.watches if one.then.outlet in pools]
        ends = [one.name for one in phase.watches if one.then.outlet and one.then.outlet not in pools]
        if starts and ends:
            return path, starts[0], ends[-1]
    raise InputError(
        Finding(
            RECIPE,
            "no elution has a watch that leads the outlet to the pool and one that leads it away",
            "two watches with outlet",
            "Add them; the study sets their conditions.",
        )
    )


def _elutions(description: Description) -> list[tuple[str, Phase]]:
    return [
        (f"{unit.name}.{operation.name}.{phase.name}", phase)
        for unit in description.recipe.procedure
        for operation in unit.operations
        for phase in operation.phases
        if phase.kind.value == "elute"
    ]
