"""Ways for liquid between the parts of a skid that hold it, found by following its lines.

Lines are followed downstream. A valve may also send liquid into a line that ends at it: from there on it goes
back, through devices and valves against their usual direction, until a valve turns it onward again. So a
column is run upwards where a valve says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from minifactory.plant.model import REACTING, Device, DeviceKind, Port, Skid
from minifactory.twin.parts import Parts, has_dead_volume, way_through

CELLS = frozenset({DeviceKind.UV_CELL, DeviceKind.CONDUCTIVITY_CELL, DeviceKind.PH_CELL})
"""Kinds of detector cell."""
REVERSIBLE = CELLS | REACTING | {DeviceKind.TUBING, DeviceKind.MIXER, DeviceKind.COLUMN, DeviceKind.SUPERLOOP}
"""Kinds of device that hold liquid and may be passed either way."""
HOLDING = REVERSIBLE | {DeviceKind.FILTER, DeviceKind.MEMBRANE, DeviceKind.MAKE_UP}
"""Kinds of device that become units."""
ONE_WAY = frozenset({DeviceKind.PUMP, DeviceKind.JUNCTION})
"""Kinds of other device that liquid does not pass backwards."""

Need = tuple[str, str]
Needs = tuple[Need, ...]
Joints = frozenset[tuple[Port, Port]]
End = Literal["outlet", "inlet"]


@dataclass(frozen=True)
class Route:
    """A way for liquid from `source` to `target` (names of units or vessels).

    `needs` are the valve positions that open it and `unless` those that close it, `pump` the pump on it (if
    any), `wash` tells that it leads out through the pump's washing outlet, `passes` are the devices between,
    in order; `through` are the ports at which it enters and leaves each valve. `source_end` and `target_end`
    are the ends of the units: those that run backwards are left at their inlet, entered at their outlet;
    `turned` is the valve position that makes them.
    """

    source: str
    target: str
    needs: Needs
    pump: str | None
    passes: tuple[str, ...]
    wash: bool = False
    through: Joints = frozenset()
    unless: Needs = ()
    source_end: End = "outlet"
    target_end: End = "inlet"
    turned: Need | None = None


class _Step(NamedTuple):
    """Where a walk stands: at `port`, which liquid leaves; `by` is the valve position it came by just now."""

    port: Port
    needs: Needs
    pump: str | None = None
    passes: tuple[str, ...] = ()
    entered: frozenset[tuple[Port, bool]] = frozenset()
    joints: Joints = frozenset()
    by: Need | None = None
    turned: Need | None = None


@dataclass(frozen=True)
class Lines:
    """The lines of a skid: `onward` from where they start, `backward` from where they end."""

    skid: Skid
    onward: Mapping[Port, Sequence[Port]]
    backward: Mapping[Port, Sequence[Port]]
    vessels: frozenset[str]
    parts: Mapping[str, Parts]

    def follow(
        self,
        name: str,
        start: Port,
        needed: Needs = (),
        passed: tuple[str, ...] = (),
        turned: Need | None = None,
    ) -> Iterator[Route]:
        """Every route that leaves `start`, a port of the vessel or unit `name`, depth first.

        From within a valve: the position that it `needed`, and the valve as `passed`. With `turned` the walk
        goes back from the start.
        """
        by = needed[0] if needed and turned is None else None
        stack = [_Step(start, needed, None, passed, by=by, turned=turned)]
        own: End = "outlet" if turned is None else "inlet"
        while stack:
            step = stack.pop()
            if step.turned is None:
                for arrival in self.onward.get(step.port, ()):
                    yield from self._onward(name, own, step, arrival, stack)
            turn = step.turned or step.by
            for arrival in self.backward.get(step.port, ()) if turn is not None else ():
                yield from self._back(name, own, step._replace(turned=turn), arrival, stack)

    def _onward(self, name: str, own: End, step: _Step, arrival: Port, stack: list[_Step]) -> Iterator[Route]:
        """The route that ends at `arrival`; else the steps that lead on from there join `stack`."""

        def route(target: str, needs: Needs, pump: str | None, *further: str) -> Route:
            through = step.joints
            if further:
                through |= {(arrival, Port(further[0], further[1]))}
            passes = (*step.passes, *further[:1])
            return Route(name, target, needs, pump, passes, through=through, source_end=own)

        if arrival.owner in self.vessels:
            yield route(arrival.owner, step.needs, step.pump)
            return
        device = self.skid.devices[arrival.owner]
        if device.kind in HOLDING:
            pump = arrival.owner if device.kind is DeviceKind.MAKE_UP else step.pump
            yield route(self.parts[arrival.owner].entry, step.needs, pump)
            return
        if (arrival, False) in step.entered:
            return
        carried = device.name if device.kind is DeviceKind.PUMP else step.pump
        for position, exit_port in self._ways(device, arrival.port):
            demanded = with_need(step.needs, device.name, position)
            if demanded is not None and has_dead_volume(device):
                unit = way_through(device.name, arrival.port, exit_port)
                yield route(unit, demanded, step.pump, device.name, exit_port)
            elif demanded is not None:
                stack.append(
                    self._passed(step, device, arrival, exit_port, position, demanded, carried, None)
                )

    def _back(self, name: str, own: End, step: _Step, arrival: Port, stack: list[_Step]) -> Iterator[Route]:
        """As :meth:`_onward` for liquid that enters a device where it usually leaves it."""
        if arrival.owner in self.vessels or (arrival, True) in step.entered:
            return
        device = self.skid.devices[arrival.owner]
        if device.kind in REVERSIBLE:
            yield Route(
                name, arrival.owner, step.needs, step.pump, step.passes, through=step.joints,
                source_end=own, target_end="outlet", turned=step.turned,
            )  # fmt: skip
        elif device.kind is DeviceKind.VALVE and not has_dead_volume(device):
            for position, pairs in device.positions.items():
                demanded = with_need(step.needs, device.name, position)
                for entered, left in pairs if demanded is not None else ():
                    if demanded is not None and arrival.port in (entered, left):
                        onward = arrival.port == entered
                        exit_port, turned = (left, None) if onward else (entered, step.turned)
                        further = self._passed(
                            step, device, arrival, exit_port, position, demanded, step.pump, turned
                        )
                        stack.append(further)
        elif device.kind not in HOLDING | ONE_WAY:
            for exit_port in device.ports:
                if exit_port != arrival.port and Port(device.name, exit_port) in self.backward:
                    stack.append(
                        self._passed(
                            step, device, arrival, exit_port, None, step.needs, step.pump, step.turned
                        )
                    )

    def _passed(
        self,
        step: _Step,
        device: Device,
        arrival: Port,
        exit_port: str,
        position: str | None,
        needs: Needs,
        pump: str | None,
        turned: Need | None,
    ) -> _Step:
        """The step that has passed `device`."""
        leaving, valve = Port(device.name, exit_port), device.kind is DeviceKind.VALVE
        return _Step(
            leaving,
            needs,
            pump,
            (*step.passes, device.name),
            step.entered | {(arrival, step.turned is not None)},
            step.joints | {(arrival, leaving)} if valve else step.joints,
            (device.name, position) if position is not None and turned is None else None,
            turned,
        )

    def _ways(self, device: Device, entry: str) -> list[tuple[str | None, str]]:
        """The (position, exit port) pairs by which liquid that enters `device` at `entry` leaves it."""
        if device.kind is DeviceKind.VALVE:
            return [
                (position, exit_port)
                for position, pairs in device.positions.items()
                for entered, exit_port in pairs
                if entered == entry
            ]
        ports = (port for port in device.ports if port != entry)
        return [(None, port) for port in ports if Port(device.name, port) in self.onward]


def with_need(needs: Needs, valve: str, position: str | None) -> Needs | None:
    """`needs` and this valve's position; None when the valve would have to stand in two positions at once."""
    if position is None or (valve, position) in needs:
        return needs
    return None if any(name == valve for name, _ in needs) else (*needs, (valve, position))


