"""What a run did to the liquid: flows, valves and washes, as segments that drive the digital factory.

The executed course comes from the data themselves: flow and %B curves, and valve positions from their trends
(our own runs) or from the log (chromatography files). A pump wash that the file's time axis leaves out is put
in, and the axis stretched by it. Data without any of that follow the case's own recipe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.data import FLOW, PERCENT_B, Data
from minifactory.calibration.generation.acts import Act, Deed, acts
from minifactory.errors import Finding, InputError
from minifactory.records.run import Run, Trend
from minifactory.twin.flowsheet import Flowsheet
from minifactory.twin.machine import WASH_DURATION, WASH_FLOW
from minifactory.twin.pumps import Segment

Array = NDArray[np.float64]

STRAIGHT = 2e-3
"""Deviation from a straight line, relative to the largest flow, that a segment may have."""
SHORTEST = 1e-6
"""s."""


@dataclass(frozen=True)
class Course:
    """The segments of a run (shown flows, before pump gains), and where its own time axis lies on theirs.

    Parameters
    ----------
    segments : tuple of Segment
    own, driven : ndarray (k,)
        Times of the run (s), and the same instants on the axis of the segments.
    zeros : tuple of float
        Times (s, of the run) of auto-zeros.
    findings : tuple of Finding
        What had to be assumed.
    """

    segments: tuple[Segment, ...]
    own: Array
    driven: Array
    zeros: tuple[float, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    def at(self, times: Array) -> Array:
        """Times of the run on the axis of the segments (s)."""
        # At a wash the shift jumps: the later one holds from its instant on.
        place = np.clip(np.searchsorted(self.own, times, side="right") - 1, 0, self.own.size - 1)
        return np.asarray(times + (self.driven - self.own)[place])

    def until(self, time: float) -> Course:
        """The same without the segments that begin after `time` (s, of the segments)."""
        return replace(self, segments=tuple(s for s in self.segments if s.start < time) or self.segments[:1])

    @property
    def end(self) -> float:
        """s, on the axis of the segments."""
        return self.segments[-1].end


def course_of(data: Data, sheet: Flowsheet, first: tuple[int, ...], planned: Run | None = None) -> Course:
    """The course of `data` on the skid of `sheet`, whose valves stand at `first` to begin with.

    `planned` is the predicted run of the case's own recipe, for data that tell neither flow nor valves.

    Raises
    ------
    InputError
        Nothing tells what was pumped.
    """
    run = data.run
    if FLOW not in run.trends:
        if planned is None:
            raise InputError(
                Finding(data.name, "no flow curve", "the flow of the run", "Export the flow with the curves.")
            )
        made = course_of(Data("recipe", planned, ""), sheet, first)
        told = Finding(
            data.name,
            "the data tell neither flow nor valves",
            remedy="They are taken as a run of the case's own recipe.",
            severity="warning",
        )
        return replace(made, findings=(*made.findings, told))
    switches, washes, zeros, findings = _switches(data, sheet, first)
    if not switches and planned is not None and not _has_positions(run, sheet):
        switches = _switches(Data("recipe", planned, ""), sheet, first)[0]
        findings = (
            *findings,
            Finding(
                data.name,
                "the data do not tell the valves",
                remedy="They are taken from the case's own recipe, at its times.",
                severity="warning",
            ),
        )
    knots = _knots(run, [time for time, _ in switches], [time for time, _, _ in washes])
    return _assemble(knots, switches, washes, first, zeros, findings)


def _has_positions(run: Run, sheet: Flowsheet) -> bool:
    return any(f"{valve}.Position" in run.trends for valve in sheet.valves)


Switches = list[tuple[float, tuple[int, int]]]
Washes = list[tuple[float, int, float]]


def _switches(
    data: Data, sheet: Flowsheet, first: tuple[int, ...]
) -> tuple[Switches, Washes, tuple[float, ...], tuple[Finding, ...]]:
    """(time, (valve, position)) in order; (time, pump, duration) of washes off the axis; auto-zeros."""
    found: Switches = []
    for place, valve in enumerate(sheet.valves):
        trend = data.run.trends.get(f"{valve}.Position")
        if trend is None or not trend.values.size:
            continue
        values = trend.values.astype(int)
        if values[0] != first[place]:
            found.append((float(trend.time[0]), (place, int(values[0]))))
        changes = np.flatnonzero(np.diff(values)) + 1
        found += [(float(trend.time[i]), (place, int(values[i]))) for i in changes]
    if found or data.file is None:
        zeros = tuple(e.time for e in data.run.events if "autozero" in e.text.lower().replace(" ", ""))
        return sorted(found, key=lambda item: item[0]), [], zeros, ()
    return _from_log(data, sheet)


def _from_log(
    data: Data, sheet: Flowsheet
) -> tuple[Switches, Washes, tuple[float, ...], tuple[Finding, ...]]:
    assert data.file is not None
    shift = _shift(data)
    switches: Switches = []
    washes: Washes = []
    zeros: list[float] = []
    unknown: list[str] = []
    for act in acts(data.file.log, sheet.skid.devices):
        time = act.time - shift
        if act.deed is Deed.VALVE and act.name in sheet.valves:
            place = sheet.valves.index(act.name)
            names = sheet.positions[act.name]
            if act.position in names:
                switches.append((time, (place, names.index(act.position))))
            else:
                unknown.append(f"{act.name} {act.position}")
        elif act.deed is Deed.PUMP_WASH:
            washes.append((time, 0 if act.name == "A" else 1, WASH_DURATION))
        elif act.deed is Deed.AUTO_ZERO:
            zeros.append(time)
    findings = tuple(
        Finding(data.name, f"{text} is not a position of skid {sheet.skid.name}", severity="warning")
        for text in dict.fromkeys(unknown)
    )
    return switches, washes, tuple(zeros), findings


def _shift(data: Data) -> float:
    """What the run's time axis is behind the file's, s."""
    assert data.file is not None
    entry = next((item for item in data.file.log if np.isfinite(item.time_s)), None)
    if entry is None or not data.run.events:
        return 0.0
    return float(entry.time_s - data.run.events[0].time)


def _knots(run: Run, switched: Sequence[float], washed: Sequence[float]) -> Array:
    """Times between which the flows are straight, shown flows a and b, washes a and b in m3/s: (k, 5)."""
    flow = run.trends[FLOW]
    end = max(float(flow.time[-1]), *(float(t.time[-1]) for t in run.trends.values() if t.time.size))
    times = np.unique(np.concatenate([flow.time, _times(run.trends.get(PERCENT_B)), [0.0, end]]))
    times = times[(times >= 0.0) & (times <= end)]
    table = _flows(run, times)
    keep = straight(times, table, STRAIGHT * max(float(np.abs(table).max()), 1e-30))
    knots = np.unique(np.concatenate([times[keep], [t for t in (*switched, *washed) if 0.0 < t < end]]))
    return np.concatenate([knots[:, None], _flows(run, knots)], axis=1)


def _times(trend: Trend | None) -> Array:
    return np.zeros(0) if trend is None else trend.time


def _flows(run: Run, times: Array) -> Array:
    total = np.maximum(run.trends[FLOW].at(times), 0.0)
    percent = run.trends.get(PERCENT_B)
    part = np.zeros_like(total) if percent is None else np.clip(0.01 * percent.at(times), 0.0, 1.0)
    a, b = total * (1.0 - part), total * part
    washes = []
    for tag, own in (("PumpA.Flow", a), ("PumpB.Flow", b)):
        shown = run.trends.get(tag)
        extra = np.zeros_like(total) if shown is None else np.maximum(shown.at(times) - own, 0.0)
        washes.append(np.where(extra > 0.02 * max(float(total.max()), 1e-30), extra, 0.0))
    return np.stack([a, b, *washes], axis=1)


def straight(times: Array, table: Array, tolerance: float) -> NDArray[np.intp]:
    """Indices of the points between which straight lines stay within `tolerance` of `table` (n, k)."""
    keep = {0, times.size - 1}
    waiting = [(0, times.size - 1)]
    while waiting:
        low, high = waiting.pop()
        if high - low < 2:
            continue
        part = (times[low : high + 1] - times[low]) / max(times[high] - times[low], SHORTEST)
        line = table[low] + part[:, None] * (table[high] - table[low])
        gaps = np.abs(table[low : high + 1] - line).max(axis=1)
        worst = int(np.argmax(gaps))
        if gaps[worst] > tolerance:
            keep.add(low + worst)
            waiting += [(low, low + worst), (low + worst, high)]
    return np.array(sorted(keep))


def _assemble(
    knots: Array,
    switches: Switches,
    washes: Washes,
    first: tuple[int, ...],
    zeros: tuple[float, ...],
    findings: tuple[Finding, ...],
) -> Course:
    """Segments between the knots; washes that the axis leaves out stretch it."""
    positions, shift = list(first), 0.0
    segments: list[Segment] = []
    own, driven = [0.0], [0.0]
    pending = sorted(switches, key=lambda item: item[0])
    due = sorted(washes, key=lambda item: item[0])
    for (start, *before), (end, *after) in zip(knots[:-1].tolist(), knots[1:].tolist(), strict=True):
        while pending and pending[0][0] <= start + SHORTEST:
            _, (place, position) = pending.pop(0)
            positions[place] = position
        while due and due[0][0] <= start + SHORTEST:
            _, pump, duration = due.pop(0)
            flows = [WASH_FLOW if pump == at else 0.0 for at in (0, 1)]
            begin = start + shift
            still = (0.0, 0.0, 0.0, 0.0)
            segments.append(Segment(begin, begin + duration, *still, flows[0], flows[1], tuple(positions)))
            shift += duration
            own.append(start)
            driven.append(start + shift)
        if end - start <= SHORTEST:
            continue
        wash = [0.5 * (before[at] + after[at]) for at in (2, 3)]
        segments.append(
            Segment(
                start + shift,
                end + shift,
                before[0],
                after[0],
                before[1],
                after[1],
                wash[0],
                wash[1],
                tuple(positions),
            )
        )
    return Course(tuple(segments), np.array(own), np.array(driven), zeros, findings)


def acts_of(data: Data, sheet: Flowsheet) -> tuple[Act, ...]:
    """The log of a file in deeds; empty for runs of our own."""
    return acts(data.file.log, sheet.skid.devices) if data.file is not None else ()


def windows(data: Data, kinds: Mapping[str, str]) -> list[tuple[str, float, float]]:
    """(kind of phase, start, end) in s; blocks of a file by the beginnings of words in their names."""
    found = []
    for phase in data.run.phases:
        kind = phase.kind
        if kind == "block":
            words = phase.path.lower().replace("_", " ").split()
            kind = next(
                (k for start, k in kinds.items() for word in words if word.startswith(start)), "other"
            )
        found.append((kind, phase.start, phase.end))
    return found
