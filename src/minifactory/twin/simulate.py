"""Predicts runs: bound recipes in closed loop with the generated digital factory, noise off.

Every recipe is executed as its controller would: once per scan the conditions see the signals, and what they
ask for is sent to the same model of the actuators that the virtual skid uses, with nominal latencies. Between
two actions nothing can change the course, so the network is integrated in stretches and the scans are
evaluated afterwards; when a condition of any skid fires inside a stretch, the stretch is taken again up to
that scan. Skids that touch are one network; their controllers know nothing of each other but what skids tell
each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, InputError, SolverError
from minifactory.plant.model import Plant
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import tag_table
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.procedure import Breakpoint
from minifactory.records.plant_run import PlantRun
from minifactory.records.run import Run
from minifactory.twin.actuators import Actuators
from minifactory.twin.controller import Controller, Observer, controller
from minifactory.twin.driving import Course, drives_of
from minifactory.twin.engine import Section, Solution, Tolerance, integrate
from minifactory.twin.flowsheet import ELEMENTS, Flowsheet
from minifactory.twin.hand_shakes import exchange, refuse_standstill
from minifactory.twin.joint import Joint, cut, side_by_side
from minifactory.twin.levels import Levels
from minifactory.twin.online import plant_flowsheet, species_scales
from minifactory.twin.signals import Stretch

WATCHED = 300
"""Scans per stretch while conditions depend on signals."""
LONGEST = 20_000
"""Scans per stretch otherwise."""
DRIVEN = 1800
"""Scans per stretch with flows that no pump imposes, which cost more to look ahead."""
OUTPUT = 5.0
"""s between recorded points where conditions need no signals."""


def simulate(
    plant: Plant,
    recipe: BoundRecipe,
    parameters: ParameterSet | None = None,
    *,
    scan: float = 1.0,
    tolerance: float = 1e-4,
    elements: int = ELEMENTS,
    identifier: str = "prediction",
    progress: Callable[[float], None] | None = None,
    observer: Observer | None = None,
) -> Run:
    """The predicted run of `recipe` on `plant`, as if its skid were alone.

    Parameters
    ----------
    plant : Plant
        The description.
    recipe : BoundRecipe
        Bound to one of its skids.
    parameters : ParameterSet, optional
        Instead of the plant's own, e.g. a draw from their uncertainty.
    scan : float
        s of process time between two looks of the controller.
    tolerance : float
        Relative local error of the time integration.
    elements : int
        Mesh elements along each bed.
    identifier : str
        Name of the run.
    progress : callable, optional
        Told the fraction of phases that are done.
    observer : callable, optional
        Shown the index of the phase and every stretch of it that became part of the run.

    Returns
    -------
    Run
        Origin ``simulated``; pools with amounts (mol), loaded amounts, consumed volumes (m3);
        ``provenance["mass balance"]`` is the worst relative closure over all stretches and species; beds
        whose fronts their mesh could not hold are named in it.

    Raises
    ------
    SolverError
        The integration cannot go on, a mass balance does not close, a phase never ends, or a vessel that is
        filled and drawn from runs empty or full.
    """
    observers = {} if observer is None else {recipe.skid: observer}
    predicted = _Plantwide.of(plant, (recipe,), parameters, scan, tolerance, elements, observers)
    return predicted.to_the_end(identifier, progress).runs[recipe.skid]


def simulate_plant(
    plant: Plant,
    recipes: Sequence[BoundRecipe],
    parameters: ParameterSet | None = None,
    *,
    scan: float = 1.0,
    tolerance: float = 1e-4,
    elements: int = ELEMENTS,
    identifier: str = "prediction",
    progress: Callable[[float], None] | None = None,
    observers: Mapping[str, Observer] | None = None,
) -> PlantRun:
    """The predicted runs of several recipes side by side, each bound to a skid of its own.

    Parameters are those of :func:`simulate`; `observers` by skid. The skids are one network, so that mass
    closes over all of them.

    Raises
    ------
    InputError
        No recipe, or two for one skid.
    SolverError
        As :func:`simulate`; a stream of one skid that another skid's valve closes, or two streams that meet
        in a valve.
    """
    skids = [recipe.skid for recipe in recipes]
    if not skids or len(set(skids)) < len(skids):
        found = f"recipes for {', '.join(skids) or 'no skid'}"
        raise InputError(Finding("simulate", found, "one recipe for each skid"))
    made = _Plantwide.of(plant, recipes, parameters, scan, tolerance, elements, observers or {})
    return made.to_the_end(identifier, progress)


@dataclass
class _Plantwide:
    """Everything that moves during a prediction."""

    sheet: Flowsheet
    controllers: tuple[Controller, ...]
    actuators: tuple[Actuators, ...]
    scan: float
    tolerance: Tolerance
    state: NDArray[np.float64]
    levels: Levels
    time: float = 0.0
    residual: float = 0.0
    smeared: set[str] = field(default_factory=set)
    entered: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    left: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    course: Course | None = None

    @classmethod
    def of(
        cls,
        plant: Plant,
        recipes: Sequence[BoundRecipe],
        parameters: ParameterSet | None,
        scan: float,
        tolerance: float,
        elements: int,
        observers: Mapping[str, Observer],
    ) -> _Plantwide:
        """All skids at rest, before their recipes begin."""
        values = plant.parameters if parameters is None else parameters
        sheet = plant_flowsheet(plant, [recipe.skid for recipe in recipes], values, elements)
        made = {
            recipe.skid: controller(sheet, recipe, values, scan, observers.get(recipe.skid))
            for recipe in recipes
        }
        resting = {name: plant.skids[name] for name in sheet.names if name not in made}
        actuators = tuple(
            made[name].actuators
            if name in made
            else Actuators(tag_table(resting[name]), resting[name], values)
            for name in sheet.names
        )
        chosen = Tolerance(relative=tolerance, scales=species_scales(sheet))
        return cls(
            sheet=sheet,
            controllers=tuple(made[name] for name in sheet.names if name in made),
            actuators=actuators,
            scan=scan,
            tolerance=chosen,
            state=sheet.initial_state(),
            levels=Levels(sheet),
            entered=np.zeros(len(sheet.species)),
            left=np.zeros(len(sheet.species)),
            course=Course(drives_of(sheet), chosen) if sheet.routing.drives else None,
        )

    @property
    def alone(self) -> bool:
        """Whether there is only one skid."""
        return len(self.sheet.names) == 1

    def to_the_end(self, identifier: str, progress: Callable[[float], None] | None) -> PlantRun:
        """All recipes from their start to their end."""
        before = self.sheet.network.layout.amounts(self.state)
        for item in self.controllers:
            item.start()
        exchange(self.controllers)
        while any(item.phase is not None for item in self.controllers):
            done = sum(item.procedure.position for item in self.controllers)
            self._stretch()
            if progress is not None and sum(item.procedure.position for item in self.controllers) > done:
                progress(float(np.mean([item.progress for item in self.controllers])))
        return self._result(identifier, before)

    def _stretch(self) -> None:
        """Go on until something fires anywhere, or the stretch is over."""
        tags = [item.tags for item in self.controllers]
        watched = any(item.signals.measured(own) for item, own in zip(self.controllers, tags, strict=True))
        longest = LONGEST if self.course is None else DRIVEN
        scans = min(item.horizon(WATCHED, longest) for item in self.controllers)
        before = [item.snapshot() for item in self.actuators]
        joints, stretches, scans = self._possible(scans, tags, before)
        solution = self._integrate(joints, stretches) if watched else None
        place, found = self._first_fired(joints, stretches, scans)
        if solution is None or place + 1 < scans:
            self._restore(before)
            joints, stretches = self._advance(place + 1, tags)
            solution = self._integrate(joints, stretches)
        self._keep(joints, stretches, solution)
        for item, breakpoint_ in zip(self.controllers, found, strict=True):
            if breakpoint_ is not None:
                item.answer(breakpoint_)
            else:
                item.give_up()
        if all(item is None for item in found):
            refuse_standstill(self.controllers, self.time)
        exchange(self.controllers)

    def _possible(
        self, scans: int, tags: Sequence[frozenset[str]], before: Sequence[object]
    ) -> tuple[list[Joint], list[Stretch], int]:
        """A stretch of up to `scans`; it ends before a vessel runs empty or full."""
        joints, stretches = self._advance(scans, tags)
        fault = self.levels.first_fault(joints)
        if fault is None:
            return joints, stretches, scans
        time, vessel, what = fault
        fewer = min(scans, math.floor((time - self.time) / self.scan + 1e-9))
        if fewer < 1:
            running = ", ".join(item.phase.path for item in self.controllers if item.phase is not None)
            raise SolverError(
                Finding(
                    f"vessel {vessel}",
                    f"{what} at {time:.0f} s, in {running}",
                    "liquid between empty and full",
                    "Let the phase end earlier, e.g. by the level; or hand over more or less.",
                )
            )
        self._restore(before)
        joints, stretches = self._advance(fewer, tags)
        return joints, stretches, fewer

    def _restore(self, before: Sequence[object]) -> None:
        for item, state in zip(self.actuators, before, strict=True):
            item.restore(state)  # type: ignore[arg-type]

    def _advance(self, scans: int, tags: Sequence[frozenset[str]]) -> tuple[list[Joint], list[Stretch]]:
        """Move the actuators on by `scans`."""
        times = self.time + self.scan * np.arange(1.0, scans + 1.0, dtype=np.float64)
        zeroing, washing = [], []
        for machine in self.actuators:
            control = machine.state
            zeroing.append([each.due for each in control.pending if each.name == "AutoZero"])
            pending = any(each.name == "PumpWash" for each in control.pending)
            washing.append(control.wash is not None or pending)
        motions = [machine.advance(float(times[-1])) for machine in self.actuators]
        joints, segments = side_by_side(motions)
        if self.course is not None:
            wide = [joint.widened(len(self.sheet.routing.drives)) for joint in joints]
            joints = self.course.driven(self.state, wide, self.levels)
            edges = [joint.end for joint in joints]
            segments = [cut(own, edges) for own in segments]
        stretches = []
        for item, own in zip(self.controllers, tags, strict=True):
            item.signals.use(item.actuators.state.settings)
            place = self.sheet.names.index(item.recipe.skid)
            stretch = Stretch(self.time, times, segments[place], zeroing[place], washing[place], own)
            stretch.joints = () if self.alone and self.course is None else joints
            stretches.append(stretch)
        return joints, stretches

    def _integrate(self, joints: Sequence[Joint], stretches: Sequence[Stretch]) -> Solution:
        sheet = self.sheet
        sections = []
        for joint in joints:
            flows = sheet.flow_map(joint.positions)
            if not self.alone:
                self._refuse(joint, joint.first)
                self._refuse(joint, joint.last)
            first, last = flows.links @ joint.first, flows.links @ joint.last
            sections.append(Section(joint.start, joint.end, first, sheet.inlet_concentrations, last))
        measured = any(
            item.signals.measured(stretch.tags)
            for item, stretch in zip(self.controllers, stretches, strict=True)
        )
        grid = stretches[0].grid(measured, OUTPUT)
        wanted = np.unique(np.concatenate([grid, [joint.end for joint in joints]]))
        solution = integrate(sheet.network, self.state, sections, wanted, sheet.ports, self.tolerance)
        for item, stretch in zip(self.controllers, stretches, strict=True):
            stretch.points, stretch.passed, stretch.state = wanted, solution.passed, solution.state
            rows = slice(None) if self.alone else sheet.rows(item.recipe.skid)
            stretch.outlet = solution.outlet[:, rows]
            stretch.residual = float(np.max(solution.balance.closure, initial=0.0))
        self.smeared.update(solution.smeared)
        return solution

    def _refuse(self, joint: Joint, pumps: NDArray[np.float64]) -> None:
        """SolverError when the streams of the skids are in each other's way."""
        faults = self.sheet.flow_map(joint.positions).faults(pumps)
        if not faults:
            return
        phases = {item.recipe.skid: item.phase.path for item in self.controllers if item.phase is not None}
        stand = ", ".join(
            f"{valve} {self.sheet.positions[valve][at]}"
            for valve, at in zip(self.sheet.valves, joint.positions, strict=True)
        )
        findings = []
        for what, causes in faults:
            skids = dict.fromkeys(self.sheet.names[int(cause) // 4] for cause in causes)
            streams = " and ".join(f"{name} in {phases.get(name, 'rest')}" for name in skids)
            findings.append(
                Finding(
                    f"streams of {' and '.join(skids)}",
                    f"{what} at {joint.start:.0f} s ({streams}) with {stand}",
                    "a way of its own for each stream",
                    "Let one skid wait for the other, or correct the valve positions.",
                )
            )
        raise SolverError(findings)

    def _first_fired(
        self, joints: list[Joint], stretches: Sequence[Stretch], scans: int
    ) -> tuple[int, list[Breakpoint | None]]:
        """The first scan in which a condition of any skid comes true (the last one if none), and which."""
        for item, stretch in zip(self.controllers, stretches, strict=True):
            levels = self.levels.along(joints, item.procedure.levels_needed, stretch.times)
            item.look_ahead(stretch, levels)
        found: list[Breakpoint | None] = [None] * len(self.controllers)
        place = 0
        for place in range(scans):
            found = [item.look(place) for item in self.controllers]
            if any(item is not None for item in found):
                break
        for item in self.controllers:
            item.looked(place)
        return place, found

    def _keep(self, joints: list[Joint], stretches: Sequence[Stretch], solution: Solution) -> None:
        """Take over a stretch as what happened."""
        self.time = float(stretches[0].times[-1])
        self.state = solution.state
        self.residual = max(self.residual, stretches[0].residual)
        self.entered += solution.balance.entered
        self.left += solution.balance.left
        for item, stretch in zip(self.controllers, stretches, strict=True):
            item.keep(stretch, joints, solution.outlet, solution.passed)
        self.levels.keep(joints)

    def _result(self, identifier: str, before: NDArray[np.float64]) -> PlantRun:
        names = [item.name for item in self.sheet.species]
        layout = self.sheet.network.layout
        after = layout.amounts(self.state)
        size = np.maximum.reduce([self.entered, np.abs(before), np.abs(after)])
        size = np.maximum(size, 1e-6 * size.max(initial=0.0))
        gap = np.abs(self.entered - self.left - (after - before))
        closure = gap / np.where(size > 0.0, size, 1.0)
        provenance = self._provenance()
        contents = {}
        for vessel in self.sheet.routing.shared:
            held = layout.liquid(self.state, layout.unit_index[vessel])[0]
            contents[vessel] = dict(zip(names, held.tolist(), strict=True))
        return PlantRun(
            runs={
                item.recipe.skid: item.run(
                    identifier if self.alone else f"{identifier} {item.recipe.skid}", provenance
                )
                for item in self.controllers
            },
            levels=self.levels.trends(),
            level_events=tuple(sorted(self.levels.events, key=lambda event: event.time)),
            spans={item.recipe.skid: tuple(item.spans) for item in self.controllers},
            contents=contents,
            balance=dict(zip(names, closure.tolist(), strict=True)),
            provenance={**provenance, "mass balance of the plant": f"{closure.max(initial=0.0):.2e}"},
        )

    def _provenance(self) -> dict[str, str]:
        """How far the numbers can be trusted."""
        facts = {"mass balance": f"{self.residual:.2e}", "scan": f"{self.scan:g} s"}
        if self.smeared:
            beds = ", ".join(sorted(self.smeared))
            facts["fronts wider than the mesh holds"] = f"{beds}: computed by the scheme of first order"
        return facts
