"""Which valve positions lead the liquid from a port to a vessel or device (``inlet_a: A12``).

A way follows the connections downstream; at each valve it takes one of the positions, and a valve that it
passes twice stands the same both times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from minifactory.plant.model import DeviceKind, Port, Skid

MAXIMUM_STEPS = 50_000
"""Bound of one search; a laboratory skid needs some hundred steps."""


@dataclass(frozen=True)
class Way:
    """One way through a skid: the positions it needs, and the devices it passes in order."""

    positions: Mapping[str, str]
    devices: tuple[str, ...]


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
        for source, target in skid.connections:
            self._onward.setdefault(source, []).append(target)
        self._found: dict[tuple[Port, str, frozenset[tuple[str, str]]], tuple[Way, ...]] = {}

    def ways(self, start: Port, goal: str, fixed: Mapping[str, str] | None = None) -> tuple[Way, ...]:
        """Every way from `start` to `goal`; parameters as of :func:`ways`."""
        key = (start, goal, frozenset((fixed or {}).items()))
        if key not in self._found:
            self._found[key] = tuple(self._search(start, goal, fixed or {}))
        return self._found[key]

    def _search(self, start: Port, goal: str, fixed: Mapping[str, str]) -> Iterator[Way]:
        skid = self._skid
        stack: list[tuple[Port, dict[str, str], tuple[str, ...], frozenset[Port]]] = [
            (start, {}, (), frozenset())
        ]
        steps = 0
        while stack and steps < MAXIMUM_STEPS:
            steps += 1
            port, positions, passed, seen = stack.pop()
            for entry in self._onward.get(port, ()):
                if entry.owner == goal:
                    yield Way(positions, passed)
                elif entry.owner in skid.devices and entry not in seen:
                    for position, leaving in exits(skid, entry):
                        needed = positions
                        if position is not None:
                            demanded = positions.get(entry.owner, fixed.get(entry.owner, position))
                            if demanded != position:
                                continue
                            needed = {**positions, entry.owner: position}
                        stack.append((leaving, needed, (*passed, entry.owner), seen | {entry}))


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
