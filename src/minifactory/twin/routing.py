"""From the graph of a skid to the routes between the parts that hold liquid, and the flow in each of them.

Devices that hold a relevant volume (tubing, mixer, column) become units of the simulation; valves, pumps,
junctions and sensors are passed through. A :class:`Route` leads from a vessel or unit to the next unit or
vessel; it is open when the valves on it stand as it needs, and a pump on it imposes the flow. All other flows
follow from conservation of volume (the liquid is incompressible).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, InputError
from minifactory.plant.model import Device, DeviceKind, Plant, Port, Skid

CELLS = frozenset({DeviceKind.UV_CELL, DeviceKind.CONDUCTIVITY_CELL, DeviceKind.PH_CELL})
"""Kinds of detector cell."""
REACTING = frozenset({DeviceKind.REACTOR, DeviceKind.TANK})
"""Kinds of device in which viruses are inactivated."""
HOLDING = CELLS | REACTING | {DeviceKind.TUBING, DeviceKind.MIXER, DeviceKind.COLUMN, DeviceKind.SUPERLOOP}
"""Kinds of device that become units."""
WASH = "pump wash"
"""Name of the sink that receives what a pump wash drives out."""

Needs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Route:
    """A way for liquid from `source` to `target` (names of units or vessels).

    `needs` are the valve positions that open it, `pump` the pump on it (if any), `wash` tells that it leads
    out through the pump's washing outlet, `passes` are the devices between, in order.
    """

    source: str
    target: str
    needs: Needs
    pump: str | None
    passes: tuple[str, ...]
    wash: bool = False


@dataclass(frozen=True)
class Routing:
    """The routes of one skid.

    Parameters
    ----------
    units : tuple of str
        Devices that hold liquid, upstream before downstream.
    inlets, outlets : tuple of str
        Vessels that deliver and vessels (or :data:`WASH`) that receive.
    routes : tuple of Route
        All that the valves can open.
    pumps : tuple of str
        Pumps in the order of the flow vector.
    valves : tuple of str
        Valves in the order of a position tuple.
    """

    skid: Skid
    units: tuple[str, ...]
    inlets: tuple[str, ...]
    outlets: tuple[str, ...]
    routes: tuple[Route, ...]
    pumps: tuple[str, ...]
    valves: tuple[str, ...]

    def open_routes(self, positions: Mapping[str, str]) -> list[int]:
        """Indices of the routes that `positions` (valve -> position) open; wash routes are among them."""
        return [
            index
            for index, route in enumerate(self.routes)
            if all(positions.get(valve) == position for valve, position in route.needs)
        ]

    def flow_matrix(self, positions: Mapping[str, str]) -> NDArray[np.float64]:
        """How route flows follow from pump flows at `positions`.

        Returns
        -------
        ndarray (n_routes, 2 n_pumps)
            Flow in each route (m3/s) per flow of each pump to the system (first half of the columns) and per
            flow of each pump in its wash (second half).

        Raises
        ------
        InputError
            When a pump is driven against a closed port (dead-head) or a flow has two ways to go.
        """
        n_pumps = len(self.pumps)
        matrix = np.zeros((len(self.routes), 2 * n_pumps))
        active = self.open_routes(positions)
        known: set[int] = set()
        for index in active:
            route = self.routes[index]
            if route.pump is not None:
                matrix[index, self.pumps.index(route.pump) + (n_pumps if route.wash else 0)] = 1.0
                known.add(index)
        changed = True
        while changed:
            changed = False
            for unit in self.units:
                arriving = [i for i in active if self.routes[i].target == unit]
                leaving = [i for i in active if self.routes[i].source == unit]
                for given, wanted in ((arriving, leaving), (leaving, arriving)):
                    open_ends = [i for i in wanted if i not in known]
                    if len(open_ends) == 1 and given and all(i in known for i in given):
                        rest = sum((matrix[i] for i in wanted if i in known), np.zeros(2 * n_pumps))
                        matrix[open_ends[0]] = sum((matrix[i] for i in given), np.zeros(2 * n_pumps)) - rest
                        known.add(open_ends[0])
                        changed = True
        self._refuse_dead_ends(matrix, active, known, positions)
        return matrix

    def _refuse_dead_ends(
        self,
        matrix: NDArray[np.float64],
        active: Sequence[int],
        known: set[int],
        positions: Mapping[str, str],
    ) -> None:
        where = f"skid {self.skid.name}"
        stand = ", ".join(f"{valve} {positions[valve]}" for valve in self.valves if valve in positions)
        for unit in self.units:
            balance = np.zeros(matrix.shape[1])
            for index in active:
                if self.routes[index].target == unit:
                    balance += matrix[index]
                if self.routes[index].source == unit:
                    balance -= matrix[index]
            if np.any(np.abs(balance) > 1e-9):
                ways = [i for i in active if self.routes[i].source == unit and i not in known]
                found = "flow has more than one way out of" if len(ways) > 1 else "no open way through"
                raise InputError(
                    Finding(where, f"{found} {unit} with {stand}", remedy="Correct the valve positions.")
                )


def routing(plant: Plant, skid_name: str) -> Routing:
    """All routes of skid `skid_name`, found by following its connections downstream."""
    skid = plant.skids[skid_name]
    onward: dict[Port, list[Port]] = {}
    for source, target in skid.connections:
        onward.setdefault(source, []).append(target)
    vessels = set(plant.vessels)
    units = [name for name, device in skid.devices.items() if device.kind in HOLDING]
    routes: list[Route] = []
    starts: list[tuple[str, Port]] = [(v, p) for v in plant.vessels for p in (Port(v),) if p in onward]
    starts += [(u, Port(u, p)) for u in units for p in skid.devices[u].ports if Port(u, p) in onward]
    for name, port in starts:
        routes += _follow(skid, onward, vessels, name, port)
    pumps = tuple(name for name, device in skid.devices.items() if device.kind is DeviceKind.PUMP)
    valves = tuple(name for name, device in skid.devices.items() if device.kind is DeviceKind.VALVE)
    washes = [
        Route(route.source, WASH, _upstream_needs(skid, route), route.pump, route.passes, wash=True)
        for route in routes
        if route.pump is not None
    ]
    routes += sorted(set(washes), key=washes.index)
    inlets = tuple(v for v in plant.vessels if any(route.source == v for route in routes))
    outlets = tuple(v for v in [*plant.vessels, WASH] if any(route.target == v for route in routes))
    used = {route.source for route in routes} | {route.target for route in routes}
    ordered = _upstream_first([unit for unit in units if unit in used], routes)
    return Routing(skid, ordered, inlets, outlets, tuple(routes), pumps, valves)


def _upstream_needs(skid: Skid, route: Route) -> Needs:
    """The needs of the part of `route` before its pump (a wash leaves at the pump)."""
    before = set(route.passes[: route.passes.index(route.pump)]) if route.pump else set()
    return tuple(need for need in route.needs if need[0] in before and need[0] in skid.devices)


def _follow(
    skid: Skid, onward: Mapping[Port, Sequence[Port]], vessels: set[str], name: str, start: Port
) -> list[Route]:
    """Every route that leaves `start` (a vessel or a unit's port), depth first."""
    found: list[Route] = []
    stack: list[tuple[Port, Needs, str | None, tuple[str, ...], frozenset[Port]]] = [
        (start, (), None, (), frozenset())
    ]
    while stack:
        port, needs, pump, passes, entered = stack.pop()
        for arrival in onward.get(port, ()):
            if arrival.owner in vessels:
                found.append(Route(name, arrival.owner, needs, pump, passes))
                continue
            device = skid.devices[arrival.owner]
            if device.kind in HOLDING:
                found.append(Route(name, device.name, needs, pump, passes))
                continue
            if arrival in entered:
                continue
            carried = device.name if device.kind is DeviceKind.PUMP else pump
            for position, exit_port in _ways(device, arrival.port, onward):
                demanded = _with(needs, device.name, position)
                if demanded is not None:
                    further = (*passes, device.name)
                    stack.append(
                        (Port(device.name, exit_port), demanded, carried, further, entered | {arrival})
                    )
    return found


def _with(needs: Needs, valve: str, position: str | None) -> Needs | None:
    """`needs` and this valve's position; None when the valve would have to stand in two positions at once."""
    if position is None or (valve, position) in needs:
        return needs
    return None if any(name == valve for name, _ in needs) else (*needs, (valve, position))


def _ways(device: Device, entry: str, onward: Mapping[Port, Sequence[Port]]) -> list[tuple[str | None, str]]:
    """The (position, exit port) pairs by which liquid that enters `device` at `entry` leaves it."""
    if device.kind is DeviceKind.VALVE:
        return [
            (position, exit_port)
            for position, pairs in device.positions.items()
            for entered, exit_port in pairs
            if entered == entry
        ]
    return [(None, port) for port in device.ports if port != entry and Port(device.name, port) in onward]


def _upstream_first(units: Sequence[str], routes: Sequence[Route]) -> tuple[str, ...]:
    """`units` in an order in which routes lead forward; where valves can lead round, one of them leads back.

    What really flows round at some valve positions is the engine's to find.
    """
    before = {unit: {r.source for r in routes if r.target == unit and r.source in units} for unit in units}
    ordered: list[str] = []
    while len(ordered) < len(units):
        ready = [unit for unit in units if unit not in ordered and before[unit] <= set(ordered)]
        left = [unit for unit in units if unit not in ordered]
        ordered.extend(ready or left[:1])
    return tuple(ordered)
