"""Predicts a run: the bound recipe in closed loop with the generated digital factory, noise off.

The recipe is executed as a controller would: once per scan the conditions see the signals, and what they ask
for is sent to the same model of the actuators that the virtual skid uses, with nominal latencies. Between two
actions nothing can change the course, so the network is integrated in stretches and the scans are evaluated
afterwards; when a condition fires inside a stretch, the stretch is taken again up to that scan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, SolverError
from minifactory.plant.model import Plant
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import tag_table
from minifactory.recipe.bound import BoundAction, BoundPhase, BoundRecipe
from minifactory.recipe.conditions import Sample
from minifactory.recipe.model import OnTimeout, PhaseKind
from minifactory.recipe.procedure import Breakpoint, Procedure
from minifactory.records.run import Event, PhaseRecord, PoolRecord, Run
from minifactory.twin.actuators import Actuators
from minifactory.twin.column_outlets import column_trends
from minifactory.twin.engine import Section, Tolerance, integrate
from minifactory.twin.flowsheet import ELEMENTS, Flowsheet, pump_flows
from minifactory.twin.hydraulics import hydraulics
from minifactory.twin.inventory import Inventory
from minifactory.twin.online import skid_flowsheet, species_scales
from minifactory.twin.pumps import Segment
from minifactory.twin.signals import SignalSeries, Stretch

WATCHED = 300
"""Scans per stretch while conditions depend on signals."""
LONGEST = 20_000
"""Scans per stretch otherwise."""
OUTPUT = 5.0
"""s between recorded points where conditions need no signals."""
GIVE_UP = 30 * 86_400.0
"""s of one phase after which the prediction stops: its end never comes."""


Observer = Callable[[int, Stretch], None]


@dataclass
class _State:
    """Everything that moves during a prediction."""

    actuators: Actuators
    network: NDArray[np.float64]
    signals: SignalSeries
    inventory: Inventory
    procedure: Procedure
    time: float = 0.0
    instruction: int = 0
    phases: list[PhaseRecord] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    pools: list[PoolRecord] = field(default_factory=list)
    loaded: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    flow: float = 0.0
    residual: float = 0.0
    path: str = ""
    columns: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=list)
    smeared: set[str] = field(default_factory=set)


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
    """The predicted run of `recipe` on `plant`.

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
        The integration cannot go on, a mass balance does not close, or a phase never ends.
    """
    values = plant.parameters if parameters is None else parameters
    sheet = skid_flowsheet(plant, recipe.skid, values, elements)
    table = tag_table(plant.skids[recipe.skid])
    state = _State(
        actuators=Actuators(table, plant.skids[recipe.skid], values),
        network=sheet.initial_state(),
        signals=SignalSeries(table, sheet, hydraulics(sheet)),
        inventory=Inventory(),
        procedure=Procedure(recipe),
        loaded=np.zeros(len(sheet.species)),
    )
    accuracy = Tolerance(relative=tolerance, scales=species_scales(sheet))
    loop = _Loop(sheet, recipe, state, scan, accuracy, observer)
    loop.act(recipe.initial)
    position = 0
    while position < len(recipe.phases):
        loop.run_phase(position, recipe.phases[position])
        position = state.procedure.following()
        if progress is not None:
            progress(min(1.0, position / len(recipe.phases)))
    loop.act(recipe.safe)
    names = [item.name for item in sheet.species]
    return Run(
        identifier=identifier,
        origin="simulated",
        state="Complete",
        skid=recipe.skid,
        recipe=recipe.recipe,
        trends={**state.signals.trends(), **column_trends(sheet, state.columns, state.signals.path_length)},
        phases=tuple(state.phases),
        events=tuple(state.events),
        pools=tuple(state.pools),
        loaded=dict(zip(names, state.loaded.tolist(), strict=True)),
        consumed=dict(state.inventory.drawn),
        column_volume=plant.columns[recipe.column].volume if recipe.column else 0.0,
        provenance=_provenance(state, scan),
    )


def _provenance(state: _State, scan: float) -> dict[str, str]:
    """How far the numbers can be trusted."""
    facts = {"mass balance": f"{state.residual:.2e}", "scan": f"{scan:g} s"}
    if state.smeared:
        beds = ", ".join(sorted(state.smeared))
        facts["fronts wider than the mesh holds"] = f"{beds}: computed by the scheme of first order"
    return facts


@dataclass
class _Loop:
    """The closed loop of controller and digital factory."""

    sheet: Flowsheet
    recipe: BoundRecipe
    state: _State
    scan: float
    tolerance: Tolerance
    observer: Observer | None = None

    def act(self, action: BoundAction) -> None:
        """Send what a breakpoint asks for."""
        actuators = self.state.actuators
        if action.setpoints:
            actuators.write(action.setpoints)
        for item in action.instructions:
            self.state.instruction += 1
            actuators.call(item.name, item.arguments, self.state.instruction)

    def run_phase(self, position: int, phase: BoundPhase) -> None:
        """From the start of a phase to its end."""
        state, procedure = self.state, self.state.procedure
        began = state.time
        asked = procedure.begin(position, began)
        drawn = dict(state.inventory.drawn)
        self.act(phase.start if asked is None else asked.action)
        reason = None
        while reason is None:
            reason = self._stretch(phase, began)
            if reason is None and state.time - began > GIVE_UP:
                where = phase.where or phase.path
                raise SolverError(
                    Finding(
                        where,
                        f'phase {phase.path} does not end in 30 days: "{phase.until.text}" stays untrue',
                        "a condition that the predicted signals meet",
                        "Correct the condition, or give the phase a time-out with `on_timeout: next`.",
                    )
                )
        if phase.kind is PhaseKind.LOAD:
            for place, vessel in enumerate(self.sheet.routing.inlets):
                volume = state.inventory.drawn.get(vessel, 0.0) - drawn.get(vessel, 0.0)
                state.loaded += volume * self.sheet.inlet_concentrations[place]
        state.phases.append(
            PhaseRecord(
                phase.path,
                phase.kind.value,
                began,
                state.time,
                procedure.phase_volume,
                phase.column_volume,
                reason,
            )
        )

    def _stretch(self, phase: BoundPhase, began: float) -> str | None:
        """Go on until something fires or the stretch is over; why the phase ended, or None."""
        state, procedure = self.state, self.state.procedure
        needs = procedure.needs()
        tags = frozenset(self.recipe.aliases.get(name, name) for name in needs)
        watched = state.signals.measured(tags)
        scans = WATCHED if watched or procedure.watching else self._horizon(phase)
        before = state.actuators.snapshot()
        stretch = self._advance(scans, tags, watched)
        fired = self._evaluate(phase, stretch, tags)
        if not watched or (fired is not None and fired.scans < scans):
            state.actuators.restore(before)
            scans = scans if fired is None else fired.scans
            stretch = self._advance(scans, tags, True)
        self._keep(stretch)
        if fired is None:
            return None
        return self._answer(phase, fired, began)

    def _horizon(self, phase: BoundPhase) -> int:
        """How many scans to look ahead in a phase that ends by time or volume."""
        left = LONGEST * self.scan
        if phase.planned_time is not None:
            left = min(left, max(phase.planned_time - self.state.procedure.phase_time, 0.0) + 30.0)
        return max(1, min(LONGEST, int(np.ceil(left / self.scan))))

    def _advance(self, scans: int, tags: frozenset[str], integrated: bool) -> Stretch:
        """Move the actuators on by `scans`, and the network if it is wanted."""
        state = self.state
        start = state.time
        times = start + self.scan * np.arange(1.0, scans + 1.0, dtype=np.float64)
        control = state.actuators.state
        zeroing = [item.due for item in control.pending if item.name == "AutoZero"]
        washing = control.wash is not None or any(item.name == "PumpWash" for item in control.pending)
        segments = state.actuators.advance(float(times[-1]))
        state.signals.use(state.actuators.state.settings)
        stretch = Stretch(start, times, segments, zeroing, washing, tags)
        if integrated:
            self._integrate(stretch)
        return stretch

    def _integrate(self, stretch: Stretch) -> None:
        sheet = self.sheet
        sections = []
        for segment in stretch.segments:
            flows = sheet.flow_map(segment.positions).links
            sections.append(
                Section(
                    segment.start,
                    segment.end,
                    flows @ pump_flows(segment, False),
                    sheet.inlet_concentrations,
                    flows @ pump_flows(segment, True),
                )
            )
        ends = [segment.end for segment in stretch.segments]
        grid = stretch.grid(self.state.signals.measured(stretch.tags), OUTPUT)
        wanted = np.unique(np.concatenate([grid, ends]))
        solution = integrate(sheet.network, self.state.network, sections, wanted, sheet.ports, self.tolerance)
        stretch.points = wanted
        stretch.outlet = solution.outlet
        stretch.passed = solution.passed
        stretch.state = solution.state
        stretch.residual = float(np.max(solution.balance.closure, initial=0.0))
        self.state.smeared.update(solution.smeared)

    def _evaluate(self, phase: BoundPhase, stretch: Stretch, tags: frozenset[str]) -> _Fired | None:
        """The first scan of the stretch in which a condition of the phase comes true."""
        state, procedure = self.state, self.state.procedure
        flow, washing = state.signals.flow_at(stretch, state.actuators.machine), stretch.washing
        steps = np.where(washing, 0.0, 0.5 * (np.concatenate([[state.flow], flow[:-1]]) + flow) * self.scan)
        volume = procedure.phase_volume + np.cumsum(steps)
        elapsed = procedure.phase_time + np.cumsum(np.where(washing, 0.0, self.scan))
        values = state.signals.conditions(stretch, tags, self.recipe.aliases, state.actuators.machine)
        column = phase.column_volume
        for place in range(len(stretch.times)):
            if washing[place]:  # the method stands still
                continue
            procedure.phase_time, procedure.phase_volume = float(elapsed[place]), float(volume[place])
            sample = Sample(
                float(stretch.times[place]),
                procedure.phase_time,
                procedure.phase_volume,
                procedure.phase_volume / column if column else 0.0,
                {name: series[place] for name, series in values.items()},
            )
            found = procedure.evaluate(sample)
            if found is not None:
                state.flow = float(flow[place])
                return _Fired(place + 1, found, dict(sample.values))
        state.flow = float(flow[-1])
        return None

    def _keep(self, stretch: Stretch) -> None:
        """Take over a stretch as what happened."""
        state = self.state
        if self.observer is not None:
            self.observer(state.procedure.position, stretch)
        state.time = float(stretch.times[-1])
        state.network = stretch.state
        state.residual = max(state.residual, stretch.residual)
        state.signals.extend(stretch, state.actuators.machine)
        if self.sheet.several_columns:
            rows = [self.sheet.ports.index(name) for name in self.sheet.several_columns]
            state.columns.append((stretch.points, stretch.outlet[:, rows]))
        passed_before = np.zeros_like(stretch.passed[0])
        for segment in stretch.segments:
            at = int(np.searchsorted(stretch.points, segment.end - 1e-9))
            passed = stretch.passed[at] - passed_before
            passed_before = stretch.passed[at]
            self._account(segment, passed)

    def _account(self, segment: Segment, passed: NDArray[np.float64]) -> None:
        """Book a segment into vessels and pools."""
        state, sheet = self.state, self.sheet
        flows = sheet.flow_map(segment.positions)
        if sheet.several_columns:
            path = sheet.path(segment.positions, pump_flows(segment, True))
            if path and path != state.path and segment.end - segment.start > self.scan:
                state.events.append(Event(segment.start, "path", sheet.skid.name, path))
                state.path = path
        volumes, amounts = dict(state.inventory.volumes), dict(state.inventory.amounts)
        state.inventory.add(segment, flows, sheet.ports, passed)
        names = [item.name for item in sheet.species]
        for _, vessel, _ in flows.received:
            volume = state.inventory.volumes.get(vessel, 0.0) - volumes.get(vessel, 0.0)
            if volume <= 0.0:
                continue
            gained = state.inventory.amounts[vessel] - amounts.get(vessel, 0.0)
            last = state.pools[-1] if state.pools else None
            if last is not None and last.vessel == vessel and abs(last.end - segment.start) < 1e-6:
                state.pools.pop()
                gained = gained + np.array([last.amounts[name] for name in names])
                start, volume = last.start, volume + last.volume
            else:
                start = segment.start
            state.pools.append(
                PoolRecord(vessel, start, segment.end, volume, dict(zip(names, gained.tolist(), strict=True)))
            )

    def _answer(self, phase: BoundPhase, fired: _Fired, began: float) -> str | None:
        """Do what fired conditions ask for; why the phase ended, or None."""
        state, found = self.state, fired.found
        for watch in found.fired:
            self.act(watch.action)
            state.events.append(
                Event(
                    state.time,
                    "watch",
                    phase.path,
                    f"{watch.name or 'watch'}: {watch.when.text}",
                    fired.values,
                )
            )
        if found.timeout in (OnTimeout.HOLD, OnTimeout.ABORT):
            where = phase.where or phase.path
            raise SolverError(
                Finding(
                    where,
                    f"phase {phase.path} runs into its time-out after {state.time - began:.0f} s "
                    f'before "{phase.until.text}" comes true in the prediction',
                    "an end within the time-out",
                    "Correct the condition or lengthen the time-out.",
                )
            )
        return found.ended


@dataclass(frozen=True)
class _Fired:
    """After how many scans of a stretch something came true, what, and what was seen."""

    scans: int
    found: Breakpoint
    values: Mapping[str, float | None]
