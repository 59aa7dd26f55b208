"""What a bound recipe will do to a plant, phase by phase, as far as it can be known without a simulation.

The set-points are replayed in order: valve positions give the flow path, flow and composition give what is
drawn from which vessel, certain watches (in time, volume or CV) and possible ones (on a measurement) give
what may arrive where.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from minifactory.errors import Finding, InputError
from minifactory.plant.flowpath import FlowPath, flow_path, side_streams
from minifactory.plant.membranes import most_permeate
from minifactory.plant.model import DeviceKind, Plant, Skid
from minifactory.plant.network import seen_from
from minifactory.recipe.binding import FLOW_SP, PERCENT_B_SP, PRESSURE_LIMIT, WASH_TIME
from minifactory.recipe.bound import BoundAction, BoundPhase, BoundRecipe
from minifactory.recipe.expressions import LEVEL
from minifactory.recipe.planning import latest_time, planned_time
from minifactory.signals.tags import TagTable

WASH_FLOW = 20e-6 / 60.0
"""m3/s of a pump wash whose pump states no ``wash_flow`` (assumed, as in the catalogue)."""


@dataclass(frozen=True)
class Amount:
    """Between `low` and `high`; both are equal when it is certain."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.low + other.low, self.high + other.high)


@dataclass(frozen=True)
class Stage:
    """One phase as it will run.

    Parameters
    ----------
    phase : BoundPhase
        Which one.
    flow : float
        m3/s at its start.
    composition : tuple of float
        %B at its start and at its (latest) end.
    longest : float
        s until it ends at the latest; infinite when nothing bounds it.
    volume : Amount
        m3 through the flow path.
    drawn, received : Mapping of str to Amount
        m3 out of and into each vessel.
    path : FlowPath or None
        The path at its start, when liquid flows and there is one.
    outlet : str or None
        Vessel that receives the outlet at the end of the phase, as far as it is certain.
    uncertain_outlet : bool
        Whether a measurement decides which vessel that is.
    pressure_limit : float
        Pa in force.
    faults : tuple of Finding
        Ways that are closed.
    """

    phase: BoundPhase
    flow: float
    composition: tuple[float, float]
    longest: float
    volume: Amount
    drawn: Mapping[str, Amount]
    received: Mapping[str, Amount]
    path: FlowPath | None
    outlet: str | None
    uncertain_outlet: bool
    pressure_limit: float
    faults: tuple[Finding, ...] = ()


@dataclass
class _Gradient:
    """A running gradient: from %B, to %B, over m3, of which so much has been pumped."""

    start: float
    target: float
    volume: float
    done: float = 0.0

    def at(self, volume: float) -> float:
        """%B after `volume` more."""
        part = min((self.done + volume) / self.volume, 1.0) if self.volume > 0.0 else 1.0
        return self.start + (self.target - self.start) * part


