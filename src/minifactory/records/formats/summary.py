"""What is inside a chromatography file, in a form that prints and that becomes JSON.

:func:`summarise` is what ``minifactory import FILE`` shows; :func:`plot` draws it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minifactory.records.chromatogram import ChromatogramFile, Curve, FloatArray


@dataclass(frozen=True)
class CurveSummary:
    """One curve: what it is, how many points, and its range in the file's unit; span in s and m^3."""

    name: str
    signal: str
    unit: str
    points: int
    lowest: float | None
    highest: float | None
    time_s: tuple[float, float] | None
    volume_m3: tuple[float, float] | None
    derived: bool


@dataclass(frozen=True)
class BlockSummary:
    """One executed block: start and duration in s, volume in m^3 and in column volumes."""

    name: str
    depth: int
    start_s: float | None
    duration_s: float | None
    volume_m3: float | None
    column_volumes: float | None


@dataclass(frozen=True)
class Summary:
    """What is inside a file."""

    path: str
    sha256: str
    format: str
    software: str
    name: str
    started: str
    duration_s: float | None
    volume_m3: float | None
    column: str
    column_volume_m3: float | None
    system: str
    method: str
    method_steps: int
    curves: tuple[CurveSummary, ...]
    blocks: tuple[BlockSummary, ...]
    fractions: int
    collected_m3: float | None
    injections: tuple[float, ...]
    log_entries: int
    manual: tuple[str, ...]
    calibrations: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain values for JSON."""
        return asdict(self)


def summarise(file: ChromatogramFile) -> Summary:
    """What is inside `file`: curves, blocks, fractions, column, system, method and warnings."""
    measured = [curve for curve in file.curves if not curve.derived]
    column_volume = file.column.volume_m3 if file.column else None
    times = [span for curve in measured if (span := _span(curve.time_s))]
    volumes = [span for curve in measured if (span := _span(curve.volume_m3))]
    system = file.system
    method = file.method.name if file.method else ""
    return Summary(
        path=file.source.path,
        sha256=file.source.sha256,
        format=file.source.format,
        software=file.source.software,
        name=file.name,
        started=file.started.isoformat(" ", "seconds") if file.started else "",
        duration_s=_extent(times),
        volume_m3=_extent(volumes),
        column=file.column.name if file.column else "",
        column_volume_m3=column_volume,
        system=" · ".join(part for part in (system.name, system.configuration) if part) if system else "",
        method=method or file.metadata.get("method", ""),
        method_steps=len(file.method.steps) if file.method else 0,
        curves=tuple(_curve(curve) for curve in file.curves),
        blocks=tuple(_blocks(file, column_volume)),
        fractions=sum(not fraction.waste for fraction in file.fractions),
        collected_m3=_collected(file),
        injections=tuple(mark.time_s for mark in file.injections if mark.time_s is not None),
        log_entries=len(file.log),
        manual=tuple(entry.text for entry in file.log if entry.manual),
        calibrations=tuple(item.sensor for item in file.calibrations),
        warnings=tuple(str(warning) for warning in file.warnings),
    )


def _span(axis: FloatArray | None) -> tuple[float, float] | None:
    finite = axis[np.isfinite(axis)] if axis is not None else np.empty(0)
    return (float(finite.min()), float(finite.max())) if finite.size else None


def _extent(spans: list[tuple[float, float]]) -> float | None:
    return max(span[1] for span in spans) - min(span[0] for span in spans) if spans else None


def _curve(curve: Curve) -> CurveSummary:
    span = _span(curve.values)
    return CurveSummary(
        name=curve.name,
        signal=curve.signal.value,
        unit=curve.unit,
        points=int(curve.values.size),
        lowest=span[0] if span else None,
        highest=span[1] if span else None,
        time_s=_span(curve.time_s),
        volume_m3=_span(curve.volume_m3),
        derived=curve.derived,
    )


def _blocks(file: ChromatogramFile, column_volume: float | None) -> list[BlockSummary]:
    found = []
    for block in file.blocks:
        known = block.start_m3 is not None and block.end_m3 is not None
        volume = (block.end_m3 or 0.0) - (block.start_m3 or 0.0) if known else None
        found.append(
            BlockSummary(
                name=block.name,
                depth=block.depth,
                start_s=_known(block.start_s),
                duration_s=_known(block.end_s - block.start_s) if block.end_s is not None else None,
                volume_m3=volume,
                column_volumes=volume / column_volume if volume is not None and column_volume else None,
            )
        )
    return found


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _collected(file: ChromatogramFile) -> float | None:
    """Volume (m^3) that went into fractions, as far as their ends are known."""
    parts = [
        fraction.end_m3 - fraction.start_m3
        for fraction in file.fractions
        if not fraction.waste and fraction.start_m3 is not None and fraction.end_m3 is not None
    ]
    return float(sum(parts)) if parts else None
