"""From the graph of skids to the routes between the parts that hold liquid, and the flow in each of them.

Devices that hold a relevant volume (tubing, mixer, column) become units of the simulation; valves, pumps,
junctions and sensors are passed through. A route (:mod:`minifactory.twin.routes`) leads from a vessel or unit
to the next unit or vessel; it is open when the valves on it stand as it needs, and a pump on it imposes the
flow. All other flows follow from conservation of volume (the liquid is incompressible).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, InputError
from minifactory.plant.model import Device, DeviceKind, Plant, Port, Skid
from minifactory.plant.network import joined
from minifactory.twin.parts import has_dead_volume, parts_of, ways_through
from minifactory.twin.routes import HOLDING, Needs, Route, backward_routes, lines_of

WASH = "pump wash"
"""Name of the sink that receives what a pump wash drives out."""


@dataclass(frozen=True)
class Routing:
    """The routes of one skid, or of several that touch.

    Parameters
    ----------
    skid : Skid
        The graph.
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
    shared : tuple of str
        Vessels that are filled and drawn from: their content changes.
    devices : Mapping of str to str
        Unit -> the device that it belongs to.
    drives : tuple of str
        What else imposes flows: cells of membranes and make-up lines, in the order of the flow vector behind
        the pumps.
    """

    skid: Skid
    units: tuple[str, ...]
    inlets: tuple[str, ...]
    outlets: tuple[str, ...]
    routes: tuple[Route, ...]
    pumps: tuple[str, ...]
    valves: tuple[str, ...]
    shared: tuple[str, ...] = ()
    devices: Mapping[str, str] = field(default_factory=dict)
    drives: tuple[str, ...] = ()

    def device(self, unit: str) -> Device:
        """The device that `unit` belongs to."""
        return self.skid.devices[self.devices[unit]]

    def open_routes(self, positions: Mapping[str, str]) -> list[int]:
        """Indices of the routes that `positions` (valve -> position) open; wash routes are among them."""
        return [
            index
            for index, route in enumerate(self.routes)
            if all(positions.get(valve) == position for valve, position in route.needs)
            and not any(positions.get(valve) == position for valve, position in route.unless)
        ]

    def flow_matrix(self, positions: Mapping[str, str]) -> NDArray[np.float64]:
        """How route flows follow from pump flows at `positions`.

        Returns
        -------
        ndarray (n_routes, 2 n_pumps + n_drives)
            Flow in each route (m3/s) per flow of each pump to the system, per flow of each pump in its wash,
            and per flow of each drive.

        Raises
        ------
        InputError
            When a pump is driven against a closed port (dead-head) or a flow has two ways to go.
        """
        matrix, active, known = self._balanced(positions)
        self._refuse_dead_ends(matrix, active, known, positions)
        return matrix

    def open_drives(self, positions: Mapping[str, str]) -> NDArray[np.bool_]:
        """Which drives have an open way at `positions`, (n_drives,)."""
        matrix, active, _ = self._balanced(positions)
        first = 2 * len(self.pumps)
        closed = np.zeros(len(self.drives), dtype=np.bool_)
        for _, gap in self._gaps(matrix, active):
            closed |= gap[first:] != 0.0
        return np.asarray(np.any(matrix[:, first:] != 0.0, axis=0) & ~closed)

    def possible_flows(
        self, positions: Mapping[str, str]
    ) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
        """As :meth:`flow_matrix`, where some pumps may be at rest.

        What a pump drives against a closed port is told instead of refused: unit -> imbalance there (m3/s)
        per pump flow, shape (2 n_pumps + n_drives,).
        """
        matrix, active, _ = self._balanced(positions)
        return matrix, dict(self._gaps(matrix, active))

    def _balanced(self, positions: Mapping[str, str]) -> tuple[NDArray[np.float64], list[int], set[int]]:
        """Route flows per pump flow, the open routes, and those whose flow is known."""
        n_pumps = len(self.pumps)
        width = 2 * n_pumps + len(self.drives)
        matrix = np.zeros((len(self.routes), width))
        active = self.open_routes(positions)
        known: set[int] = set()
        for index in active:
            route = self.routes[index]
            if route.pump in self.drives:
                matrix[index, 2 * n_pumps + self.drives.index(route.pump)] = 1.0
                known.add(index)
            elif route.pump is not None:
                matrix[index, self.pumps.index(route.pump) + (n_pumps if route.wash else 0)] = 1.0
                known.add(index)
        changed = True
        while changed:
            changed = False
            for unit in self.units:
                arriving = [i for i in active if self.routes[i].target == unit]
                leaving = [i for i in active if self.routes[i].source == unit]
                if not arriving and not known.issuperset(leaving):
                    known.update(leaving)  # nothing comes, so nothing goes on
                    changed = True
                for given, wanted in ((arriving, leaving), (leaving, arriving)):
                    open_ends = [i for i in wanted if i not in known]
                    if len(open_ends) == 1 and given and all(i in known for i in given):
                        rest = sum((matrix[i] for i in wanted if i in known), np.zeros(width))
                        matrix[open_ends[0]] = sum((matrix[i] for i in given), np.zeros(width)) - rest
                        known.add(open_ends[0])
                        changed = True
        return matrix, active, known

    def _gaps(
        self, matrix: NDArray[np.float64], active: Sequence[int]
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Units in which flows do not balance, and by how much per pump flow."""
        for unit in self.units:
            balance = np.zeros(matrix.shape[1])
            for index in active:
                if self.routes[index].target == unit:
                    balance += matrix[index]
                if self.routes[index].source == unit:
                    balance -= matrix[index]
            if np.any(np.abs(balance) > 1e-9):
                yield unit, balance

    def _refuse_dead_ends(
        self,
        matrix: NDArray[np.float64],
        active: Sequence[int],
        known: set[int],
        positions: Mapping[str, str],
    ) -> None:
        where = f"skid {self.skid.name}"
        stand = ", ".join(f"{valve} {positions[valve]}" for valve in self.valves if valve in positions)
        for unit, gap in self._gaps(matrix, active):
            if not np.any(gap[: 2 * len(self.pumps)]):
                continue  # a drive whose way is closed does not run
            ways = [i for i in active if self.routes[i].source == unit and i not in known]
            found = "flow has more than one way out of" if len(ways) > 1 else "no open way through"
            raise InputError(
                Finding(where, f"{found} {unit} with {stand}", remedy="Correct the valve positions.")
            )


