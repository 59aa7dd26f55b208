"""What a prediction tells of vessels: their levels in time, and when one runs empty or full."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from minifactory.records.plant_run import EMPTY, FULL
from minifactory.records.run import Event, Trend
from minifactory.twin.flowsheet import Flowsheet
from minifactory.twin.joint import Joint
from minifactory.twin.vessels import crossing
from minifactory.units import VOLUME

Array = NDArray[np.float64]


class Levels:
    """Volumes in all vessels of a plant, stretch by stretch.

    Volumes follow from the flows alone. A bottle that is drawn from beyond what it holds is below zero.
    """

    def __init__(self, sheet: Flowsheet) -> None:
        self._sheet = sheet
        self._vessels = tuple(sheet.plant.vessels.values())
        self._now = np.array([vessel.volume for vessel in self._vessels])
        self._times: list[float] = [0.0]
        self._volumes: list[Array] = [self._now]
        self._net: dict[tuple[int, ...], Array] = {}
        self.events: list[Event] = []

    @property
    def now(self) -> dict[str, float]:
        """m3 in every vessel."""
        return {vessel.name: float(at) for vessel, at in zip(self._vessels, self._now, strict=True)}

    def net(self, positions: tuple[int, ...]) -> Array:
        """Net flow into every vessel per pump flow at these valve positions, (vessels, 4 skids)."""
        known = self._net.get(positions)
        if known is None:
            flows = self._sheet.flow_map(positions)
            known = np.zeros((len(self._vessels), self._sheet.width))
            place = {vessel.name: at for at, vessel in enumerate(self._vessels)}
            for vessel, per_pump in flows.drawn.items():
                known[place[vessel]] -= per_pump
            for _, vessel, per_pump in flows.received:
                known[place[vessel]] += per_pump
            self._net[positions] = known
        return known

    def along(self, joints: list[Joint], vessels: Iterable[str], times: Array) -> dict[str, Array]:
        """m3 in each of `vessels` at `times` (n,) in s within `joints`, which are still to come."""
        places = {vessel.name: at for at, vessel in enumerate(self._vessels)}
        wanted = [name for name in vessels if name in places]
        if not wanted:
            return {}
        rows = [places[name] for name in wanted]
        found, now = np.empty((len(times), len(rows))), self._now[rows]
        for joint in joints:
            net = self.net(joint.positions)[rows]
            first, last = net @ joint.first, net @ joint.last
            within = (times > joint.start - 1e-9) & (times <= joint.end + 1e-9)
            spent = np.clip(times[within] - joint.start, 0.0, joint.duration)[:, None]
            slope = (last - first) / (joint.duration or 1.0)
            found[within] = now + first * spent + 0.5 * slope * spent**2
            now = now + 0.5 * (first + last) * joint.duration
        return {name: found[:, at] for at, name in enumerate(wanted)}

    def first_fault(self, joints: list[Joint]) -> tuple[float, str, str] | None:
        """When a vessel of changing content first runs empty or full in `joints`, which, and what."""
        now = self._now
        for joint in joints:
            fault = self.fault_within(joint, now)
            if fault is not None:
                return fault
            now = self.after(joint, now)
        return None

    @property
    def volumes(self) -> Array:
        """m3 in every vessel now, (vessels,) in the order of the description."""
        return self._now

    def after(self, joint: Joint, now: Array) -> Array:
        """m3 in every vessel (vessels,) after `joint`, of `now` before it."""
        return np.asarray(now + self.net(joint.positions) @ joint.mean * joint.duration)

    def fault_within(self, joint: Joint, now: Array) -> tuple[float, str, str] | None:
        """As :meth:`first_fault` of one joint, before which vessels hold `now` (vessels,) in m3."""
        shared = self._sheet.routing.shared
        if not shared:
            return None
        found = [item for item in self._crossings(joint, now) if item[1] in shared]
        after = self.after(joint, now)
        dry = {vessel.name for vessel, volume in zip(self._vessels, after, strict=True) if volume < 0.0}
        faults = [item for item in found if item[2] == FULL or item[1] in dry]
        # One that is below its minimum already does not come to it any more.
        told = {name for _, name, what in faults if what == EMPTY}
        faults += [(self._dry_at(name, joint, now), name, EMPTY) for name in dry - told if name in shared]
        return min(faults) if faults else None

    def _dry_at(self, vessel: str, joint: Joint, now: Array) -> float:
        """Time (s) at which nothing is left in `vessel`."""
        place = next(at for at, item in enumerate(self._vessels) if item.name == vessel)
        net = self.net(joint.positions)[place]
        flows = [float(net @ joint.first), float(net @ joint.last)]
        wait = crossing(float(now[place]), 0.0, flows, joint.duration)
        return joint.start if math.isinf(wait) else joint.start + wait

    def keep(self, joints: list[Joint]) -> None:
        """Take over stretches as what happened."""
        for joint in joints:
            for time, vessel, what in self._crossings(joint, self._now):
                self.events.append(Event(time, "vessel", vessel, what))
            self._now = self.after(joint, self._now)
            self._times.append(joint.end)
            self._volumes.append(self._now)

    def _crossings(self, joint: Joint, now: Array) -> list[tuple[float, str, str]]:
        """Times at which vessels come to their minimum or their capacity."""
        net = self.net(joint.positions)
        first, last = net @ joint.first, net @ joint.last
        after = now + 0.5 * (first + last) * joint.duration
        found = []
        for place, vessel in enumerate(self._vessels):
            tiny = 1e-9 * vessel.capacity
            low, high = vessel.minimum, vessel.capacity
            for bound, what, sign in ((low, EMPTY, -1.0), (high, FULL, 1.0)):
                gap = sign * (bound - now[place])
                if gap > tiny and sign * (after[place] - bound) > -tiny:
                    flows = [float(first[place]), float(last[place])]
                    wait = crossing(float(now[place]), bound, flows, joint.duration)
                    at = joint.end if math.isinf(wait) else joint.start + wait
                    found.append((at, vessel.name, what))
        return found

    def trends(self) -> dict[str, Trend]:
        """m3 in every vessel over time."""
        times, volumes = np.array(self._times), np.array(self._volumes)
        return {
            vessel.name: Trend(vessel.name, VOLUME, times, volumes[:, at])
            for at, vessel in enumerate(self._vessels)
        }