def lines_of(skid: Skid, vessels: Sequence[str], parts: Mapping[str, Parts]) -> Lines:
    """The lines of `skid`; `parts` are those of its devices that hold liquid."""
    onward: dict[Port, list[Port]] = {}
    backward: dict[Port, list[Port]] = {}
    for source, target in skid.connections:
        onward.setdefault(source, []).append(target)
        backward.setdefault(target, []).append(source)
    return Lines(skid, onward, backward, frozenset(vessels), parts)


def backward_routes(lines: Lines, routes: Sequence[Route]) -> list[Route]:
    """`routes` and those of units that valves run backwards; forward ones are closed meanwhile."""
    found = list(routes)
    turns: dict[str, set[Need]] = {}
    fresh = [route for route in found if route.turned is not None]
    while fresh:
        route = fresh.pop()
        turn, unit = route.turned, route.target
        if turn is None or turn in turns.setdefault(unit, set()):
            continue
        turns[unit].add(turn)
        further = list(lines.follow(unit, Port(unit, "in"), (turn,), (turn[0],), turn))
        found += further
        fresh += [each for each in further if each.turned is not None]
    if not turns:
        return found
    return [_unless(route, turns) for route in found]


def _unless(route: Route, turns: Mapping[str, set[Need]]) -> Route:
    """A forward route, closed by the positions in which its units run backwards."""
    if route.source_end == "inlet" or route.target_end == "outlet":
        return route
    decided = {valve for valve, _ in route.needs}
    closing = turns.get(route.source, set()) | turns.get(route.target, set())
    return replace(route, unless=tuple(sorted(need for need in closing if need[0] not in decided)))
