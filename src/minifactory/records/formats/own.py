"""Our own files: everything of a :class:`ChromatogramFile`, written and read back without loss.

* Parquet: one row per point (``curve``, ``time_s`` in s, ``volume_m3`` in m^3, ``value`` in the curve's
  unit); what is not a point is JSON in the file's metadata under ``minifactory.chromatogram``.
* CSV: the same table; the JSON stands in the first line, after ``# minifactory.chromatogram``. Tables of
  other programs read it with ``#`` as the comment sign.

A Parquet file of another program is read when its columns have headings such as ``time [s]``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from minifactory.errors import EnvironmentFault, Finding
from minifactory.records.chromatogram import (
    Block,
    Calibration,
    ChromatogramFile,
    Column,
    Curve,
    FloatArray,
    Fraction,
    Injection,
    LogEntry,
    Method,
    Signal,
    System,
)
from minifactory.records.formats.source import LARGEST_CONTENT, Raw, fault
from minifactory.records.formats.table import read_table
from minifactory.records.formats.text import Rows
from minifactory.units import KINDS

PARQUET_MAGIC = b"PAR1"
CSV_MARK = "# minifactory.chromatogram "
_KEY = b"minifactory.chromatogram"
_VERSION = 1
_COLUMNS = ["curve", "time_s", "volume_m3", "value"]
_MOST_FOREIGN_CELLS = 20_000_000
_AGAIN = "Export it again with MiniFactory."


@dataclass(frozen=True)
class _Heading:
    """What a curve is, without its points."""

    name: str
    signal: Signal
    kind: str
    unit: str
    factor: float
    offset: float
    points: int
    has_time: bool
    has_volume: bool
    wavelength_m: float | None = None
    path_length_m: float | None = None
    derived: bool = False


@dataclass(frozen=True)
class _Record:
    """What a file holds, without the points."""

    version: int
    name: str
    curves: tuple[_Heading, ...]
    log: tuple[LogEntry, ...] = ()
    blocks: tuple[Block, ...] = ()
    fractions: tuple[Fraction, ...] = ()
    injections: tuple[Injection, ...] = ()
    column: Column | None = None
    system: System | None = None
    method: Method | None = None
    calibrations: tuple[Calibration, ...] = ()
    started: datetime | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = ()
    origin: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[_Record]:
    return TypeAdapter(_Record)


def write_parquet(file: ChromatogramFile, path: str | Path) -> None:
    """Write `file` to a Parquet file at `path`, without loss."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = np.repeat([c.name for c in file.curves], [c.values.size for c in file.curves])
    table = pa.table(
        {
            "curve": pa.array(names.tolist(), pa.string()).dictionary_encode(),
            "time_s": _stacked(file, "time_s"),
            "volume_m3": _stacked(file, "volume_m3"),
            "value": _stacked(file, "values"),
        }
    ).replace_schema_metadata({_KEY: _header(file)})
    try:
        pq.write_table(table, str(path), compression="zstd")
    except OSError as trouble:
        raise _unwritable(path, trouble) from None


def write_csv(file: ChromatogramFile, path: str | Path) -> None:
    """Write `file` to a CSV file at `path` (UTF-8, decimal point), without loss."""
    text = io.StringIO()
    text.write(CSV_MARK + _header(file).decode() + "\n" + ",".join(_COLUMNS) + "\n")
    for curve in file.curves:
        quoted = '"' + " ".join(curve.name.split()).replace('"', '""') + '"'
        axes = [_shown(axis, curve.values.size) for axis in (curve.time_s, curve.volume_m3)]
        for time, volume, value in zip(*axes, curve.values.tolist(), strict=True):
            text.write(f"{quoted},{time},{volume},{value!r}\n")
    try:
        Path(path).write_text(text.getvalue(), encoding="utf-8", newline="\n")
    except OSError as trouble:
        raise _unwritable(path, trouble) from None


