"""Runs with other parameters along a frozen course, many at a time: see :mod:`minifactory.design.course`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minifactory.design.candidates import FloatArray
from minifactory.design.course import Course, Switch, Watched, switches_of
from minifactory.design.figures import before_elution
from minifactory.design.truth import Series, first_true
from minifactory.errors import SolverError
from minifactory.plant.parameters import ParameterSet
from minifactory.records.run import PoolRecord, Run, Trend
from minifactory.twin.engine import Section, Tolerance, Variant, simulate_many
from minifactory.twin.flow_map import FlowMap
from minifactory.twin.flowsheet import Flowsheet, pump_flows
from minifactory.twin.hydraulics import hydraulics
from minifactory.twin.machine import machine_of
from minifactory.twin.online import skid_flowsheet, species_scales
from minifactory.twin.pumps import Segment
from minifactory.twin.signals import SignalSeries
from minifactory.units import FLOW, PRESSURE

FloatMap = dict[str, FloatArray]


@dataclass(frozen=True)
class _Member:
    """One parameter set on its way through a batch."""

    parameters: ParameterSet
    sheet: Flowsheet
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Followed:
    """A run along a course, and mol of each species that left the column before the elution."""

    run: Run
    lost: Mapping[str, float]


def replay(
    course: Course, sets: Sequence[ParameterSet], *, tolerance: float, elements: int, threads: int = 1
) -> list[Followed | SolverError]:
    """The run of every parameter set along `course`; a SolverError where one could not be integrated.

    Parameters
    ----------
    course : Course
        From :func:`minifactory.design.course.freeze`.
    sets : sequence of ParameterSet
        All of the same plant.
    tolerance, elements
        As :func:`minifactory.twin.simulate.simulate`.
    threads : int
        Of the batch.
    """
    flows: dict[tuple[int, ...], FlowMap] = {}
    members = [_member(course, parameters, elements, flows) for parameters in sets]
    variants = [
        Variant(item.sheet.network, item.sheet.initial_state(), _sections(item, course)) for item in members
    ]
    sheet = members[0].sheet
    accuracy = Tolerance(relative=tolerance, scales=species_scales(sheet))
    batch = simulate_many(variants, course.points, sheet.ports, accuracy, threads=threads)
    runs: list[Followed | SolverError] = []
    for place, member in enumerate(members):
        fault = batch.faults[place]
        runs.append(fault or _booked(course, member, batch.outlet[place], batch.passed[place], place))
    return runs


def _member(
    course: Course, parameters: ParameterSet, elements: int, flows: dict[tuple[int, ...], FlowMap]
) -> _Member:
    # Where liquid flows depends on the valves alone: one table serves all members.
    sheet = replace(skid_flowsheet(course.plant, course.recipe.skid, parameters, elements), _matrices=flows)
    machine = machine_of(course.table, course.plant.skids[course.recipe.skid], parameters)
    a, b = (own / nominal for own, nominal in zip(machine.gains, course.machine.gains, strict=True))
    segments = tuple(
        item._replace(
            a_start=item.a_start * a, a_end=item.a_end * a, b_start=item.b_start * b, b_end=item.b_end * b
        )
        for item in course.segments
    )
    return _Member(parameters, sheet, segments)


def _sections(member: _Member, course: Course) -> list[Section]:
    inlets = member.sheet.inlet_concentrations
    sections = []
    for item in member.segments:
        if item.start >= course.end:
            break
        flows = member.sheet.flow_map(item.positions).links
        first, last = pump_flows(item, False), pump_flows(item, True)
        steady = np.array_equal(first, last)
        sections.append(
            Section(item.start, item.end, flows @ first, inlets, None if steady else flows @ last)
        )
    return sections


def _booked(course: Course, member: _Member, outlet: FloatArray, passed: FloatArray, place: int) -> Followed:
    """The run of one member: its conditions answered, its outlet booked."""
    signals = _signals(course, member, outlet)
    switches = list(course.switches)
    for item in course.watched:
        series = _series(course, item, signals)
        for watch in item.phase.watches:
            scan = first_true(watch.when, series)
            if scan is not None:
                time = float(item.scans[scan])
                switches += switches_of(watch.action, time, course.cuts, course.machine)
    switches.sort(key=lambda switch: switch.time)
    stands = _stands(course, member, switches)
    pumped = _Pumped(member.segments)
    pools, consumed = _pools(course, member, stands, pumped, outlet, passed)
    run = Run(
        identifier=f"replay {place}",
        origin="simulated",
        state="Complete",
        skid=course.recipe.skid,
        recipe=course.recipe.recipe,
        trends=_pressures(course, member, pumped),
        phases=course.run.phases,
        pools=tuple(pools),
        loaded=_loaded(course, member, stands, pumped),
        consumed=consumed,
        column_volume=course.run.column_volume,
    )
    return Followed(run, _lost(course, member, passed))


def _lost(course: Course, member: _Member, passed: FloatArray) -> dict[str, float]:
    """mol of each species that passed the first detector from the load to the elution."""
    window = before_elution(course.run)
    names = [item.name for item in member.sheet.species]
    if window is None:
        return {}
    gone = [np.interp(window, course.points, passed[:, 0, place]) for place in range(len(names))]
    return {name: float(last - first) for name, (first, last) in zip(names, gone, strict=True)}


def _signals(course: Course, member: _Member, outlet: FloatArray) -> FloatMap:
    """What the detectors show at the points of the course, auto-zeros applied."""
    wanted = frozenset(tag for item in course.watched for tag in item.tags)
    if not wanted:
        return {}
    series = SignalSeries(course.table, member.sheet, hydraulics(member.sheet))
    shown = series.along(course.points, outlet, wanted)
    for name, values in shown.items():
        if name in series.zeroed:
            for time in course.zeroing:
                if time <= course.points[-1]:
                    at = int(np.searchsorted(course.points, time - 1e-9))
                    later = course.points >= course.points[at]
                    values[later] -= values[at]
    return shown


def _series(course: Course, item: Watched, signals: FloatMap) -> Series:
    """What the conditions of a watched phase see; what pumps show comes from the course."""
    values = {name: np.interp(item.scans, course.points, series) for name, series in signals.items()}
    trends = course.run.trends
    for watch in item.phase.watches:
        for name in watch.when.tags():
            tag = course.recipe.aliases.get(name, name)
            if tag not in values and tag in trends:
                values[tag] = trends[tag].at(item.scans)
    for alias, tag in course.recipe.aliases.items():
        if tag in values:
            values[alias] = values[tag]
    column = item.phase.column_volume
    elapsed = np.arange(1.0, item.scans.size + 1.0) * float(item.scans[0] - item.record.start)
    return Series(item.scans, elapsed, item.volume, item.volume / column if column else 0.0 * elapsed, values)


@dataclass(frozen=True)
class _Stand:
    """A stretch of time (s) in which no valve moves."""

    start: float
    end: float
    positions: tuple[int, ...]


def _stands(course: Course, member: _Member, switches: Sequence[Switch]) -> list[_Stand]:
    """Where the valves stood, with the cut valves as `switches` led them."""
    times = [switch.time for switch in switches]
    current = dict.fromkeys(course.cuts, 0)
    following = 0
    stands: list[_Stand] = []
    for segment in member.segments:
        start = segment.start
        while start < segment.end:
            while following < len(times) and times[following] <= start + 1e-9:
                current[switches[following].valve] = switches[following].position
                following += 1
            upto = min(times[following], segment.end) if following < len(times) else segment.end
            positions = list(segment.positions)
            for valve, position in current.items():
                positions[valve] = position
            stands.append(_Stand(start, upto, tuple(positions)))
            start = upto
    return _merged(stands)


def _merged(stands: Sequence[_Stand]) -> list[_Stand]:
    merged: list[_Stand] = []
    for item in stands:
        if merged and merged[-1].positions == item.positions:
            merged[-1] = _Stand(merged[-1].start, item.end, item.positions)
        else:
            merged.append(item)
    return merged


class _Pumped:
    """True volumes (m3) of pump A, pump B, wash A, wash B since the start, at any time."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.ends = np.array([item.end for item in segments])
        self.starts = np.array([item.start for item in segments])
        self.first = np.array([pump_flows(item, False) for item in segments])
        self.last = np.array([pump_flows(item, True) for item in segments])
        spans = (self.ends - self.starts)[:, None]
        self._before = np.vstack([np.zeros(4), np.cumsum(0.5 * (self.first + self.last) * spans, axis=0)])

    def at(self, time: float) -> FloatArray:
        """Volumes (4,) in m3 until `time` (s)."""
        place = min(int(np.searchsorted(self.ends, time - 1e-9)), len(self.ends) - 1)
        span = self.ends[place] - self.starts[place]
        part = min(max(time - self.starts[place], 0.0), span)
        slope = (self.last[place] - self.first[place]) / span if span > 0.0 else 0.0
        return np.asarray(self._before[place] + part * (self.first[place] + 0.5 * slope * part))

    def flow(self, time: float) -> FloatArray:
        """Flows (4,) in m3/s just before `time` (s)."""
        place = min(int(np.searchsorted(self.ends, time - 1e-9)), len(self.ends) - 1)
        span = self.ends[place] - self.starts[place]
        part = (time - self.starts[place]) / span if span > 0.0 else 1.0
        return np.asarray(
            self.first[place] + min(max(part, 0.0), 1.0) * (self.last[place] - self.first[place])
        )


