"""Curves out of a table of cells: UNICORN's exports (an x column per curve) and plain tables.

Two layouts are understood, with the columns in any order:

* three header rows (run or chromatogram, curve names, units) and pairs of columns x, y - ``.asc`` exports of
  UNICORN 3 to 5, text and Excel exports of UNICORN 6 and 7; the logbook, fractions and injections are
  columns of text;
* one header row such as ``time [s], UV 280 (mAU), Salt [mM]``, one or more x columns shared by all curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from minifactory import units
from minifactory.errors import Finding, FormatError
from minifactory.records.chromatogram import ChromatogramFile, Column, Curve, FloatArray, LogEntry
from minifactory.records.formats import logbook
from minifactory.records.formats.axes import with_both_axes
from minifactory.records.formats.headings import HOW, Group, Heading, layout, renamed
from minifactory.records.formats.quantities import measured, scale_of
from minifactory.records.formats.source import Raw, caution, fault
from minifactory.records.formats.text import (
    MISSING,
    MOST_CELLS,
    Cell,
    Rows,
    clock,
    decimal_sign,
    is_guessed,
    number,
)

_MOST_FINDINGS = 20
_DAY = 86400.0
_AXIS_KINDS = {"time": units.TIME, "volume": units.VOLUME}

Mark = tuple[float | None, float | None, str]


@dataclass
class _Table:
    """A table under the reader's eye: its rows, decimal sign, and the findings so far."""

    rows: Rows
    start: int
    decimal: str
    where: str
    first_line: int
    warnings: list[Finding] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def cell(self, row: int, column: int) -> Cell:
        cells = self.rows[row]
        return cells[column] if column < len(cells) else None


def read_table(
    raw: Raw, rows: Rows, format_name: str, headings: Sequence[str] = (), sheet: str = ""
) -> ChromatogramFile:
    """The result in a table of cells.

    Parameters
    ----------
    raw : Raw
        The file, for the record and for messages.
    rows : list of rows of cells
        Text, or numbers where the format knows them.
    format_name : str
        What the record calls the format.
    headings : sequence of str
        Headings of a table that has none, e.g. ``["time [s]", "UV [mAU]"]``.
    sheet : str
        Name of the sheet, for messages.

    Raises
    ------
    FormatError
        No x column, no curves, or cells that are no numbers.
    """
    where = f"{raw.where}[{sheet}]" if sheet else raw.where
    if sum(len(row) for row in rows) > MOST_CELLS:
        raise fault(where, "more than 40 million cells", "fewer", "Export the curves of interest only.")
    if headings:
        rows = [list(headings), *rows]
    decimal = decimal_sign(rows[:2000])
    groups, start = layout(rows, decimal, where)
    table = _Table(rows, start, decimal, where, 0 if headings else 1)
    if decimal == "," and is_guessed(rows[:2000]):
        remedy = "It is taken for the decimal sign; export with a decimal point if it parts thousands."
        table.warnings.append(caution(where, "a comma before three digits in every number", "", remedy))
    table.warnings += _unnamed(table, groups)
    marks = {events: _marks(table, groups, events) for events in ("log", "fractions", "injections")}
    log = tuple(
        logbook.entry(np.nan if time is None else time, text, volume) for time, volume, text in marks["log"]
    )
    log = logbook.joined(log)
    column = logbook.column_of(log)
    names: set[str] = set()
    curves: list[Curve] = []
    for group in (renamed(group, names) for group in groups):
        curves += [c for y in group.y if not y.events and (c := _curve(table, group, y, column)) is not None]
    if table.findings:
        raise FormatError(table.findings[:_MOST_FINDINGS])
    if not curves:
        raise fault(where, "a table without any curve", "a column of numbers beside an x column", HOW)
    runs = {heading.run for group in groups for heading in group.y if heading.run}
    file = ChromatogramFile(
        source=raw.source(format_name),
        name=next(iter(sorted(runs)), raw.path.stem),
        curves=tuple(curves),
        log=log,
        blocks=logbook.blocks_of(log),
        fractions=logbook.fractions_of(_fraction_marks(table, marks["fractions"], log, curves)),
        injections=logbook.injections_of(marks["injections"]),
        column=column,
        started=logbook.started_at(log),
        metadata={"method": logbook.method_name(log)} if logbook.method_name(log) else {},
        warnings=tuple(table.warnings),
    )
    return with_both_axes(file)


def _unnamed(table: _Table, groups: Sequence[Group]) -> list[Finding]:
    """A warning of columns that hold numbers, but have no heading."""
    known = {heading.index for group in groups for heading in (*group.x, *group.y)}
    lone = [h.index for group in groups for h in group.x]
    sample = table.rows[table.start : table.start + 100]
    width = max((len(row) for row in sample), default=0)
    named = {i for row in table.rows[: table.start] for i, cell in enumerate(row) if str(cell or "").strip()}
    found = [
        str(index + 1)
        for index in range(width)
        if index not in known and index not in lone and index not in named
        if any(index < len(row) and number(row[index], table.decimal) is not None for row in sample)
    ]
    if not found:
        return []
    columns = f"numbers without a heading in column {', '.join(found[:8])}"
    return [caution(table.where, columns, "a name and a unit above them", "They are left out.")]


def _x_number(table: _Table, row: int, x: Heading) -> float | None:
    """The number in an x column; of a clock seconds."""
    cell = table.cell(row, x.index)
    return clock(cell) if x.clock else number(cell, table.decimal)


