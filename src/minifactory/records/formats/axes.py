"""The missing x axis: volume by integrating the flow, or time by integrating its inverse over the volume.

``V(t) = integral of F from 0 to t``: the trapezoid rule over the points of the flow curve, volume zero at
time zero (so negative before it). Where the flow curve does not reach, the flow instructions of the log
stand in for it. The error of one step of the flow is at most half a sampling interval times the step.

``t(V) = integral of 1/F from 0 to V`` for exports that carry volume only; times without flow are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from minifactory.errors import Finding
from minifactory.records.chromatogram import (
    Block,
    ChromatogramFile,
    Curve,
    FloatArray,
    Fraction,
    Injection,
    LogEntry,
    Signal,
)
from minifactory.records.formats.logbook import flow_set_points

_Spanned = TypeVar("_Spanned", Block, Fraction)


@dataclass(frozen=True, eq=False)
class VolumeAxis:
    """Volume (m^3) as a function of time (s), linear between points, shapes (n,).

    Beyond the ends it goes on with `flow_before` and `flow_after` (m^3/s).
    """

    time_s: FloatArray
    volume_m3: FloatArray
    flow_before: float
    flow_after: float

    def at(self, time_s: FloatArray | float) -> FloatArray:
        """Volume in m^3 at `time_s` (s), continued with the first and the last flow."""
        asked = np.asarray(time_s, dtype=np.float64)
        inside = np.interp(asked, self.time_s, self.volume_m3)
        before = np.minimum(asked - self.time_s[0], 0.0) * self.flow_before
        after = np.maximum(asked - self.time_s[-1], 0.0) * self.flow_after
        return np.asarray(inside + before + after, dtype=np.float64)

    def when(self, volume_m3: FloatArray | float) -> FloatArray:
        """Time in s at `volume_m3` (m^3), any of them where the flow stood still."""
        asked = np.asarray(volume_m3, dtype=np.float64)
        inside = np.interp(asked, np.maximum.accumulate(self.volume_m3), self.time_s)
        before = (
            np.minimum(asked - self.volume_m3[0], 0.0) / self.flow_before if self.flow_before > 0.0 else 0.0
        )
        after = (
            np.maximum(asked - self.volume_m3[-1], 0.0) / self.flow_after if self.flow_after > 0.0 else 0.0
        )
        return np.asarray(inside + before + after, dtype=np.float64)


def volume_axis(flow: Curve | None, set_points: Sequence[tuple[float, float]]) -> VolumeAxis | None:
    """The volume axis of a flow curve and of flow set-points (s, m^3/s), or None."""
    times: list[FloatArray] = []
    flows: list[FloatArray] = []
    begin = np.inf
    if flow is not None and flow.time_s is not None and flow.values.size > 1:
        keep = np.isfinite(flow.time_s) & np.isfinite(flow.values)
        time, value = flow.time_s[keep], flow.si[keep]
        order = np.argsort(time, kind="stable")
        time, value = time[order], value[order]
        if time.size > 1:
            begin = float(time[0])
            times, flows = [time], [value]
    early = _steps(sorted((p for p in set_points if p[0] < begin), key=_place), begin)
    if early is not None:
        times.insert(0, early[0])
        flows.insert(0, early[1])
    if not times:
        return None
    time = np.concatenate(times)
    value = np.concatenate(flows)
    volume = np.concatenate(([0.0], np.cumsum(0.5 * (value[1:] + value[:-1]) * np.diff(time))))
    unique = np.concatenate((np.diff(time) > 0.0, [True]))
    before = float(value[0]) if early is None else 0.0
    axis = VolumeAxis(time[unique], volume[unique], before, float(value[-1]))
    return replace(axis, volume_m3=axis.volume_m3 - float(axis.at(0.0)))


def _place(point: tuple[float, float]) -> float:
    return point[0]


def _steps(points: list[tuple[float, float]], end: float) -> tuple[FloatArray, FloatArray] | None:
    """Corners of a flow that is constant between set-points (s or m^3), up to `end`."""
    if not points:
        return None
    stop = end if np.isfinite(end) else points[-1][0]
    limits = [point[0] for point in points[1:]] + [stop]
    time = np.array([t for (start, _), limit in zip(points, limits, strict=True) for t in (start, limit)])
    flow = np.array([value for _, value in points for _ in range(2)])
    return time, flow


def with_both_axes(file: ChromatogramFile) -> ChromatogramFile:
    """`file` with volume or time filled in wherever only the other is known."""
    lacks_volume = any(curve.volume_m3 is None for curve in file.curves)
    lacks_time = any(curve.time_s is None for curve in file.curves)
    if not lacks_volume and not lacks_time:
        return _filled(file, _own_axis(file))
    flow = file.find(Signal.FLOW)
    timed = flow is not None and flow.time_s is not None
    points = flow_set_points(file.log)
    if timed or not lacks_time:
        axis = volume_axis(flow, [(time, flow) for time, _, flow in points if np.isfinite(time)])
    else:
        axis = _time_axis(flow, [(volume, flow) for _, volume, flow in points if volume is not None])
    if axis is None:
        missing = "volume" if lacks_volume else "time"
        found = "neither a flow curve nor flow instructions"
        where = Path(file.source.path).name
        warning = Finding(where, found, "flow", f"The {missing} axis stays empty.", "warning")
        return replace(file, warnings=(*file.warnings, warning))
    return _filled(file, axis)


def _own_axis(file: ChromatogramFile) -> VolumeAxis | None:
    """The axis of the finest curve, for marks that lack one of the two."""
    finest = max(file.curves, key=lambda curve: curve.values.size)
    if finest.time_s is None or finest.volume_m3 is None:
        return None
    rising = np.isfinite(finest.time_s) & np.isfinite(finest.volume_m3)
    time, volume = finest.time_s[rising], finest.volume_m3[rising]
    if time.size < 2 or np.any(np.diff(time) <= 0.0):
        return None
    return VolumeAxis(time, volume, 0.0, 0.0)


def _time_axis(flow: Curve | None, set_points: Sequence[tuple[float, float]]) -> VolumeAxis | None:
    """The axis of a flow known over volume (m^3) only: time by integrating 1/F where there is flow."""
    if flow is not None and flow.volume_m3 is not None:
        volume, value = flow.volume_m3, flow.si
    else:
        steps = _steps(sorted(set_points, key=_place), np.inf)
        if steps is None:
            return None
        volume, value = steps
    keep = np.isfinite(volume) & np.isfinite(value) & (value > 0.0)
    volume, value = volume[keep], value[keep]
    if not volume.size or np.any(np.diff(volume) < 0.0):
        return None
    time = np.cumsum(0.5 * (1.0 / value[1:] + 1.0 / value[:-1]) * np.diff(volume))
    axis = VolumeAxis(np.concatenate(([0.0], time)), volume, float(value[0]), float(value[-1]))
    return replace(axis, time_s=axis.time_s - float(axis.when(0.0)))


def _filled(file: ChromatogramFile, axis: VolumeAxis | None) -> ChromatogramFile:
    if axis is None:
        return file
    return replace(
        file,
        curves=tuple(_curve(curve, axis) for curve in file.curves),
        log=tuple(_marked(entry, axis) for entry in file.log),
        blocks=tuple(_spanned(block, axis) for block in file.blocks),
        fractions=tuple(_spanned(fraction, axis) for fraction in file.fractions),
        injections=tuple(_injected(injection, axis) for injection in file.injections),
    )


def _curve(curve: Curve, axis: VolumeAxis) -> Curve:
    if curve.volume_m3 is None and curve.time_s is not None:
        return replace(curve, volume_m3=axis.at(curve.time_s))
    if curve.time_s is None and curve.volume_m3 is not None:
        return replace(curve, time_s=axis.when(curve.volume_m3))
    return curve


def _at(axis: VolumeAxis, time_s: float | None) -> float | None:
    return None if time_s is None else float(axis.at(time_s))


def _when(axis: VolumeAxis, volume_m3: float | None) -> float | None:
    return None if volume_m3 is None else float(axis.when(volume_m3))


def _marked(entry: LogEntry, axis: VolumeAxis) -> LogEntry:
    if entry.volume_m3 is None:
        return replace(entry, volume_m3=_at(axis, entry.time_s))
    return entry if np.isfinite(entry.time_s) else replace(entry, time_s=float(axis.when(entry.volume_m3)))


def _injected(injection: Injection, axis: VolumeAxis) -> Injection:
    if injection.volume_m3 is None:
        return replace(injection, volume_m3=_at(axis, injection.time_s))
    return (
        injection
        if injection.time_s is not None
        else replace(injection, time_s=_when(axis, injection.volume_m3))
    )


def _spanned(item: _Spanned, axis: VolumeAxis) -> _Spanned:
    if item.start_m3 is None:
        return replace(item, start_m3=_at(axis, item.start_s), end_m3=_at(axis, item.end_s))
    if item.start_s is None or not np.isfinite(item.start_s):
        return replace(item, start_s=float(axis.when(item.start_m3)), end_s=_when(axis, item.end_m3))
    return item