def _pools(
    course: Course,
    member: _Member,
    stands: Sequence[_Stand],
    pumped: _Pumped,
    outlet: FloatArray,
    passed: FloatArray,
) -> tuple[list[PoolRecord], dict[str, float]]:
    """What every vessel received and gave."""
    sheet, names = member.sheet, [item.name for item in member.sheet.species]
    pools: list[PoolRecord] = []
    consumed: dict[str, float] = {}
    for stand in stands:
        flows = sheet.flow_map(stand.positions)
        volumes = pumped.at(stand.end) - pumped.at(stand.start)
        for vessel, per_pump in flows.drawn.items():
            consumed[vessel] = consumed.get(vessel, 0.0) + float(per_pump @ volumes)
        for unit, vessel, per_pump in flows.received:
            through = float(per_pump @ volumes)
            if through <= 0.0:
                continue
            total = sum(float(other @ volumes) for source, _, other in flows.received if source == unit)
            amounts: dict[str, float] = {}
            if stand.end <= course.end + 1e-6:
                port = sheet.ports.index(unit)
                first = _passed(course, pumped, flows.received, port, unit, outlet, passed, stand.start)
                last = _passed(course, pumped, flows.received, port, unit, outlet, passed, stand.end)
                amounts = dict(zip(names, ((last - first) * (through / total)).tolist(), strict=True))
            pools.append(PoolRecord(vessel, stand.start, stand.end, through, amounts))
    return pools, consumed


