"""Which valve positions lead the liquid from a port to a vessel or device (``inlet_a: A12``).

A way follows the connections downstream; at each valve it takes one of the positions, and a valve that it
passes twice stands the same both times. A valve may send it back into a line that ends there: against the
usual direction, until a valve turns it onward again (a column that is run upwards).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from minifactory.plant.model import DeviceKind, Port, Skid

_ONE_WAY = frozenset(
    {DeviceKind.PUMP, DeviceKind.JUNCTION, DeviceKind.FILTER, DeviceKind.MEMBRANE, DeviceKind.MAKE_UP}
)
MAXIMUM_STEPS = 50_000
"""Bound of one search; a laboratory skid needs some hundred steps."""


@dataclass(frozen=True)
class Way:
    """One way through a skid: the positions it needs, and the devices it passes in order.

    `upward`: it passes some of them against their usual direction.
    """

    positions: Mapping[str, str]
    devices: tuple[str, ...]
    upward: bool = False


class Routes:
    """The ways through one skid; each search is made once, for every phase of a recipe asks the same.

    Parameters
    ----------
    skid : Skid
        Devices and connections.
    """

    def __init__(self, skid: Skid) -> None:
        self._skid = skid
        self._onward: dict[Port, list[Port]] = {}
        self._backward: dict[Port, list[Port]] = {}
        for source, target in skid.connections:
            self._onward.setdefault(source, []).append(target)
            self._backward.setdefault(target, []).append(source)
        self._found: dict[tuple[Port, str, frozenset[tuple[str, str]]], tuple[Way, ...]] = {}

    def ways(self, start: Port, goal: str, fixed: Mapping[str, str] | None = None) -> tuple[Way, ...]:
        """Every way from `start` to `goal`; parameters as of :func:`ways`."""
        key = (start, goal, frozenset((fixed or {}).items()))
        if key not in self._found:
            self._found[key] = tuple(self._search(start, goal, fixed or {}))
        return self._found[key]

    def _search(self, start: Port, goal: str, fixed: Mapping[str, str]) -> Iterator[Way]:
        skid = self._skid
        stack = [_Walk(start)]
        steps = 0
        while stack and steps < MAXIMUM_STEPS:
            steps += 1
            here = stack.pop()
            entries = [] if here.back else [(entry, False) for entry in self._onward.get(here.port, ())]
            if here.back or here.behind_valve:
                entries += [(entry, True) for entry in self._backward.get(here.port, ())]
            for entry, back in entries:
                if entry.owner == goal:
                    if not back or (goal in skid.devices and skid.devices[goal].kind not in _ONE_WAY):
                        yield Way(here.positions, here.passed, here.upward or back)
                elif entry.owner in skid.devices and (entry, back) not in here.seen:
                    for position, leaving, backwards in self._leaving(entry, back):
                        needed = here.positions
                        if position is not None:
                            demanded = needed.get(entry.owner, fixed.get(entry.owner, position))
                            if demanded != position:
                                continue
                            needed = {**needed, entry.owner: position}
                        stack.append(
                            _Walk(
                                leaving,
                                needed,
                                (*here.passed, entry.owner),
                                here.seen | {(entry, back)},
                                backwards,
                                position is not None and not backwards,
                                here.upward or back,
                            )
                        )

    def _leaving(self, entry: Port, back: bool) -> Iterator[tuple[str | None, Port, bool]]:
        """Position that is needed, port by which what enters at `entry` leaves, whether it goes back."""
        if not back:
            for position, leaving in exits(self._skid, entry):
                yield position, leaving, False
            return
        device = self._skid.devices[entry.owner]
        if device.kind is DeviceKind.VALVE:
            for position, pairs in device.positions.items():
                for entered, left in pairs:
                    if left == entry.port:
                        yield position, Port(device.name, entered), True
                    if entered == entry.port:
                        yield position, Port(device.name, left), False
        elif device.kind not in _ONE_WAY:
            for name in device.ports:
                if name != entry.port and Port(device.name, name) in self._backward:
                    yield None, Port(device.name, name), True


class _Walk(NamedTuple):
    """Where a search stands: at a port that liquid leaves, going `back` or just `behind_valve`."""

    port: Port
    positions: Mapping[str, str] = {}
    passed: tuple[str, ...] = ()
    seen: frozenset[tuple[Port, bool]] = frozenset()
    back: bool = False
    behind_valve: bool = False
    upward: bool = False


def ways(skid: Skid, start: Port, goal: str, fixed: Mapping[str, str] | None = None) -> tuple[Way, ...]:
    """Every way from `start` (a vessel, or a port where liquid leaves a device) to `goal` (vessel or device).

    Parameters
    ----------
    skid : Skid
        Devices and connections.
    start : Port
        Where the liquid comes from.
    goal : str
        Name of a vessel or device.
    fixed : Mapping of str to str, optional
        Valves that must stand in a certain position.
    """
    return Routes(skid).ways(start, goal, fixed)


def exits(skid: Skid, entry: Port) -> Iterator[tuple[str | None, Port]]:
    """Where liquid that enters a device at `entry` may leave, and the position that a valve needs for it."""
    device = skid.devices[entry.owner]
    if device.kind is DeviceKind.VALVE:
        for position, pairs in device.positions.items():
            for entered, left in pairs:
                if entered == entry.port:
                    yield position, Port(device.name, left)
        return
    sources = {source for source, _ in skid.connections}
    for name in device.ports:
        if name != entry.port and Port(device.name, name) in sources:
            yield None, Port(device.name, name)


def connected_vessels(skid: Skid, device: str) -> tuple[str, ...]:
    """Vessels from which a way leads to `device`, by name."""
    owners = {source.owner for source, _ in skid.connections if source.owner not in skid.devices}
    return tuple(sorted(owner for owner in owners if ways(skid, Port(owner), device)))


def receiving_vessels(skid: Skid) -> tuple[str, ...]:
    """Vessels that a connection leads to, by name."""
    return tuple(sorted({target.owner for _, target in skid.connections if target.owner not in skid.devices}))
