"""The active flow path of a skid: which way the liquid goes when the valves stand as they do.

A path is found by walking from each pump: upstream to the vessel it draws from, downstream to the vessel that
receives the flow. Valves join ports in both directions, so a column may be run upwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.model import Device, DeviceKind, Port, Skid


@dataclass(frozen=True)
class Step:
    """One device on the way: where the liquid enters it and where it leaves."""

    device: str
    enters: str
    leaves: str


@dataclass(frozen=True)
class Branch:
    """The way from a vessel to (and through) one pump; volumes in m3."""

    pump: str
    vessel: str
    steps: tuple[Step, ...]
    volume: float


@dataclass(frozen=True)
class FlowPath:
    """The active path from the inlet vessels to the outlet vessel.

    Parameters
    ----------
    skid : Skid
        Where it runs.
    branches : Mapping of str to Branch
        By pump: from its vessel to and through the pump.
    steps : tuple of Step
        From the first device behind the pumps to the last one before the outlet; where several pumps run it
        starts with the junction in which they meet.
    outlet : str
        The vessel that receives the flow.
    """

    skid: Skid
    branches: Mapping[str, Branch]
    steps: tuple[Step, ...]
    outlet: str

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices behind the pumps, in order of flow."""
        return tuple(step.device for step in self.steps)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns in line, in order of flow."""
        return tuple(name for name in self.devices if self.skid.devices[name].kind is DeviceKind.COLUMN)

    def volume(self, start: str = "", end: str = "", liquid: Mapping[str, float] | None = None) -> float:
        """The hold-up in m3 behind device `start` and before device `end`.

        Parameters
        ----------
        start, end : str
            Devices behind the pumps, neither of them counted; empty: from the pumps, to the outlet vessel.
        liquid : Mapping of str to float, optional
            Liquid volumes in m3 that replace those of devices (columns, whose own volume is 0 here).

        Raises
        ------
        InputError
            `start` or `end` is not on the path, or they are in the wrong order.
        """
        first = self._place(start) + 1 if start else 0
        last = self._place(end) if end else len(self.steps)
        if first > last:
            raise InputError(Finding(self.skid.name, f'"{start}" is behind "{end}" on the flow path'))
        known = liquid or {}
        names = self.devices[first:last]
        return sum(known.get(name, self.skid.devices[name].volume) for name in names)

    def delay_volume(self) -> float:
        """The gradient delay in m3: from where the pumps meet to the first column, or else to the UV cell."""
        behind = (*self.columns, *self._of(DeviceKind.UV_CELL), "")
        return self.volume(end=behind[0])

    def _of(self, kind: DeviceKind) -> tuple[str, ...]:
        return tuple(name for name in self.devices if self.skid.devices[name].kind is kind)

    def _place(self, name: str) -> int:
        if name not in self.devices:
            remedy = did_you_mean(name, self.devices)
            raise InputError(Finding(self.skid.name, f'"{name}" is not on the flow path', remedy=remedy))
        return self.devices.index(name)


def flow_path(skid: Skid, positions: Mapping[str, str], pumps: Collection[str] | None = None) -> FlowPath:
    """The path that is active when the valves stand at `positions`.

    Parameters
    ----------
    skid : Skid
        Devices and connections.
    positions : Mapping of str to str
        Valve -> position, for every valve on the way.
    pumps : collection of str, optional
        The pumps that run; all when not stated.

    Raises
    ------
    InputError
        With all findings: a pump that draws from no vessel, a pump whose flow ends at a closed or open port
        (dead-head), a way that runs in a circle, an unknown valve or position, pumps that never meet.
    """
    walk = _Walk(skid, positions)
    findings = list(_position_findings(skid, positions))
    running = [
        device.name for device in skid.of_kind(DeviceKind.PUMP) if pumps is None or device.name in pumps
    ]
    branches: dict[str, Branch] = {}
    ways: list[tuple[tuple[Step, ...], str]] = []
    for name in running:
        try:
            steps, vessel = walk.upstream(name)
            passed = (*steps, Step(name, "in", "out"))
            volume = sum(skid.devices[step.device].volume for step in passed)
            branches[name] = Branch(name, vessel, passed, volume)
        except InputError as fault:
            findings += fault.findings
        try:
            ways.append(walk.downstream(name))
        except InputError as fault:
            findings += fault.findings
    if not running:
        findings.append(
            Finding(skid.name, "no pump runs", "at least one pump", did_you_mean("", _pumps(skid)))
        )
    if len({outlet for _, outlet in ways}) > 1:
        ends = " and ".join(sorted({outlet for _, outlet in ways}))
        findings.append(Finding(skid.name, f"the pumps deliver to different vessels: {ends}", "one outlet"))
    if findings:
        raise InputError(dict.fromkeys(findings))
    return FlowPath(skid, branches, _common([steps for steps, _ in ways]), ways[0][1])


@dataclass(frozen=True)
class SideStream:
    """Liquid that no pump moves: `device` (a membrane or a make-up line) takes it from vessel `source` (None:
    from the stream, as permeate) to vessel `target`."""

    device: str
    source: str | None
    target: str


def side_streams(skid: Skid, positions: Mapping[str, str]) -> tuple[SideStream, ...]:
    """The side streams that have an open way when the valves stand at `positions`."""
    walk = _Walk(skid, positions)
    found = []
    for device in skid.devices.values():
        try:
            if device.kind is DeviceKind.MEMBRANE:
                found.append(SideStream(device.name, None, walk.end(device.name, "permeate")))
            elif device.kind is DeviceKind.MAKE_UP:
                _, source = walk.upstream(device.name)
                found.append(SideStream(device.name, source, walk.end(device.name, "out")))
        except InputError:
            continue  # a closed way stops a side stream and nothing else
    return tuple(found)


def fixed_loops(skid: Skid) -> list[str]:
    """Loops of lines and devices that no valve can interrupt, as ``A > B > A``; empty when all is well."""
    valves = {valve.name for valve in skid.of_kind(DeviceKind.VALVE)}
    onward: dict[str, list[str]] = {}
    for start, stop in skid.connections:
        if start.port and stop.port and not {start.owner, stop.owner} & valves:
            onward.setdefault(start.owner, []).append(stop.owner)
    loops: list[str] = []
    done: set[str] = set()
    for first in onward:
        trail: list[str] = []
        left: list[list[str]] = []
        if first not in done:
            trail, left = [first], [list(onward[first])]
        while trail:
            if not left[-1]:
                done.add(trail.pop())
                left.pop()
                continue
            following = left[-1].pop()
            if following in trail:
                loops.append(" > ".join([*trail[trail.index(following) :], following]))
            elif following not in done:
                trail.append(following)
                left.append(list(onward.get(following, ())))
    return loops


class _Walk:
    """Walks along lines and through devices at given valve positions."""

    def __init__(self, skid: Skid, positions: Mapping[str, str]) -> None:
        self.skid = skid
        self.positions = positions
        self.lines: dict[Port, Port] = {}
        for start, stop in skid.connections:
            self.lines[start] = stop
            self.lines[stop] = start

    def upstream(self, pump: str) -> tuple[tuple[Step, ...], str]:
        """The steps from a vessel to the pump, and the vessel."""
        steps, vessel = self._follow(pump, "in", "draws")
        turned = tuple(Step(step.device, step.leaves, step.enters) for step in reversed(steps))
        return turned, vessel

    def downstream(self, pump: str) -> tuple[tuple[Step, ...], str]:
        """The steps from the pump to a vessel, and the vessel."""
        return self._follow(pump, "out", "delivers")

    def end(self, device: str, port: str) -> str:
        """The vessel to which a way leads from this port of `device`."""
        return self._follow(device, port, "delivers")[1]

    def _follow(self, pump: str, port: str, verb: str) -> tuple[tuple[Step, ...], str]:
        here = Port(pump, port)
        steps: list[Step] = []
        seen: set[Port] = set()
        where = f"{self.skid.name} {pump}"
        while True:
            there = self.lines.get(here)
            if there is None:
                side = "dead-head: it delivers" if verb == "delivers" else "it draws"
                found = (
                    f"{side} {'into' if verb == 'delivers' else 'from'} {here}, where nothing is connected"
                )
                raise InputError(Finding(where, found, "a vessel", "Connect a vessel or turn a valve."))
            if not there.port:
                return tuple(steps), there.owner
            if there in seen:
                raise InputError(
                    Finding(where, f"its flow runs in a circle through {there}", "a way to a vessel")
                )
            seen.add(there)
            device = self.skid.devices[there.owner]
            leaves = self._through(device, there.port, verb)
            if leaves is None:
                position = self.positions.get(device.name)
                state = f" at {position}" if device.kind is DeviceKind.VALVE else ""
                side = "dead-head: its flow ends" if verb == "delivers" else "nothing to draw from: it ends"
                found = f"{side} at closed port {there} of {device.name}{state}"
                raise InputError(
                    Finding(where, found, "an open way", f"Turn {device.name} or another valve.")
                )
            steps.append(Step(device.name, there.port, leaves))
            here = Port(device.name, leaves)

    def _through(self, device: Device, port: str, verb: str) -> str | None:
        if device.kind is DeviceKind.VALVE:
            for one, other in device.positions.get(self.positions.get(device.name, ""), ()):
                if port in (one, other):
                    return other if port == one else one
            return None
        if device.kind is DeviceKind.JUNCTION:
            return "out" if verb == "delivers" and port != "out" else None
        if device.kind is DeviceKind.PUMP:
            return None
        return next((each for each in device.ports if each != port), None)


def _position_findings(skid: Skid, positions: Mapping[str, str]) -> Iterator[Finding]:
    valves = {valve.name: valve for valve in skid.of_kind(DeviceKind.VALVE)}
    for name, position in positions.items():
        if name not in valves:
            yield Finding(skid.name, f'no valve "{name}"', remedy=did_you_mean(name, valves))
        elif position not in valves[name].positions:
            remedy = did_you_mean(position, valves[name].positions)
            yield Finding(skid.name, f'valve {name} has no position "{position}"', remedy=remedy)


def _pumps(skid: Skid) -> list[str]:
    return [device.name for device in skid.of_kind(DeviceKind.PUMP)]


def _common(ways: list[tuple[Step, ...]]) -> tuple[Step, ...]:
    """The part that all ways share, from the junction in which they meet."""
    first = ways[0]
    if len(ways) == 1:
        return first
    others = [{step.device for step in way} for way in ways[1:]]
    for number, step in enumerate(first):
        if all(step.device in devices for devices in others):
            return first[number:]
    return first
