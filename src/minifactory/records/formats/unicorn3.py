"""UNICORN 3 to 5 results (``.res``): one binary file, little-endian, whose blocks describe themselves.

Found by decoding AKTAprime (3.10) results; the layout:

* header: ``11 47 11 47``, then int32 words: greatest number of entries, offset of the directory, offset of
  the first block, size of the file, 0; a string with the version; at 0x68 start and end as Unix time; at
  0x76 the system;
* directory: entries of 344 bytes: three 16-bit words (1, class, type), name (296 bytes), then at 302 the
  block's size, allotted size, offset and the offset of the data in the block;
* a block of class 4 is a table: 16-bit words 6, number of stored columns, number of implied axes, then per
  axis and column 78 bytes: size 78, flags, name (40), unit (16), bytes per value, type (1 int32, 3 double, 4
  text), factor and offset as doubles. Rows follow, packed. An implied axis is not stored: it is ``row *
  factor + offset``. Flags of axes are 0x8001 (time) and 0x8002 (volume);
* blocks of class 2 are texts and settings; "CreationNotes" holds the dump of an AKTAprime method.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from minifactory import units
from minifactory.errors import Finding
from minifactory.records.chromatogram import (
    ChromatogramFile,
    Curve,
    FloatArray,
    LogEntry,
    Method,
    MethodStep,
    System,
)
from minifactory.records.formats import logbook
from minifactory.records.formats.axes import with_both_axes
from minifactory.records.formats.quantities import measured, scale_of
from minifactory.records.formats.source import Raw, fault

MAGIC = bytes.fromhex("11471147")
_ENTRY = 344
_DESCRIPTOR = 78
_TABLE = 4
_TIME, _VOLUME = 0x8001, 0x8002
_AGAIN = "Copy the result again, or export it from UNICORN as .asc."

Mark = tuple[float | None, float | None, str]


@dataclass(frozen=True)
class _Entry:
    """One line of the directory."""

    name: str
    kind: int
    size: int
    offset: int


@dataclass(frozen=True)
class _Column:
    """One axis or column of a table block."""

    flags: int
    name: str
    unit: str
    dtype: str
    factor: float
    offset: float


def read_unicorn3(raw: Raw) -> ChromatogramFile:
    """The result in a UNICORN 3 to 5 file.

    Raises
    ------
    FormatError
        When it is damaged or cut short.
    """
    entries = _directory(raw)
    warnings: list[Finding] = []
    curves: list[Curve] = []
    marks: dict[str, list[Mark]] = {"log": [], "fractions": [], "injections": []}
    run = ""
    for entry in entries:
        if entry.kind != _TABLE:
            continue
        axes, columns, rows = _table(raw, entry)
        prefix, _, name = entry.name.rpartition(":")
        run = run or prefix
        name = name.partition("_")[2] or name
        if any(column.dtype.startswith("S") for column in columns):
            marks[_sort(name)] += _marks(axes, columns, rows)
        else:
            curves.append(_curve(name, axes, columns, rows, warnings, raw.where))
    if not curves:
        raise fault(raw.where, "a result without any curve", "at least one curve", _AGAIN)
    log = logbook.joined(logbook.entry(time or 0.0, text, volume) for time, volume, text in marks["log"])
    notes = _text(raw, entries, "CreationNotes")
    return with_both_axes(
        ChromatogramFile(
            source=raw.source(
                "UNICORN 3-5 result", raw.content[24:48].split(b"\0")[0].decode("cp1252", "replace")
            ),
            name=run or raw.path.stem,
            curves=tuple(curves),
            log=log,
            blocks=logbook.blocks_of(log),
            fractions=logbook.fractions_of(marks["fractions"]),
            injections=logbook.injections_of(_injections(marks["injections"], log)),
            column=logbook.column_of(log),
            system=System(name=raw.content[0x76:0x9E].split(b"\0")[0].decode("cp1252", "replace").strip()),
            method=_method(notes),
            started=_start(raw, log),
            metadata={"method notes": notes} if notes else {},
            warnings=tuple(warnings),
        )
    )


def _directory(raw: Raw) -> list[_Entry]:
    content = raw.content
    if len(content) < 48 or not content.startswith(MAGIC):
        raise fault(raw.where, "a file cut short in its header", "a UNICORN 3 to 5 result", _AGAIN)
    most, start, _, size = struct.unpack_from("<4I", content, 4)
    if size > len(content):
        raise fault(raw.where, f"{len(content)} bytes", f"{size} bytes as its header says", _AGAIN)
    entries: list[_Entry] = []
    for index in range(min(most, 4096)):
        place = start + index * _ENTRY
        if place + _ENTRY > len(content):
            raise fault(raw.where, "a directory cut short", f"{most} entries", _AGAIN)
        _, kind, _ = struct.unpack_from("<3H", content, place)
        name = content[place + 6 : place + 302].split(b"\0")[0].decode("cp1252", "replace")
        if not name:
            break
        length, _, offset, _ = struct.unpack_from("<4I", content, place + 302)
        if offset + length > len(content):
            raise fault(
                f'{raw.where} block "{name}"', "a block beyond the end of the file", "a whole file", _AGAIN
            )
        entries.append(_Entry(name, kind, length, offset))
    return entries


def _table(raw: Raw, entry: _Entry) -> tuple[list[_Column], list[_Column], np.ndarray]:
    """Implied axes, stored columns and rows of a table block."""
    where = f'{raw.where} block "{entry.name}"'
    block = raw.content[entry.offset : entry.offset + entry.size]
    if len(block) < 6:
        raise fault(where, f"{len(block)} bytes", "a table", _AGAIN)
    head, stored, implied = struct.unpack_from("<3H", block, 0)
    data = 6 + _DESCRIPTOR * (stored + implied)
    if head != 6 or not 1 <= stored <= 64 or implied > 8 or len(block) < data:
        raise fault(where, f"a header {block[:6].hex(' ')}", "a table of 1 to 64 columns", _AGAIN)
    described = [_described(block, 6 + _DESCRIPTOR * index, where) for index in range(stored + implied)]
    axes, columns = described[:implied], described[implied:]
    row = np.dtype([(f"c{index}", column.dtype) for index, column in enumerate(columns)])
    if (len(block) - data) % row.itemsize:
        raise fault(where, f"{len(block) - data} bytes of data", f"rows of {row.itemsize} bytes", _AGAIN)
    return axes, columns, np.frombuffer(block, row, offset=data)


def _described(block: bytes, place: int, where: str) -> _Column:
    size, flags = struct.unpack_from("<2H", block, place)
    width, kind = block[place + 60], block[place + 61]
    dtype = {(4, 1): "<i4", (2, 1): "<i2", (4, 3): "<f4", (8, 3): "<f8"}.get((width, kind), f"S{width}")
    if size != _DESCRIPTOR or (kind != 4 and dtype.startswith("S")) or not width:
        raise fault(where, f"a column of type {kind} with {width} bytes", "integers, doubles or text", _AGAIN)
    name = block[place + 4 : place + 44].split(b"\0")[0].decode("cp1252", "replace").strip()
    unit = block[place + 44 : place + 60].split(b"\0")[0].decode("cp1252", "replace").strip()
    factor, offset = struct.unpack_from("<2d", block, place + 62)
    if not (np.isfinite(factor) and np.isfinite(offset)):
        raise fault(where, "a factor that is no number", "a finite factor", _AGAIN)
    return _Column(flags, name, unit, dtype, factor, offset)


def _values(column: _Column, rows: np.ndarray, index: int) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(rows[f"c{index}"].astype(np.float64) * column.factor + column.offset)


def _axis(
    flag: int, axes: Sequence[_Column], columns: Sequence[_Column], rows: np.ndarray
) -> FloatArray | None:
    """The stored or implied axis with this flag, in s or m^3, or None."""
    kind = units.TIME if flag == _TIME else units.VOLUME
    for index, column in enumerate(columns):
        if column.flags == flag and (scale := scale_of(column.unit, kind)):
            return _values(column, rows, index) * scale.factor
    for column in axes:
        if column.flags == flag and (scale := scale_of(column.unit, kind)):
            steps = np.arange(rows.size, dtype=np.float64)
            return np.asarray((steps * column.factor + column.offset) * scale.factor)
    return None


def _curve(
    name: str,
    axes: Sequence[_Column],
    columns: Sequence[_Column],
    rows: np.ndarray,
    warnings: list[Finding],
    where: str,
) -> Curve:
    index = next((i for i, column in enumerate(columns) if not column.flags & 0x8000), None)
    if index is None:
        raise fault(f'{where} curve "{name}"', "only axes", "a column of values", _AGAIN)
    return measured(
        name,
        columns[index].unit,
        _values(columns[index], rows, index),
        warnings,
        time_s=_axis(_TIME, axes, columns, rows),
        volume_m3=_axis(_VOLUME, axes, columns, rows),
        where=f"{where} curve",
    )


def _sort(name: str) -> str:
    lowered = name.lower()
    return "fractions" if "frac" in lowered else "injections" if "inj" in lowered else "log"


def _marks(axes: Sequence[_Column], columns: Sequence[_Column], rows: np.ndarray) -> list[Mark]:
    time, volume = _axis(_TIME, (), columns, rows), _axis(_VOLUME, axes, columns, rows)
    texts = [i for i, column in enumerate(columns) if column.dtype.startswith("S")]
    found: list[Mark] = []
    for index in range(rows.size):
        parts = [bytes(rows[f"c{i}"][index]).split(b"\0")[0].decode("cp1252", "replace") for i in texts]
        text = "".join(parts).strip()
        when = float(time[index]) if time is not None else None
        where = float(volume[index]) if volume is not None else None
        found.append((when, where, text))
    return found


def _injections(marks: list[Mark], log: Sequence[LogEntry]) -> list[Mark]:
    """The injection marks, or where there are none the turns of the injection valve."""
    turns = ("Injection Valve Inj", "InjectionValve Inject")
    return marks or [(e.time_s, e.volume_m3, e.text) for e in log if e.text.startswith(turns)]


def _text(raw: Raw, entries: Sequence[_Entry], name: str) -> str:
    for entry in entries:
        if entry.name == name:
            block = raw.content[entry.offset : entry.offset + entry.size]
            return block.split(b"\0")[0].decode("cp1252", "replace")
    return ""


def _start(raw: Raw, log: Sequence[LogEntry]) -> datetime | None:
    (seconds,) = struct.unpack_from("<I", raw.content, 0x68) if len(raw.content) > 0x6C else (0,)
    return datetime.fromtimestamp(seconds, UTC) if seconds else logbook.started_at(log)


_BREAKPOINT = (
    "breakpoint",
    "volume",
    "conc",
    "flow",
    "frac",
    "buffer",
    "injection",
    "peak",
    "autozero",
    "mark",
)


def _method(notes: str) -> Method | None:
    """The method of an AKTAprime from its dump: one step per breakpoint, in the method's base (ml or min)."""
    if "Method Breakpoints" not in notes:
        return None
    head, _, table = notes.partition("Method Breakpoints")
    pairs = (line.split(",", 1) for line in head.splitlines() if "," in line)
    variables = {key.strip("* ").strip(): value.strip() for key, value in pairs}
    base = {"ml": "volume", "min": "time"}.get(variables.get("Method base", ""), "")
    steps = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split(",")][1:]
        if len(cells) == len(_BREAKPOINT) and cells[0].isdigit():
            values = dict(zip(_BREAKPOINT[2:], cells[2:], strict=True))
            text = f"{values['conc']} %B, {values['flow']} ml/min, valve {values['injection']}"
            try:
                steps.append(MethodStep("instruction", text, 0, float(cells[1]), base, values))
            except ValueError:
                continue
    return Method(variables.get("Method", ""), tuple(steps), variables)