def meeting(routes: Sequence[Route], active: Sequence[int]) -> Iterator[tuple[int, int, Port]]:
    """Pairs of `active` routes that meet within a valve, and the port at which they leave it together."""
    exits: dict[Port, list[tuple[Port, int]]] = {}
    for index in active:
        for entered, left in routes[index].through:
            exits.setdefault(left, []).append((entered, index))
    for left, found in exits.items():
        for (one, first), (other, second) in combinations(found, 2):
            if one != other and routes[first].source != routes[second].source:
                yield first, second, left


def routing(plant: Plant, *names: str) -> Routing:
    """All routes of the skids `names`, found by following their connections downstream."""
    skid = joined(plant, names)
    parts = {name: parts_of(name, each) for name, each in skid.devices.items() if each.kind in HOLDING}
    dead = {name: ways_through(name, each) for name, each in skid.devices.items() if has_dead_volume(each)}
    devices = {unit: name for name, each in parts.items() for unit in each.units}
    devices |= {unit: name for name, through in dead.items() for unit in through}
    units = list(devices)
    lines = lines_of(skid, list(plant.vessels), parts)
    routes: list[Route] = []
    starts: list[tuple[str, Port]] = [(v, p) for v in plant.vessels for p in (Port(v),) if p in lines.onward]
    for name, each in parts.items():
        ports = (Port(name, port) for port in skid.devices[name].ports)
        starts += [(each.exit(port.port), port) for port in ports if port in lines.onward]
    for name, port in starts:
        routes += lines.follow(name, port)
    for valve, through in dead.items():
        for unit, (left, positions) in through.items():
            for position in positions:
                routes += lines.follow(unit, Port(valve, left), ((valve, position),), (valve,))
    forward = [route for route in routes if route.turned is None]
    routes = backward_routes(lines, routes)
    for each in parts.values():
        routes += [Route(*inner, (), None, ()) for inner in each.inner]
        routes += [Route(*driven, (), driven[0], ()) for driven in each.driven]
    pumps = tuple(name for name, device in skid.devices.items() if device.kind is DeviceKind.PUMP)
    valves = tuple(name for name, device in skid.devices.items() if device.kind is DeviceKind.VALVE)
    washes = [
        Route(route.source, WASH, _upstream_needs(skid, route), route.pump, route.passes, wash=True)
        for route in routes
        if route.pump in pumps
    ]
    routes += sorted(set(washes), key=washes.index)
    inlets = tuple(v for v in plant.vessels if any(route.source == v for route in routes))
    outlets = tuple(v for v in [*plant.vessels, WASH] if any(route.target == v for route in routes))
    used = {route.source for route in routes} | {route.target for route in routes}
    ordered = _upstream_first([unit for unit in units if unit in used], forward)
    shared = tuple(vessel for vessel in inlets if vessel in outlets)
    imposed = dict.fromkeys(route.pump for route in routes if route.pump is not None)
    drives = tuple(name for name in imposed if name not in pumps)
    return Routing(
        skid, ordered, inlets, outlets, tuple(routes), pumps, valves, shared, devices, drives
    )  # fmt: skip


def _upstream_needs(skid: Skid, route: Route) -> Needs:
    """The needs of the part of `route` before its pump (a wash leaves at the pump)."""
    before = set(route.passes[: route.passes.index(route.pump)]) if route.pump else set()
    return tuple(need for need in route.needs if need[0] in before and need[0] in skid.devices)


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
