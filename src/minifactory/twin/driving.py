"""Flows that no pump imposes: permeate through membranes, and make-up into vessels, as the liquid asks.

The flow vector is that of the pumps (four to a skid), then one *drive* per cell of a membrane and per make-up
line. Within a step drives are linear in time; the step is taken by Heun's rule (the flux at its end from a
first try with that at its start) and halved until both agree. Flows are then given numbers as those of pumps
are, so that the integration that follows, levels and balances are exact in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, InputError
from minifactory.plant.model import DeviceKind
from minifactory.plant.network import whole_name
from minifactory.twin.engine import Section, Tolerance, integrate
from minifactory.twin.flow_map import FlowMap
from minifactory.twin.flowsheet import Flowsheet
from minifactory.twin.joint import Joint
from minifactory.twin.levels import Levels
from minifactory.twin.membranes import MOST, TangentialFilter, tangential_filter

Array = NDArray[np.float64]

AGREE = 5e-3
"""Difference of a drive between the two tries of a step, over the largest drive, that is let pass."""
COUNTS = 0.01
"""Part of the flow through clean membranes below which a drive is nothing to compare with."""
SHORTEST, LONGEST = 0.02, 60.0
"""s of a step."""


@dataclass(frozen=True)
class MakeUp:
    """A make-up line: the unit that it is, and m3/s that it gives at most."""

    unit: str
    most: float


@dataclass(frozen=True)
class Drives:
    """All drives of a flowsheet; their flows follow those of the pumps."""

    sheet: Flowsheet
    membranes: tuple[TangentialFilter, ...]
    make_ups: tuple[MakeUp, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """The units whose liquid decides."""
        return tuple(cell for each in self.membranes for cell in each.cells)

    @property
    def most(self) -> float:
        """m3/s through all membranes when they are clean."""
        cells = [(each.membrane, len(each.cells)) for each in self.membranes]
        clean = sum(law.permeability * law.transmembrane_pressure * law.area * count for law, count in cells)
        return max(clean, 1e-15)

    def flows(self, flows: FlowMap, pumps: Array, liquid: Callable[[str], Array]) -> Array:
        """The whole flow vector, when pumps deliver the first part of `pumps` and units hold `liquid`."""
        names, first = self.sheet.routing.drives, 4 * len(self.sheet.names)
        found = pumps.copy()
        found[first:] = 0.0
        for item in self.membranes:
            place = [first + names.index(cell) for cell in item.cells]
            if not all(flows.open_drives[at - first] for at in place):
                continue
            feed = float(flows.links[item.into].sum(axis=0) @ found)
            found[place] = item.permeate(feed, np.array([liquid(cell) for cell in item.cells]))
        return self.completed(flows, found)

    def completed(self, flows: FlowMap, given: Array) -> Array:
        """`given` flows, with no more permeate than the feed allows and what the make-up lines then give."""
        names, first = self.sheet.routing.drives, 4 * len(self.sheet.names)
        found = given.copy()
        for item in self.membranes:
            place = [first + names.index(cell) for cell in item.cells]
            most, total = MOST * float(flows.links[item.into].sum(axis=0) @ found), float(found[place].sum())
            if total > most:
                found[place] *= max(most, 0.0) / total
        for line in self.make_ups:
            at = names.index(line.unit)
            found[first + at] = 0.0
            vessel = next((name for unit, name, _ in flows.received if unit == line.unit), None)
            if vessel is not None and flows.open_drives[at]:
                lost = flows.drawn.get(vessel, np.zeros(len(found))) - sum(
                    (each for _, name, each in flows.received if name == vessel), np.zeros(len(found))
                )
                found[first + at] = min(max(float(lost @ found), 0.0), line.most)
        return found


def drives_of(sheet: Flowsheet) -> Drives:
    """The drives of a flowsheet of all skids; none for most."""
    membranes, make_ups = [], []
    for skid in sheet.names:
        for device in sheet.plant.skids[skid].devices.values():
            name = device.name if len(sheet.names) == 1 else whole_name(sheet.plant, skid, device.name)
            if name not in sheet.routing.devices.values():
                continue
            if device.kind is DeviceKind.MEMBRANE:
                path = f"{skid}.{device.name}"
                links = sheet.network.links
                membranes.append(
                    tangential_filter(name, path, device, sheet.species, sheet.parameters, links)
                )
            elif device.kind is DeviceKind.MAKE_UP:
                make_ups.append(MakeUp(name, device.value("max_flow", np.inf)))
    return Drives(sheet, tuple(membranes), tuple(make_ups))


def refuse_drives(sheet: Flowsheet, what: str) -> None:
    """InputError where flows do not follow from the pumps alone, as `what` takes for granted."""
    if sheet.routing.drives:
        found = f"skid {sheet.skid.name} has a membrane or a make-up line"
        remedy = "Describe the other units as a plant of their own for this."
        raise InputError(Finding(what, found, "flows that follow from the pumps", remedy))


@dataclass
class Course:
    """Works out the drives of joints to come; the step that was good last is tried first."""

    drives: Drives
    tolerance: Tolerance
    step: float = 1.0
    _known: tuple[Array, list[Joint]] | None = None
    _before: Joint | None = None

    def driven(self, state: Array, joints: Sequence[Joint], levels: Levels) -> list[Joint]:
        """`joints` cut and completed by the drives, from `state` on.

        Where a vessel would run empty or full, drives stay as they are to the end. What was found from the
        same `state` for a longer time is found for a shorter one.
        """
        if self._known is not None and self._known[0] is state and joints[-1].end <= self._known[1][-1].end:
            return _until(self._known[1], joints[-1].end)
        found = self._along(state, joints, levels)
        self._known = state, found
        return found

    def _along(self, state: Array, joints: Sequence[Joint], levels: Levels) -> list[Joint]:
        done: list[Joint] = []
        volumes = levels.volumes
        for joint in joints:
            flows = self.drives.sheet.flow_map(joint.positions)
            still = not np.any(flows.open_drives) or not np.any(joint.first + joint.last)
            time = joint.start
            while time < joint.end - 1e-9 or time == joint.start == joint.end:
                if still:
                    part, within = joint, levels.fault_within(joint, volumes) is None
                    after = self._integrated(state, joint, flows) if within else None
                else:
                    part, after = self._stepped(state, joint, flows, time, volumes, levels)
                done.append(part)
                if after is None:
                    return [*done, *self._rest(part, joints)]
                volumes = levels.after(part, volumes)
                state, time = after, part.end
                if joint.duration <= 0.0:
                    break
        return done

    def _rest(self, last: Joint, joints: Sequence[Joint]) -> list[Joint]:
        """What is left of `joints` after `last`, with the drives as they are as long as no valve moves."""
        bare = 4 * len(self.drives.sheet.names)
        out = []
        for joint in joints:
            if joint.end > last.end + 1e-9:
                part = _between(joint, max(joint.start, last.end), joint.end)
                if joint.positions == last.positions:
                    part.first[bare:] = part.last[bare:] = last.last[bare:]
                out.append(part)
        return out

    def _stepped(
        self, state: Array, joint: Joint, flows: FlowMap, time: float, volumes: Array, levels: Levels
    ) -> tuple[Joint, Array | None]:
        """One step from `time` on, and the state at its end; None where a vessel runs empty or full in it."""
        while True:
            left = joint.end - time
            step = left if left < 1.01 * self.step else min(self.step, left)
            part = _between(joint, time, time + step)
            begin = self.drives.flows(flows, part.first, self._liquid(state))
            tried = self._guessed(state, part, begin, flows)
            if levels.fault_within(tried, volumes) is not None:
                if step <= SHORTEST:
                    return tried, None
                self.step = max(0.25 * step, SHORTEST)
                continue
            after = self._integrated(state, tried, flows)
            end = self.drives.flows(flows, part.last, self._liquid(after))
            gap = self._gap(tried, end)
            if gap > AGREE:
                tried = tried._replace(last=end)
                if levels.fault_within(tried, volumes) is not None:
                    return tried, None
                after = self._integrated(state, tried, flows)
                gap = self._gap(tried, self.drives.flows(flows, part.last, self._liquid(after)))
            if gap <= AGREE or step <= SHORTEST:
                grown = step * min(4.0, 0.9 * (AGREE / max(gap, 1e-9)) ** 0.5)
                self.step = min(max(grown, SHORTEST, self.step if step < self.step else 0.0), LONGEST)
                self._before = tried
                return tried, after
            self.step = max(step * max(0.2, 0.9 * (AGREE / gap) ** 0.5), SHORTEST)

    def _guessed(self, state: Array, part: Joint, begin: Array, flows: FlowMap) -> Joint:
        """`part` with the drives of the present liquid, which change as they did while no valve has moved."""
        bare = 4 * len(self.drives.sheet.names)
        last = self.drives.flows(flows, part.last, self._liquid(state))
        before = self._before
        if before is not None and before.positions == part.positions and before.end == part.start:
            rise = (begin - before.first)[bare:] * (part.duration / before.duration)
            last[bare:] = np.clip(last[bare:] + rise, 0.5 * last[bare:], 2.0 * last[bare:])
            last = self.drives.completed(flows, last)
        return part._replace(first=begin, last=last)

    def _gap(self, tried: Joint, end: Array) -> float:
        """Difference of the drives at the end of `tried` and those that its liquid asks for, relative."""
        bare = 4 * len(self.drives.sheet.names)
        largest = max(float(end[bare:].max()), float(tried.first[bare:].max()), COUNTS * self.drives.most)
        return float(np.max(np.abs(end[bare:] - tried.last[bare:]))) / largest

    def _liquid(self, state: Array) -> Callable[[str], Array]:
        layout = self.drives.sheet.network.layout
        return lambda unit: np.asarray(layout.concentrations(state, layout.unit_index[unit])[-1])

    def _integrated(self, state: Array, joint: Joint, flows: FlowMap) -> Array:
        sheet = self.drives.sheet
        if joint.duration <= 0.0:
            return state
        first, last = flows.links @ joint.first, flows.links @ joint.last
        section = Section(joint.start, joint.end, first, sheet.inlet_concentrations, last)
        return integrate(
            sheet.network, state, [section], np.array([joint.end]), (), self.tolerance
        ).state  # fmt: skip


def _until(joints: Sequence[Joint], end: float) -> list[Joint]:
    """`joints` up to `end`."""
    found = [joint for joint in joints if joint.end <= end + 1e-9]
    start = found[-1].end if found else joints[0].start
    if start < end - 1e-9:
        found.append(_between(joints[len(found)], start, end))
    return found


def _between(joint: Joint, start: float, end: float) -> Joint:
    """The part of `joint` from `start` to `end`."""
    ends = joint.at(np.array([start, end]))
    return joint._replace(start=start, end=end, first=ends[0], last=ends[1])
