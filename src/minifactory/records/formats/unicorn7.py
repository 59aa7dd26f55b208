"""UNICORN 6 and 7 results (``.zip``, ``.Result``): an archive of XML and of archives with the points of the
curves.

Found by decoding UNICORN 7.3 results: ``Chrom.N.Xml`` lists curves and events; the points of curve n are in
the inner archive ``Chrom.N_n_True``: ``CoordinateData.Amplitudes`` and, where they are not equidistant in
volume, ``CoordinateData.Volumes``, each one .NET array (:mod:`dotnet`). Time (or volume, for curves that
were calculated) is ``DistanceToStartPoint + i * DistanceBetweenPoints``. System, column, method, settings
and calibration are XML in inner archives of their own (:mod:`unicorn7_context`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from xml.etree.ElementTree import Element

import numpy as np

from minifactory import units
from minifactory.errors import Finding
from minifactory.records.chromatogram import (
    ChromatogramFile,
    Column,
    Curve,
    FloatArray,
    Fraction,
    Injection,
    LogEntry,
    LogKind,
)
from minifactory.records.formats import dotnet, logbook, unicorn7_context
from minifactory.records.formats.archive import Archive, Budget
from minifactory.records.formats.axes import with_both_axes
from minifactory.records.formats.markup import amount, parse, said
from minifactory.records.formats.quantities import measured, scale_of
from minifactory.records.formats.source import Raw, caution, fault

_AGAIN = "Export the result from UNICORN again."
_CHROMATOGRAM = re.compile(r"Chrom\.(\d+)\.xml", re.IGNORECASE)


def is_result(archive: Archive) -> bool:
    """Whether an archive is a UNICORN result."""
    return any(_CHROMATOGRAM.fullmatch(name) for name in archive.names) or "Result.xml" in archive


@dataclass(frozen=True)
class _Chromatogram:
    """What one ``Chrom.N.Xml`` holds."""

    curves: tuple[Curve, ...]
    log: tuple[LogEntry, ...]
    fractions: tuple[Fraction, ...]
    injections: tuple[Injection, ...]
    column_m3: float | None
    started: datetime | None


def read_unicorn7(raw: Raw, archive: Archive, budget: Budget) -> ChromatogramFile:
    """The result in a UNICORN 6 or 7 archive.

    Raises
    ------
    FormatError
        When it is damaged, incomplete, or unpacks to too much.
    """
    names = sorted((int(m[1]), name) for name in archive.names if (m := _CHROMATOGRAM.fullmatch(name)))
    if not names:
        found = "a result without a chromatogram (no Chrom.N.Xml)"
        raise fault(archive.where, found, "at least one chromatogram", _AGAIN)
    warnings: list[Finding] = []
    parts = [_chromatogram(archive, name, budget, warnings) for _, name in names]
    main = parts[0]
    curves = list(main.curves)
    for (number, _), part in zip(names[1:], parts[1:], strict=True):
        curves += [replace(curve, name=f"{curve.name} (Chrom.{number})") for curve in part.curves]
    if not curves:
        raise fault(archive.where, "a result without any curve", "at least one curve", _AGAIN)
    if len(parts) > 1:
        found = f"{len(parts)} chromatograms"
        remedy = "Log, fractions and injections are those of the first."
        warnings.append(caution(archive.where, found, "one", remedy))
    context = unicorn7_context.read_context(archive, budget, warnings)
    column = context.column or logbook.column_of(main.log)
    if column is None and main.column_m3:
        column = Column(volume_m3=main.column_m3)
    elif column is not None and column.volume_m3 is None:
        column = replace(column, volume_m3=main.column_m3)
    return with_both_axes(
        ChromatogramFile(
            source=raw.source("UNICORN 6-7 result", context.software),
            name=context.name or raw.path.stem,
            curves=tuple(curves),
            log=main.log,
            blocks=logbook.blocks_of(main.log),
            fractions=main.fractions,
            injections=main.injections,
            column=column,
            system=context.system,
            method=context.method,
            calibrations=context.calibrations,
            started=main.started or context.started,
            metadata=context.metadata,
            warnings=tuple(warnings),
        )
    )


def _chromatogram(archive: Archive, name: str, budget: Budget, warnings: list[Finding]) -> _Chromatogram:
    where = f"{archive.where}/{name}"
    root = parse(archive.read(name), where)
    curves = [_curve(archive, element, budget, warnings) for element in root.iterfind("Curves/Curve")]
    curves = _with_time(curves)
    events = {
        kind.get("EventCurveType", ""): _events(kind, where)
        for kind in root.iterfind("EventCurves/EventCurve")
    }
    first = root.find("Curves/Curve")
    return _Chromatogram(
        curves=tuple(curves),
        log=logbook.joined(_entry(event, *place) for event, *place in events.get("Logbook", [])),
        fractions=logbook.fractions_of(
            [(t, v, said(e, "EventText")) for e, t, v in events.get("Fraction", [])]
        ),
        injections=logbook.injections_of([(t, v, "") for e, t, v in events.get("Injection", [])]),
        column_m3=_scaled(
            amount(first, "ColumnVolume"), said(first, "ColumnVolumeUnitName", "ml"), units.VOLUME
        ),
        started=unicorn7_context.moment(first, "MethodStartTime"),
    )


def _scaled(value: float | None, unit: str, kind: units.Kind) -> float | None:
    scale = scale_of(unit, kind)
    return value * scale.factor if value is not None and scale is not None and np.isfinite(value) else None


def _curve(archive: Archive, element: Element, budget: Budget, warnings: list[Finding]) -> Curve:
    """One curve with all its points."""
    name = said(element, "Name", "curve")
    where = f'{archive.where} curve "{name}"'
    member = said(element, "CurvePoints/CurvePoint/BinaryCurvePointsFileName")
    if not member:
        raise fault(where, "no points", "the name of the member that holds them", _AGAIN)
    inner = Archive(archive.read(member), f"{archive.where}/{member}", budget)
    values = dotnet.numbers(inner.read("CoordinateData.Amplitudes"), f"{inner.where}/Amplitudes")
    time, volume = _isochrone(element, values.size)
    if "CoordinateData.Volumes" in inner:
        stored = dotnet.numbers(inner.read("CoordinateData.Volumes"), f"{inner.where}/Volumes")
        scale = scale_of(said(element, "VolumeUnit", "ml"), units.VOLUME)
        volume = stored * scale.factor if scale is not None else None
    if time is None and volume is None:
        raise fault(where, "neither a time nor a volume axis", "one of them", _AGAIN)
    optics = element.find("CurveUVInfo")
    normalised = said(optics, "IsUVValuesNormalizedToNominalUVPathLength").lower() == "true"
    path_length_mm = amount(optics, "NominalUVPathLength" if normalised else "UVPathLength")
    return measured(
        name,
        said(element, "AmplitudeUnit"),
        values,
        warnings,
        time_s=time,
        volume_m3=volume,
        path_length_m=path_length_mm * 1e-3 if path_length_mm is not None else None,
        derived=said(element, "IsOriginalData").lower() == "false",
        where=f"{archive.where} curve",
    )


def _isochrone(element: Element, count: int) -> tuple[FloatArray | None, FloatArray | None]:
    """Time (s) and volume (m^3) of equidistant points, one of them None."""
    step, start = amount(element, "DistanceBetweenPoints"), amount(element, "DistanceToStartPoint")
    kind = said(element, "IsoChroneType")
    if step is None or start is None or not (np.isfinite(step) and np.isfinite(start)):
        return None, None
    along = start + step * np.arange(count, dtype=np.float64)
    if kind == "Time" and (scale := scale_of(said(element, "TimeUnit", "min"), units.TIME)):
        return along * scale.factor, None
    if kind == "Volume" and (scale := scale_of(said(element, "VolumeUnit", "ml"), units.VOLUME)):
        return None, along * scale.factor
    return None, None


def _with_time(curves: list[Curve]) -> list[Curve]:
    """The curves, those without time given that of the finest curve at equal volume."""
    both = [c for c in curves if c.time_s is not None and c.volume_m3 is not None and c.values.size > 1]
    if not both:
        return curves
    finest = max(both, key=lambda curve: curve.values.size)
    time, volume = finest.time_s, finest.volume_m3
    result = []
    for curve in curves:
        if curve.time_s is None and curve.volume_m3 is not None and time is not None and volume is not None:
            rising = np.maximum.accumulate(np.nan_to_num(volume))
            curve = replace(curve, time_s=np.interp(curve.volume_m3, rising, time))
        result.append(curve)
    return result


def _events(curve: Element, where: str) -> list[tuple[Element, float | None, float | None]]:
    """The events of one event curve with time (s) and volume (m^3)."""
    in_time, in_volume = said(curve, "TimeUnit", "min"), said(curve, "VolumeUnit", "ml")
    found = []
    for event in curve.iterfind("Events/Event"):
        time = _scaled(amount(event, "EventTime"), in_time, units.TIME)
        volume = _scaled(amount(event, "EventVolume"), in_volume, units.VOLUME)
        if time is None and volume is None:
            text = said(event, "EventText")[:60]
            raise fault(where, f'event "{text}" without time and volume', "one of them", _AGAIN)
        found.append((event, time, volume))
    return found


def _entry(event: Element, time_s: float | None, volume_m3: float | None) -> LogEntry:
    """The log entry of one run log event."""
    origin, sort = event.get("EventType", ""), event.get("EventSubType", "")
    item = logbook.entry(time_s or 0.0, said(event, "EventText"), volume_m3, system=origin == "System")
    if sort == "SetMark":
        item = replace(item, kind=LogKind.MARK)
    return replace(item, manual=True) if origin == "Manual" else item
