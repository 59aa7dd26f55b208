"""One skid of a prediction: its recipe in closed loop, as its controller would run it, noise off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, SolverError
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import tag_table
from minifactory.recipe.bound import BoundAction, BoundPhase, BoundRecipe
from minifactory.recipe.conditions import Sample
from minifactory.recipe.model import OnTimeout, PhaseKind
from minifactory.recipe.procedure import Breakpoint, Procedure
from minifactory.records.plant_run import BUSY, WAITING, Span
from minifactory.records.run import Event, PhaseRecord, PoolRecord, Run
from minifactory.twin.actuators import Actuators
from minifactory.twin.column_outlets import column_trends
from minifactory.twin.flow_map import FlowMap
from minifactory.twin.flowsheet import Flowsheet
from minifactory.twin.hydraulics import hydraulics
from minifactory.twin.inventory import Inventory
from minifactory.twin.joint import Joint
from minifactory.twin.signals import SignalSeries, Stretch

GIVE_UP = 30 * 86_400.0
"""s of one phase after which the prediction stops: its end never comes."""

Observer = Callable[[int, Stretch], None]
Array = NDArray[np.float64]


@dataclass
class _Ahead:
    """A stretch as the method will see it, scan by scan."""

    stretch: Stretch
    flow: Array
    washing: NDArray[np.bool_]
    volume: Array
    elapsed: Array
    values: Mapping[str, list[float]]
    levels: Mapping[str, Array]


@dataclass
class Controller:
    """The closed loop of one skid with the digital factory.

    Parameters
    ----------
    sheet : Flowsheet
        As the skid sees it.
    recipe : BoundRecipe
        What it does.
    actuators, signals, inventory, procedure
        Its parts that move.
    scan : float
        s between two looks.
    observer : callable, optional
        Shown the index of the phase and every stretch of it that became part of the run.
    """

    sheet: Flowsheet
    recipe: BoundRecipe
    actuators: Actuators
    signals: SignalSeries
    inventory: Inventory
    procedure: Procedure
    scan: float
    observer: Observer | None = None
    time: float = 0.0
    instruction: int = 0
    began: float = 0.0
    taken: Mapping[str, Array] = field(default_factory=dict)
    phases: list[PhaseRecord] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    pools: list[PoolRecord] = field(default_factory=list)
    returned: dict[str, float] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    loaded: Array = field(default_factory=lambda: np.zeros(0))
    flow: float = 0.0
    path: str = ""
    columns: list[tuple[Array, Array]] = field(default_factory=list)
    _ahead: _Ahead | None = None
    _seen: Mapping[str, float | None] = field(default_factory=dict)

    # The method

    @property
    def phase(self) -> BoundPhase | None:
        """The phase that runs; None: all are done."""
        return self.procedure.phase

    @property
    def progress(self) -> float:
        """Part of the phases that are done."""
        return min(1.0, self.procedure.position / len(self.recipe.phases)) if self.recipe.phases else 1.0

    @property
    def tags(self) -> frozenset[str]:
        """Tags that conditions read now."""
        return frozenset(self.recipe.aliases.get(name, name) for name in self.procedure.needs())

    def start(self) -> None:
        """The first phase begins."""
        self.act(self.recipe.initial)
        self._begin(0)

    def act(self, action: BoundAction) -> None:
        """Send what a breakpoint asks for."""
        if action.setpoints:
            self.actuators.write(action.setpoints)
        for item in action.instructions:
            self.instruction += 1
            self.actuators.call(item.name, item.arguments, self.instruction)

    def _begin(self, position: int) -> None:
        self._came()
        self.procedure.settle(position, self.time)
        for note in self.procedure.control.taken():
            self.events.append(Event(self.time, "controller", note.controller, note.text, note.data))
        asked = self.procedure.begin(position, self.time)
        if asked is not None:
            self.act(asked.action)
        else:
            self.act(self.recipe.safe)

    def _came(self) -> None:
        """Now begins a phase, or the wait before it."""
        self.began = self.time
        self.taken = self.inventory.amounts_drawn(self.sheet)

    def horizon(self, watched: int, longest: int) -> int:
        """How many scans to look ahead: `watched` while anything is looked for, else at most `longest`."""
        phase = self.phase
        if phase is None:
            return longest
        if self.signals.measured(self.tags) or self.procedure.watching:
            return watched
        left = longest * self.scan
        if phase.planned_time is not None:
            left = min(left, max(phase.planned_time - self.procedure.phase_time, 0.0) + 30.0)
        return max(1, min(longest, int(np.ceil(left / self.scan))))

    def look_ahead(self, stretch: Stretch, levels: Mapping[str, Array]) -> None:
        """Work out what the method will see in `stretch`, for :meth:`look`; `levels` (scans,) in m3."""
        procedure = self.procedure
        flow, washing = self.signals.flow_at(stretch, self.actuators.machine), stretch.washing
        steps = np.where(washing, 0.0, 0.5 * (np.concatenate([[self.flow], flow[:-1]]) + flow) * self.scan)
        self._ahead = _Ahead(
            stretch,
            flow,
            washing,
            procedure.phase_volume + np.cumsum(steps),
            procedure.phase_time + np.cumsum(np.where(washing, 0.0, self.scan)),
            self.signals.conditions(stretch, stretch.tags, self.recipe.aliases, self.actuators.machine),
            levels,
        )

    def look(self, place: int) -> Breakpoint | None:
        """What the conditions of the phase say in scan `place` of the stretch ahead."""
        ahead, phase, procedure = self._ahead, self.phase, self.procedure
        if ahead is None or phase is None or ahead.washing[place]:  # the method stands still in a wash
            return None
        procedure.phase_time = float(ahead.elapsed[place])
        procedure.phase_volume = float(ahead.volume[place])
        column = phase.column_volume
        sample = Sample(
            float(ahead.stretch.times[place]),
            procedure.phase_time,
            procedure.phase_volume,
            procedure.phase_volume / column if column else 0.0,
            {name: series[place] for name, series in ahead.values.items()},
        )
        self._seen = sample.values
        if ahead.levels:
            procedure.levels = {name: float(level[place]) for name, level in ahead.levels.items()}
        return procedure.evaluate(sample)

    def looked(self, place: int) -> None:
        """The scans up to `place` have happened."""
        if self._ahead is not None:
            self.flow = float(self._ahead.flow[place])

    # What happened

    def keep(self, stretch: Stretch, joints: list[Joint], outlet: Array, passed: Array) -> None:
        """Take over a stretch as what happened, with `outlet` and `passed` of all ports."""
        if self.observer is not None:
            self.observer(self.procedure.position, stretch)
        self.time = float(stretch.times[-1])
        told = len(self.signals.warnings)
        self.signals.extend(stretch, self.actuators.machine)
        for time, name, text in self.signals.warnings[told:]:
            self.events.append(Event(time, "filter", name, text))
        if self.sheet.several_columns:
            rows = [self.sheet.ports.index(name) for name in self.sheet.several_columns]
            self.columns.append((stretch.points, outlet[:, rows]))
        before = np.zeros_like(passed[0])
        for joint in joints:
            at = int(np.searchsorted(stretch.points, joint.end - 1e-9))
            self._account(joint, passed[at] - before)
            before = passed[at]

    def _account(self, joint: Joint, passed: Array) -> None:
        """Book a stretch into vessels and pools."""
        sheet = self.sheet
        flows = sheet.flow_map(joint.positions)
        self._tell_path(joint)
        volumes, amounts = dict(self.inventory.volumes), dict(self.inventory.amounts)
        self.inventory.add(joint, flows, sheet, passed)
        for vessel in self._receiving(flows):
            volume = self.inventory.volumes.get(vessel, 0.0) - volumes.get(vessel, 0.0)
            if volume > 0.0 and _goes_round(vessel, flows, joint):
                self.returned[vessel] = self.returned.get(vessel, 0.0) + volume
            elif volume > 0.0:
                gained = self.inventory.amounts[vessel] - amounts.get(vessel, 0.0)
                self._pool(vessel, joint, volume, gained)

    def _receiving(self, flows: FlowMap) -> list[str]:
        own = self.recipe.skid
        found = (vessel for unit, vessel, _ in flows.received if self.sheet.owner(unit) == own)
        return list(dict.fromkeys(found))

    def _tell_path(self, joint: Joint) -> None:
        whole = self.sheet.whole or self.sheet
        if not whole.several_columns or joint.duration <= self.scan:
            return
        own = np.zeros_like(joint.last)
        mine = whole.columns_of(self.recipe.skid)
        own[mine] = joint.last[mine]
        path = whole.path(joint.positions, own)
        if path and path != self.path:
            self.events.append(Event(joint.start, "path", self.recipe.skid, path))
            self.path = path

    def _pool(self, vessel: str, joint: Joint, volume: float, gained: Array) -> None:
        names = [item.name for item in self.sheet.species]
        contents, start, place = gained, joint.start, len(self.pools)
        for at in reversed(range(len(self.pools))):  # permeate goes into a vessel beside the outlet's
            last = self.pools[at]
            if last.end < joint.start - 1e-6:
                break
            if last.vessel == vessel:
                place, start, volume = at, last.start, last.volume + volume
                contents = gained + np.array([last.amounts[name] for name in names])
                break
        amounts = dict(zip(names, contents.tolist(), strict=True))
        self.pools[place:] = [
            *self.pools[place + 1 :],
            PoolRecord(vessel, start, joint.end, volume, amounts),
        ]

    def answer(self, found: Breakpoint) -> None:
        """Do what fired conditions ask for."""
        phase = self.phase
        if phase is None:
            return
        for watch in found.fired:
            self.act(watch.action)
            text = f"{watch.name or 'watch'}: {watch.when.text}"
            self.events.append(Event(self.time, "watch", phase.path, text, dict(self._seen)))
        if found.timeout in (OnTimeout.HOLD, OnTimeout.ABORT):
            where = phase.where or phase.path
            raise SolverError(
                Finding(
                    where,
                    f"phase {phase.path} runs into its time-out after {self.time - self.began:.0f} s "
                    f'before "{phase.until.text}" comes true in the prediction',
                    "an end within the time-out",
                    "Correct the condition or lengthen the time-out.",
                )
            )
        if found.begins is not None:
            text = f"waited {self.time - self.began:.0f} s for another skid"
            self.events.append(Event(self.time, "wait", phase.path, text))
            self.spans.append(Span(self.began, self.time, WAITING, phase.path))
            self._came()
            self.act(found.begins.action)
        if found.ended is not None:
            self._end(phase, found.ended)
            self._begin(self.procedure.following())

    def _end(self, phase: BoundPhase, reason: str) -> None:
        if phase.kind is PhaseKind.LOAD:
            for vessel, amounts in self.inventory.amounts_drawn(self.sheet).items():
                self.loaded += amounts - self.taken.get(vessel, 0.0)
        self.spans.append(Span(self.began, self.time, BUSY, phase.path))
        volume = self.procedure.phase_volume
        kind, column = phase.kind.value, phase.column_volume
        self.phases.append(PhaseRecord(phase.path, kind, self.began, self.time, volume, column, reason))

    def give_up(self) -> None:
        """SolverError when the phase never ends."""
        phase = self.phase
        if phase is None or self.time - self.began <= GIVE_UP:
            return
        raise SolverError(
            Finding(
                phase.where or phase.path,
                f'phase {phase.path} does not end in 30 days: "{phase.until.text}" stays untrue',
                "a condition that the predicted signals meet",
                "Correct the condition, or give the phase a time-out with `on_timeout: next`.",
            )
        )

    def run(self, identifier: str, provenance: Mapping[str, str]) -> Run:
        """All that happened, as a run."""
        names = [item.name for item in self.sheet.species]
        columns = column_trends(self.sheet, self.columns, self.signals.path_length)
        column = self.sheet.plant.columns[self.recipe.column].volume if self.recipe.column else 0.0
        return Run(
            identifier=identifier,
            origin="simulated",
            state="Complete",
            skid=self.recipe.skid,
            recipe=self.recipe.recipe,
            trends={**self.signals.trends(), **columns},
            phases=tuple(self.phases),
            events=tuple(self.events),
            pools=tuple(self.pools),
            loaded=dict(zip(names, self.loaded.tolist(), strict=True)),
            consumed={
                vessel: volume - self.returned.get(vessel, 0.0)
                for vessel, volume in self.inventory.drawn.items()
            },
            column_volume=column,
            provenance=provenance,
        )


def _goes_round(vessel: str, flows: FlowMap, joint: Joint) -> bool:
    """Whether a pump draws from `vessel` what comes back to it: that is no pool."""
    drawn = flows.drawn.get(vessel, np.zeros_like(joint.mean)) * joint.mean > 0.0
    back = sum(
        (per_pump for _, name, per_pump in flows.received if name == vessel), np.zeros_like(joint.mean)
    )
    return bool(np.any(drawn & (back * joint.mean > 0.0)))


def controller(
    whole: Flowsheet,
    recipe: BoundRecipe,
    parameters: ParameterSet,
    scan: float,
    observer: Observer | None = None,
) -> Controller:
    """The controller of the skid of `recipe`, before its start."""
    skid = whole.plant.skids[recipe.skid]
    table, sheet = tag_table(skid), whole.of(recipe.skid)
    alone = len(whole.names) == 1
    return Controller(
        sheet=sheet,
        recipe=recipe,
        actuators=Actuators(table, skid, parameters),
        signals=SignalSeries(table, sheet, hydraulics(whole, recipe.skid)),
        inventory=Inventory("" if alone else recipe.skid),
        procedure=Procedure(recipe),
        scan=scan,
        observer=observer,
        loaded=np.zeros(len(whole.species)),
    )