def _passed(
    course: Course,
    pumped: _Pumped,
    received: Sequence[tuple[str, str, FloatArray]],
    port: int,
    unit: str,
    outlet: FloatArray,
    passed: FloatArray,
    time: float,
) -> FloatArray:
    """Amounts (species,) in mol that have passed a port until `time` (s): cubic between two points."""
    points = course.points
    right = min(int(np.searchsorted(points, time - 1e-9)), points.size - 1)
    if right == 0 or abs(points[right] - time) < 1e-9:
        at_zero = right == 0 and time < points[0] - 1e-9
        part = max(time / points[0], 0.0) if at_zero else 1.0
        return np.asarray(passed[right, port] * part)
    left = right - 1
    width = points[right] - points[left]
    s = (time - points[left]) / width
    rate = sum(
        (per_pump for source, _, per_pump in received if source == unit), start=np.zeros(4)
    ) @ pumped.flow(time)
    slopes = outlet[left, port] * rate * width, outlet[right, port] * rate * width
    step = passed[right, port] - passed[left, port]
    value = step * s * s * (3.0 - 2.0 * s)
    value += slopes[0] * s * (1.0 - s) ** 2 - slopes[1] * s * s * (1.0 - s)
    return np.asarray(passed[left, port] + value)


def _loaded(course: Course, member: _Member, stands: Sequence[_Stand], pumped: _Pumped) -> dict[str, float]:
    """mol of each species that was drawn in load phases."""
    sheet = member.sheet
    amounts = np.zeros(len(sheet.species))
    places = {vessel: place for place, vessel in enumerate(sheet.routing.inlets)}
    for record in course.run.phases:
        if record.kind != "load":
            continue
        for stand in stands:
            start, end = max(stand.start, record.start), min(stand.end, record.end)
            if end <= start:
                continue
            volumes = pumped.at(end) - pumped.at(start)
            for vessel, per_pump in sheet.flow_map(stand.positions).drawn.items():
                amounts += float(per_pump @ volumes) * sheet.inlet_concentrations[places[vessel]]
    return dict(zip([item.name for item in sheet.species], amounts.tolist(), strict=True))


def _pressures(course: Course, member: _Member, pumped: _Pumped) -> dict[str, Trend]:
    """Pressure and flow at the ends of all segments: enough for the highest mean over 10 s."""
    resistances = hydraulics(member.sheet)
    series = SignalSeries(course.table, member.sheet, resistances)
    positions = [item.positions for item in member.segments]
    shown = np.zeros((2, len(positions)))
    for stand in set(positions):
        here = np.array([one == stand for one in positions])
        matrix = member.sheet.flow_map(stand)
        for row, flows in enumerate((pumped.first, pumped.last)):
            shown[row, here] = resistances.series(matrix, flows[here])[0][:, 0]
    time = np.stack([pumped.starts + 1e-6, pumped.ends]).T.ravel()
    flow = np.stack([part[:, 0] + part[:, 1] for part in (pumped.first, pumped.last)]).T.ravel()
    pressure = series.shown("Pressure.System", shown.T.ravel())
    return {
        "Pressure.System": Trend("Pressure.System", PRESSURE, time, pressure),
        "System.Flow": Trend("System.Flow", FLOW, time, flow),
    }