class Course:
    """Replays a bound recipe on its skid."""

    def __init__(self, bound: BoundRecipe, plant: Plant, table: TagTable) -> None:
        self.bound, self.plant, self.table = bound, plant, table
        self.skid: Skid = plant.skids[bound.skid]
        self.graph: Skid = seen_from(plant, bound.skid)
        self.positions: dict[str, str] = {}
        self.flow = 0.0
        self.percent_b = 0.0
        self.gradient: _Gradient | None = None
        self.pressure_limit = self.skid.max_pressure
        self.outlet: str | None = bound.initial.outlet
        self._place = (
            {phase.path: place for place, phase in enumerate(bound.phases)} if bound.branches else {}
        )
        self._set(bound.initial)

    def stages(self) -> list[Stage]:
        """Every phase in order."""
        return [self._stage(phase) for phase in self.bound.phases]

    def _set(self, action: BoundAction) -> None:
        self.positions.update(self._valves(action))
        self.positions.update({valve: at[0] for valve, at in action.needs.items()})
        self.flow = action.setpoints.get(FLOW_SP, self.flow)
        self.pressure_limit = action.setpoints.get(PRESSURE_LIMIT, self.pressure_limit)
        if PERCENT_B_SP in action.setpoints:
            self.percent_b, self.gradient = action.setpoints[PERCENT_B_SP], None
        for item in action.instructions:
            if item.name == "Gradient":
                self.gradient = _Gradient(
                    self.percent_b, item.arguments["percent_b"], item.arguments["volume"]
                )
        self.outlet = action.outlet or self.outlet

    def _valves(self, action: BoundAction) -> dict[str, str]:
        found = {}
        for name, value in action.setpoints.items():
            tag = self.table.tags.get(name)
            if tag is not None and tag.choices and 0 <= value < len(tag.choices):
                found[name.removesuffix(".SP")] = tag.choices[int(value)]
        return found

    def _stage(self, phase: BoundPhase) -> Stage:
        self._set(phase.start)
        before, outlet = self.percent_b, self.outlet
        flow = self.flow
        bound = min(latest_time(phase.until, flow, phase.column_volume), phase.timeout)
        washes = self._washes(phase)
        if phase.planned_volume is not None and phase.planned_time is not None:
            longest = phase.planned_time
            volume = Amount(phase.planned_volume, phase.planned_volume)
        else:
            longest = bound + sum(seconds for seconds, _ in washes.values())
            volume = Amount(0.0, bound * flow)
        if flow == 0.0 or phase.planned_volume == 0.0:
            volume = Amount()
        share, after = self._pumped(volume.high)
        beside = [item for item in self._beside(phase) if item.setpoints]
        paths, faults = self._paths(phase, volume.high, max(before, after) > 0.0, min(before, after) < 100.0)
        path = paths[0] if paths else None
        for action in beside:
            faults += [fault for fault in self._faults_with(action, paths) if fault not in faults]
        drawn: dict[str, Amount] = {vessel: Amount(used, used) for _, (vessel, used) in self._washed(washes)}
        for pump, part in (("A", 1.0 - share), ("B", share)):
            vessel = self._inlet(pump, path)
            if vessel is not None and part * volume.high > 0.0:
                used = Amount(volume.low * part, volume.high * part)
                drawn[vessel] = drawn.get(vessel, Amount()) + used
        received, final, uncertain = self._received(phase, volume, outlet)
        self._beside_the_pumps(phase, path, volume, longest, drawn, received)
        stage = Stage(
            phase=phase,
            flow=flow,
            composition=(before, after),
            longest=longest,
            volume=volume,
            drawn=drawn,
            received=received,
            path=path,
            outlet=final,
            uncertain_outlet=uncertain,
            pressure_limit=self.pressure_limit,
            faults=tuple(faults),
        )
        for watch in phase.watches:
            self._set(watch.action)
        for action in beside:
            self._set(action)
        self.outlet = final
        return stage

    def _beside_the_pumps(
        self,
        phase: BoundPhase,
        path: FlowPath | None,
        volume: Amount,
        longest: float,
        drawn: dict[str, Amount],
        received: dict[str, Amount],
    ) -> None:
        """What membranes let through at most and make-up lines give, into `drawn` and `received`.

        A phase that ends by the level of a vessel does not go below it.
        """
        if path is None or volume.high <= 0.0:
            return
        for vessel in [name for name in drawn if name in received]:  # what goes round comes back
            out, back = drawn.pop(vessel), received.pop(vessel)
            received[vessel] = Amount(max(back.low - out.low, 0.0), max(back.high - out.high, 0.0))
            drawn[vessel] = Amount(max(out.low - back.low, 0.0), max(out.high - back.high, 0.0))
        passed = [self.graph.devices[name] for name in path.devices]
        membranes = [device for device in passed if device.kind is DeviceKind.MEMBRANE]
        if not membranes:
            return
        most = min(volume.high, longest * sum(most_permeate(device) for device in membranes))
        streams = side_streams(self.graph, self.positions)
        kept = {*phase.until.subjects(LEVEL)}
        for stream in streams:
            received[stream.target] = received.get(stream.target, Amount()) + Amount(0.0, most)
            if stream.source is not None:
                drawn[stream.source] = drawn.get(stream.source, Amount()) + Amount(0.0, most)
        made_up = {stream.target for stream in streams if stream.source is not None}
        sides = {stream.target for stream in streams if stream.source is None}
        for vessel in made_up & {path.outlet}:
            received[vessel] = Amount()  # a make-up line keeps it at its level
        for vessel in {path.outlet} - made_up - kept - sides:
            come = received.get(vessel, Amount())
            received[vessel] = Amount(max(come.low - most, 0.0), come.high)
            if vessel in drawn:
                drawn[vessel] += Amount(0.0, max(most - come.low, 0.0))

    def _beside(self, phase: BoundPhase) -> list[BoundAction]:
        """Whatever branches that begin with `phase` may set."""
        place = self._place.get(phase.path, -1)
        found: list[BoundAction] = []
        for branch in self.bound.branches:
            if branch.first == place:
                for inner in branch.phases:
                    found += [inner.start, *(watch.action for watch in inner.watches)]
        return found

    def _faults_with(self, action: BoundAction, paths: list[FlowPath]) -> list[Finding]:
        """Ways that a branch would close while liquid flows on one of `paths`."""
        moved = self._valves(action)
        if not paths or not moved:
            return []
        try:
            flow_path(self.graph, {**self.positions, **moved}, list(paths[0].branches))
        except InputError as fault:
            return list(fault.findings)
        return []

    def _pumped(self, volume: float) -> tuple[float, float]:
        """Mean share of pump B in `volume`, and %B after it; moves a running gradient on."""
        gradient = self.gradient
        if gradient is None or volume <= 0.0 or not math.isfinite(volume):
            return self.percent_b / 100.0, self.percent_b
        left = max(gradient.volume - gradient.done, 0.0)
        inside = min(volume, left)
        start, end = gradient.at(0.0), gradient.at(volume)
        mean = (0.5 * (start + end) * inside + gradient.target * (volume - inside)) / volume
        gradient.done += volume
        self.percent_b = end
        if gradient.done >= gradient.volume:
            self.gradient = None
        return mean / 100.0, end

    def _paths(
        self, phase: BoundPhase, volume: float, uses_b: bool, uses_a: bool
    ) -> tuple[list[FlowPath], list[Finding]]:
        """The paths at the start and after each watch, as long as liquid flows."""
        pumps = [device.name for device in self.skid.of_kind(DeviceKind.PUMP)]
        if len(pumps) > 1:
            pumps = [name for name, used in zip(pumps, (uses_a, uses_b), strict=False) if used]
        paths: list[FlowPath] = []
        faults: list[Finding] = []
        positions = dict(self.positions)
        for action in [None, *(watch.action for watch in phase.watches)]:
            if action is not None:
                moved = self._valves(action)
                if not moved:
                    continue
                positions.update(moved)
            if volume <= 0.0:
                break
            try:
                paths.append(flow_path(self.graph, positions, pumps))
            except InputError as fault:
                faults += fault.findings
        return paths, list(dict.fromkeys(faults))

    def _washes(self, phase: BoundPhase) -> dict[str, tuple[float, float]]:
        """Seconds and m3 of each pump wash at the start of the phase, by pump letter."""
        found = {}
        pumps = self.skid.of_kind(DeviceKind.PUMP)
        for item in phase.start.instructions:
            if item.name == "PumpWash" and item.arguments.get("pump", 0.0) < len(pumps):
                number = int(item.arguments.get("pump", 0.0))
                pump = pumps[number]
                seconds = pump.value("wash_time", WASH_TIME)
                found["AB"[number]] = (seconds, seconds * pump.value("wash_flow", WASH_FLOW))
        return found

    def _washed(self, washes: Mapping[str, tuple[float, float]]) -> list[tuple[str, tuple[str, float]]]:
        found = []
        for letter, (_, volume) in washes.items():
            vessel = self._inlet(letter, None)
            if vessel is not None:
                found.append((letter, (vessel, volume)))
        return found

    def _inlet(self, letter: str, path: FlowPath | None) -> str | None:
        """The vessel that a pump draws from at the present positions."""
        pumps = [device.name for device in self.skid.of_kind(DeviceKind.PUMP)]
        if "AB".index(letter) >= len(pumps):
            return None
        name = pumps["AB".index(letter)]
        if path is not None and name in path.branches:
            return path.branches[name].vessel
        try:
            return flow_path(self.graph, self.positions, [name]).branches[name].vessel
        except InputError:
            return None

    def _received(
        self, phase: BoundPhase, volume: Amount, outlet: str | None
    ) -> tuple[dict[str, Amount], str | None, bool]:
        """What each vessel receives, the outlet at the end, and whether a measurement decides on it."""
        changes: list[tuple[float | None, str]] = []
        for watch in phase.watches:
            if watch.action.outlet is not None:
                seconds = planned_time(watch.when, self.flow, phase.column_volume)
                at = None if seconds is None else seconds * self.flow
                changes.append((at, watch.action.outlet))
        certain = sorted((at, vessel) for at, vessel in changes if at is not None and at < volume.high)
        possible = [vessel for at, vessel in changes if at is None]
        received: dict[str, Amount] = {}
        start, here = 0.0, outlet
        for at, vessel in [*certain, (volume.high, "")]:
            if here is not None:
                low = 0.0 if possible else max(min(at, volume.low) - start, 0.0)
                received[here] = received.get(here, Amount()) + Amount(low, at - start)
            start, here = at, vessel
        for vessel in possible:
            received[vessel] = Amount(received.get(vessel, Amount()).low, volume.high)
        final = possible[-1] if possible else certain[-1][1] if certain else outlet
        return received, final, bool(possible)