def read_parquet(raw: Raw, headings: Sequence[str] = ()) -> ChromatogramFile:
    """The result in a Parquet file of ours, or in a table of another program.

    Raises
    ------
    FormatError
        When it is damaged, too large, or holds no chromatogram.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(io.BytesIO(raw.content))
        size = sum(parquet.metadata.row_group(i).total_byte_size for i in range(parquet.num_row_groups))
        cells = parquet.metadata.num_rows * max(parquet.metadata.num_columns, 1)
        if max(size, 8 * cells) > LARGEST_CONTENT:
            limit = f"at most {LARGEST_CONTENT // 2**20} MiB"
            raise fault(raw.where, f"a table of {cells} cells", limit, "Export the curves of interest only.")
        header = (parquet.schema_arrow.metadata or {}).get(_KEY)
        if header is None and cells > _MOST_FOREIGN_CELLS:
            found, limit = f"a table of {cells} cells", f"at most {_MOST_FOREIGN_CELLS}"
            raise fault(raw.where, found, limit, "Export the curves of interest only.")
        table = parquet.read()
        if header is None:
            names = [str(name) for name in table.column_names]
            columns = [column.to_pylist() for column in table.columns]
            rows: Rows = [list(row) for row in zip(*columns, strict=True)]
            return read_table(raw, rows, "Parquet table", headings or names)
        if table.column_names != _COLUMNS:
            raise fault(raw.where, f"columns {table.column_names}"[:200], f"columns {_COLUMNS}", _AGAIN)
        arrays = [table.column(name).to_numpy().astype(np.float64) for name in _COLUMNS[1:]]
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, IndexError) as trouble:
        reason = " ".join(str(trouble).split())[:100]
        raise fault(raw.where, f"a damaged Parquet file ({reason})", "a whole file", _AGAIN) from None
    return _assembled(raw, header, arrays, "MiniFactory Parquet")


def read_csv(raw: Raw, text: str) -> ChromatogramFile:
    """The result in a CSV file of ours, whose `text` begins with the mark.

    Raises
    ------
    FormatError
        When it is damaged or cut short.
    """
    header, _, body = text.partition("\n")
    lines = body.removesuffix("\n").split("\n")
    if not lines or lines[0].strip() != ",".join(_COLUMNS):
        raise fault(f"{raw.where}:2", "no table", f"the heading {','.join(_COLUMNS)}", _AGAIN)
    try:
        cells = [line.rsplit(",", 3)[1:] for line in lines[1:]]
        table = np.array([[float(cell) if cell else np.nan for cell in row] for row in cells])
        table = table.reshape(len(cells), 3)
    except ValueError as trouble:
        raise fault(raw.where, f"a damaged table ({str(trouble)[:80]})", "rows of numbers", _AGAIN) from None
    arrays = [np.ascontiguousarray(table[:, index]) for index in range(3)]
    return _assembled(raw, header[len(CSV_MARK) :].encode(), arrays, "MiniFactory CSV")


def _assembled(raw: Raw, header: bytes, arrays: list[FloatArray], format_name: str) -> ChromatogramFile:
    """The result of a header and the stacked points of all curves."""
    try:
        record = _adapter().validate_json(header)
    except (ValidationError, ValueError) as trouble:
        reason = " ".join(str(trouble).split())[:160]
        raise fault(
            raw.where, f"a damaged description ({reason})", "that of a chromatogram", _AGAIN
        ) from None
    if record.version != _VERSION:
        remedy = "Read it with the version of MiniFactory that wrote it."
        raise fault(raw.where, f"version {record.version}", f"version {_VERSION}", remedy)
    total = sum(max(heading.points, 0) for heading in record.curves)
    if total != arrays[0].size or any(heading.points < 0 for heading in record.curves) or not record.curves:
        raise fault(raw.where, f"{arrays[0].size} points", f"{total} points in at least one curve", _AGAIN)
    unknown = [heading.kind for heading in record.curves if heading.kind not in KINDS]
    if unknown:
        raise fault(raw.where, f'quantity "{unknown[0][:40]}"', "one that is known", _AGAIN)
    return ChromatogramFile(
        source=raw.source(format_name, record.origin.get("software", "")),
        name=record.name,
        curves=tuple(_curves(record.curves, arrays)),
        log=record.log,
        blocks=record.blocks,
        fractions=record.fractions,
        injections=record.injections,
        column=record.column,
        system=record.system,
        method=record.method,
        calibrations=record.calibrations,
        started=record.started,
        metadata={**record.metadata, **{f"origin {key}": value for key, value in record.origin.items()}},
        warnings=record.warnings,
    )


def _curves(headings: Iterable[_Heading], arrays: Sequence[FloatArray]) -> Iterable[Curve]:
    begin = 0
    for heading in headings:
        time, volume, values = (array[begin : begin + heading.points] for array in arrays)
        begin += heading.points
        yield Curve(
            name=heading.name,
            signal=heading.signal,
            kind=KINDS[heading.kind],
            unit=heading.unit,
            factor=heading.factor,
            offset=heading.offset,
            values=values,
            time_s=time if heading.has_time else None,
            volume_m3=volume if heading.has_volume else None,
            wavelength_m=heading.wavelength_m,
            path_length_m=heading.path_length_m,
            derived=heading.derived,
        )


def _header(file: ChromatogramFile) -> bytes:
    """The JSON of everything but the points, on one line."""
    origins = {key: value for key, value in file.metadata.items() if key.startswith("origin ")}
    origin = {key.removeprefix("origin "): value for key, value in origins.items()} or {
        "path": Path(file.source.path).name,
        "sha256": file.source.sha256,
        "format": file.source.format,
        "software": file.source.software,
    }
    record = _Record(
        version=_VERSION,
        name=file.name,
        curves=tuple(_heading(curve) for curve in file.curves),
        log=file.log,
        blocks=file.blocks,
        fractions=file.fractions,
        injections=file.injections,
        column=file.column,
        system=file.system,
        method=file.method,
        calibrations=file.calibrations,
        started=file.started,
        metadata={key: value for key, value in file.metadata.items() if key not in origins},
        warnings=file.warnings,
        origin=origin,
    )
    # Times that are not known are NaN, which Pydantic's own JSON would turn into null.
    return json.dumps(_adapter().dump_python(record, mode="json"), separators=(",", ":")).encode()


def _heading(curve: Curve) -> _Heading:
    return _Heading(
        name=curve.name,
        signal=curve.signal,
        kind=curve.kind.name,
        unit=curve.unit,
        factor=curve.factor,
        offset=curve.offset,
        points=curve.values.size,
        has_time=curve.time_s is not None,
        has_volume=curve.volume_m3 is not None,
        wavelength_m=curve.wavelength_m,
        path_length_m=curve.path_length_m,
        derived=curve.derived,
    )


def _stacked(file: ChromatogramFile, axis: str) -> FloatArray:
    """One array over the points of all curves; NaN where a curve has no such axis."""
    arrays: list[Any] = [getattr(curve, axis) for curve in file.curves]
    sizes = [curve.values.size for curve in file.curves]
    return np.concatenate(
        [np.full(n, np.nan) if a is None else a for a, n in zip(arrays, sizes, strict=True)]
    )


def _shown(axis: FloatArray | None, count: int) -> list[str]:
    return [""] * count if axis is None else [repr(value) for value in axis.tolist()]


def _unwritable(path: str | Path, trouble: OSError) -> EnvironmentFault:
    found = f"cannot be written ({trouble.strerror or trouble})"
    return EnvironmentFault(Finding(str(path), found, "a folder that exists", "Choose another path."))
