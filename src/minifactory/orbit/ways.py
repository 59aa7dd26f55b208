"""Dead ends: whether the liquid can go where the pumps push it, from the valves' positions as they are read.

The guard acts whatever the recipe says and whether one runs; the same question is asked before a set-point by
hand is accepted. What has tripped stays tripped until the valves lead somewhere again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from minifactory.errors import InputError
from minifactory.orbit.alarms import Alarms
from minifactory.orbit.image import Image
from minifactory.orbit.interlocks import Demand
from minifactory.orbit.outputs import Outputs
from minifactory.orbit.policy import Policy, Reaction
from minifactory.orbit.words import Words
from minifactory.plant.flowpath import flow_path
from minifactory.plant.model import DeviceKind, Skid
from minifactory.records.documents import Priority

DEAD_END = "Dead end"
Position = Callable[[str], float | None]


class Ways(Protocol):
    """Who knows where the liquid can go."""

    def closed(self, position: Position, percent_b: float) -> str:
        """Why the pumps cannot deliver with the valves at these positions; empty when they can.

        `position` gives the value of a position's tag, None if unknown; `percent_b` tells which pumps run.
        """


class FlowPathWays:
    """The :class:`Ways` of a described skid; remembers what it has found.

    Parameters
    ----------
    skid : Skid
        Its devices.
    among : Skid, optional
        The devices of all skids that its stream may run through, those of others as ``skid.Device``.
    passed : sequence of str
        Valves of others that it may run through; their positions are asked of :attr:`elsewhere`.
    """

    def __init__(self, skid: Skid, among: Skid | None = None, passed: Sequence[str] = ()) -> None:
        self._skid = among or skid
        self.elsewhere: Position = lambda _tag: None
        valves = [*skid.of_kind(DeviceKind.VALVE), *(self._skid.devices[name] for name in passed)]
        self._valves = [(valve.name, f"{valve.name}.Position", tuple(valve.positions)) for valve in valves]
        self._own = frozenset(valve.name for valve in skid.of_kind(DeviceKind.VALVE))
        self._pumps = [pump.name for pump in skid.of_kind(DeviceKind.PUMP)]
        self._known: dict[tuple[object, ...], str] = {}

    def closed(self, position: Position, percent_b: float) -> str:
        """As :meth:`Ways.closed`; a position that nobody knows closes nothing."""
        seen = tuple(
            position(tag) if name in self._own else self.elsewhere(tag) for name, tag, _ in self._valves
        )
        used = self._used(percent_b)
        key = (*seen, *used)
        if key not in self._known:
            self._known[key] = self._find(seen, used)
        return self._known[key]

    def _used(self, percent_b: float) -> tuple[str, ...]:
        if len(self._pumps) < 2:
            return tuple(self._pumps)
        uses = (percent_b < 100.0, percent_b > 0.0)
        return tuple(name for name, used in zip(self._pumps, uses, strict=False) if used)

    def _find(self, seen: tuple[float | None, ...], used: tuple[str, ...]) -> str:
        positions: dict[str, str] = {}
        for (name, _, choices), value in zip(self._valves, seen, strict=True):
            if value is None or not 0 <= int(value) < len(choices):
                return ""
            positions[name] = choices[int(value)]
        try:
            flow_path(self._skid, positions, used)
        except InputError as fault:
            return "; ".join(f"{item.where}: {item.found}" for item in fault.findings)
        return ""


class DeadEndGuard:
    """Watches that the pumps do not push against a closed valve."""

    def __init__(self, policy: Policy, words: Words, ways: Ways | None) -> None:
        self._policy, self._words, self._ways = policy, words, ways
        self._since = math.nan

    def look(
        self, image: Image, outputs: Outputs, process: float, time: float, alarms: Alarms, washing: bool
    ) -> Demand | None:
        """The demand of this scan; `time` in s since the start of the run, for the alarm."""
        if self._ways is None:
            return None
        wanted = outputs.wanted.get(self._words.flow_setpoint or "", 0.0) > 0.0
        flowing = (image.values.get(self._words.flow or "") or 0.0) > 0.0
        found = (
            "" if washing or not (wanted or flowing) else self._ways.closed(image.last, self._mixed(image))
        )
        if not found:
            self._since = math.nan
            alarms.clear(DEAD_END)
            return None
        if self._since != self._since:
            self._since = process
        # Valves that turn together are not there together.
        if process - self._since < self._policy.dead_end_after:
            return None
        text = f"the pumps push against a closed way: {found}"
        fresh = alarms.set(DEAD_END, Priority.HIGH, text, time)
        return Demand(DEAD_END, Reaction.PAUSE, text, fresh)

    def forbids(self, image: Image, outputs: Outputs, setpoints: Mapping[str, float]) -> str:
        """Why `setpoints` (SI) must not be set by hand now: liquid would be pushed against a closed way."""
        flow = self._words.flow_setpoint or ""
        moves = any(name != flow for name in setpoints)
        if self._ways is None or not (moves or flow in setpoints):
            return ""
        if setpoints.get(flow, outputs.wanted.get(flow, 0.0)) <= 0.0:
            return ""

        def position(tag: str) -> float | None:
            name = tag.replace(".Position", ".SP")
            wanted = outputs.wanted.get(name)
            return setpoints.get(name, image.last(tag) if wanted is None else wanted)

        composition = setpoints.get(self._words.composition_setpoint or "", self._mixed(image))
        return self._ways.closed(position, composition)

    def _mixed(self, image: Image) -> float:
        mixed = image.last(self._words.composition) if self._words.composition else None
        return mixed or 0.0