def _axis_value(table: _Table, row: int, x: Heading) -> float | None:
    value = _x_number(table, row, x)
    scale = scale_of(x.unit, _AXIS_KINDS[x.axis]) if x.axis in _AXIS_KINDS else None
    return None if value is None or scale is None or not np.isfinite(value) else value * scale.factor


def _marks(table: _Table, groups: Sequence[Group], events: str) -> list[Mark]:
    """Marks of one sort, in the order of the file: time (s), volume (m^3) and text."""
    found: list[Mark] = []
    for group in groups:
        for heading in group.y:
            if heading.events != events:
                continue
            for row in range(table.start, len(table.rows)):
                text = table.cell(row, heading.index)
                values = {x.axis: _axis_value(table, row, x) for x in group.x}
                if text is not None and str(text).strip() and any(v is not None for v in values.values()):
                    found.append((values.get("time"), values.get("volume"), str(text).strip()))
    return found


def _curve(table: _Table, group: Group, y: Heading, column: Column | None) -> Curve | None:
    """The curve of one column, all rows that hold a value, or None for an empty column."""
    values: list[float] = []
    missing = 0
    axes: dict[str, list[float]] = {x.axis: [] for x in group.x}
    for row in range(table.start, len(table.rows)):
        cell = table.cell(row, y.index)
        if cell is None or cell == "":
            continue
        value = number(cell, table.decimal)
        if value is None and str(cell).strip().lower() in MISSING:
            missing += 1
            continue
        along = [_x_number(table, row, x) for x in group.x]
        if value is None or any(item is None for item in along):
            if len(table.findings) < _MOST_FINDINGS:
                table.findings.append(_odd_cell(table, row, y, cell if value is None else None))
            continue
        values.append(value)
        for x, item in zip(group.x, along, strict=True):
            axes[x.axis].append(item if item is not None else np.nan)
    where = f'{table.where} "{y.name}"'
    if missing:
        found = f"{missing} of {missing + len(values)} values are missing"
        table.warnings.append(caution(where, found, "", "These points are left out."))
    if not values:
        if not table.findings and not missing:
            table.warnings.append(caution(where, "no values", "a curve", "It is left out."))
        return None
    arrays = {axis: np.asarray(points, dtype=np.float64) for axis, points in axes.items()}
    if any(x.clock for x in group.x):
        arrays["time"] = _since_first(arrays["time"])
    time, volume = _si_axes(table, group, y, arrays, column)
    if time is None and volume is None:
        return None
    data = np.asarray(values, dtype=np.float64)
    if time is not None and np.any(np.diff(time) < 0.0):
        table.warnings.append(caution(where, "time that runs backwards", "rising time"))
    return measured(
        y.name, y.unit, data, table.warnings, time_s=time, volume_m3=volume, where=f"{table.where} curve"
    )


def _since_first(time: FloatArray) -> FloatArray:
    """Seconds since the first point of times of day, which begin anew at midnight."""
    days = np.cumsum(np.diff(time, prepend=time[:1]) < -0.5 * _DAY)
    return np.asarray(time - time[0] + _DAY * days)


def _odd_cell(table: _Table, row: int, y: Heading, cell: Cell) -> Finding:
    shown = "no x value" if cell is None else f'"{str(cell)[:40]}" is no number'
    line = row + table.first_line
    expected = f'a number with decimal sign "{table.decimal}"'
    return Finding(
        f'{table.where}:{line} "{y.name}"', shown, expected, "Correct the line or export the result again."
    )


def _si_axes(
    table: _Table, group: Group, y: Heading, arrays: dict[str, FloatArray], column: Column | None
) -> tuple[FloatArray | None, FloatArray | None]:
    """Time (s) and volume (m^3) of a curve's points."""
    time = volume = None
    for x in group.x:
        if x.axis == "cv":
            if volume is not None or "volume" in arrays:
                continue
            if column is None or column.volume_m3 is None:
                if len(group.x) == 1:
                    found = "an axis in CV, but no column volume"
                    expected = 'a log line such as "Base CV, 50.27 {ml}"'
                    remedy = "Export with a volume or time axis."
                    table.findings.append(Finding(f'{table.where} "{y.name}"', found, expected, remedy))
                continue
            volume = arrays["cv"] * column.volume_m3
            continue
        scale = scale_of(x.unit, _AXIS_KINDS[x.axis])
        if scale is not None and x.axis == "time":
            time = arrays["time"] * scale.factor
        elif scale is not None:
            volume = arrays["volume"] * scale.factor
    return time, volume


def _fraction_marks(
    table: _Table, marks: list[Mark], log: Sequence[LogEntry], curves: Sequence[Curve]
) -> list[Mark]:
    """The fraction marks on the axis of the curves.

    Some exports count fractions from the method start while everything else counts from a later zero: then
    the marks run past the end of the run by exactly the log's time before zero, and are moved back by it.
    """
    times = [time for time, _, _ in marks if time is not None]
    early = min((entry.time_s for entry in log if np.isfinite(entry.time_s)), default=0.0)
    ends = [float(np.max(curve.time_s)) for curve in curves if curve.time_s is not None]
    if not times or not ends or early >= 0.0:
        return marks
    end = max(*ends, *(entry.time_s for entry in log if np.isfinite(entry.time_s)))
    if max(times) <= end or max(times) + early > end or min(times) < 0.0:
        return marks
    found = f"fractions up to {max(times) / 60:.1f} min, but the run ends at {end / 60:.1f} min"
    remedy = f"They are taken to count from the method start and moved by {early / 60:.2f} min."
    table.warnings.append(caution(table.where, found, "marks within the run", remedy))
    return [(time + early if time is not None else None, volume, text) for time, volume, text in marks]
