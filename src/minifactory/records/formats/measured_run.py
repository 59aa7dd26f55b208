"""A measured result as a :class:`~minifactory.records.run.Run`, so that every analysis works on it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minifactory.records.chromatogram import ChromatogramFile, Curve, FloatArray, LogEntry, Signal
from minifactory.records.run import Event, PhaseRecord, PoolRecord, Run, Trend

TAGS: Mapping[Signal, str] = {
    Signal.UV: "UV{number}.Signal",
    Signal.CONDUCTIVITY: "Cond.Signal",
    Signal.PH: "pH.Signal",
    Signal.FLOW: "System.Flow",
    Signal.PERCENT_B: "Gradient.PercentB",
    Signal.PRESSURE: "Pressure.System",
    Signal.TEMPERATURE: "Cond.Temperature",
}
"""The tag that takes the first measured curve of a signal (the system's, of pressures); UV is numbered."""


def as_run(file: ChromatogramFile, tags: Mapping[Signal, str] = TAGS) -> Run:
    """The run that `file` records: trends by tag, blocks as phases, log as events, fractions as pools.

    Times are moved so that the run starts at 0 s. Curves without a tag keep their own name; curves without a
    time axis and curves calculated after the run are left out. Amounts are unknown.
    """
    curves = [curve for curve in file.curves if curve.time_s is not None and not curve.derived]
    starts = [float(np.nanmin(c.time_s)) for c in curves if c.time_s is not None and c.time_s.size]
    starts += [entry.time_s for entry in file.log if np.isfinite(entry.time_s)]
    zero = min(starts, default=0.0)
    curves.sort(key=lambda c: c.signal is Signal.PRESSURE and "system" not in c.name.lower())
    trends = {trend.name: trend for trend in _trends(curves, tags, zero)}
    column_volume = (file.column.volume_m3 if file.column else None) or 0.0
    return Run(
        identifier=file.name,
        origin="skid",
        state="Complete",
        skid=file.system.name if file.system else "",
        recipe=(file.method.name if file.method else "") or file.metadata.get("method", ""),
        trends=trends,
        phases=tuple(_phases(file, zero, column_volume)),
        events=tuple(_event(entry, zero) for entry in file.log if np.isfinite(entry.time_s)),
        pools=tuple(_pools(file, zero)),
        column_volume=column_volume,
        provenance={
            "file": file.source.path,
            "sha256": file.source.sha256,
            "format": file.source.format,
            "software": file.source.software,
            "started": file.started.isoformat() if file.started else "",
        },
    )


def _trends(curves: list[Curve], tags: Mapping[Signal, str], zero: float) -> list[Trend]:
    counts: dict[Signal, int] = {}
    found = []
    for curve in curves:
        number = counts[curve.signal] = counts.get(curve.signal, 0) + 1
        tag = tags.get(curve.signal, "").format(number=number)
        if not tag or (number > 1 and tag == tags.get(curve.signal)):
            tag = curve.name
        time, values = _ascending(curve)
        found.append(Trend(tag, curve.kind, time - zero, values))
    return found


def _ascending(curve: Curve) -> tuple[FloatArray, FloatArray]:
    """The curve's finite points in SI units, in order of time."""
    time = curve.time_s if curve.time_s is not None else np.empty(0)
    keep = np.isfinite(time) & np.isfinite(curve.values)
    order = np.argsort(time[keep], kind="stable")
    return time[keep][order], curve.si[keep][order]


def _phases(file: ChromatogramFile, zero: float, column_volume: float) -> list[PhaseRecord]:
    """The outermost blocks; one that was ended by hand says so."""
    by_hand = [entry.time_s for entry in file.log if entry.manual and "break" in entry.text.lower()]
    found = []
    for block in file.blocks:
        if block.depth or block.end_s is None or not np.isfinite(block.start_s):
            continue
        known = block.start_m3 is not None and block.end_m3 is not None
        volume = (block.end_m3 or 0.0) - (block.start_m3 or 0.0) if known else 0.0
        ended = any(abs(time - block.end_s) < 2.0 for time in by_hand)
        reason = "advanced by hand" if ended else "completed"
        start, end = block.start_s - zero, block.end_s - zero
        found.append(PhaseRecord(block.name, "block", start, end, volume, column_volume, reason))
    return found


def _event(entry: LogEntry, zero: float) -> Event:
    origin = "operator" if entry.manual else "method"
    return Event(entry.time_s - zero, entry.kind.value, origin, entry.text)


def _pools(file: ChromatogramFile, zero: float) -> list[PoolRecord]:
    found = []
    for part in file.fractions:
        if part.start_s is None or part.end_s is None or part.start_m3 is None or part.end_m3 is None:
            continue
        found.append(
            PoolRecord(part.name, part.start_s - zero, part.end_s - zero, part.end_m3 - part.start_m3)
        )
    return found
