"""The command `import`: what is inside a chromatography file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from minifactory.cli.output import check_picture, print_finding, print_json, print_table, stderr, stdout
from minifactory.errors import Finding, InputError
from minifactory.records.formats import plot as draw
from minifactory.records.formats import read, summarise, write_asm, write_csv, write_parquet
from minifactory.records.formats.summary import Summary

_SHOWN = 12

WRITERS = {".csv": write_csv, ".parquet": write_parquet, ".json": write_asm}


def show(file: Path, plot: Path | None, export: Path | None, as_json: bool) -> None:
    """Print a summary; draw and export when asked."""
    if export is not None and export.suffix not in WRITERS:
        raise InputError(Finding(str(export), f'no format "{export.suffix}"', ".csv, .parquet or .json"))
    if plot is not None:
        check_picture(plot)
    found = read(file)
    summary = summarise(found)
    if as_json:
        print_json(summary.as_dict())
    else:
        _tell(summary)
    for warning in found.warnings:
        print_finding(warning)
    if plot is not None:
        draw(found, plot)
        stderr.print(f"plot: {plot}")
    if export is not None:
        WRITERS[export.suffix](found, export)
        stderr.print(f"export: {export}")


def _tell(summary: Summary) -> None:
    """The summary in words and tables, in the units of a laboratory."""
    for line in _origin(summary):
        stdout.print(line, markup=False)
    curves = Table("curve", "measures", "points", "from", "to", "unit", "time / min", "volume / mL", box=None)
    for curve in summary.curves:
        curves.add_row(
            curve.name,
            curve.signal + (" (derived)" if curve.derived else ""),
            str(curve.points),
            *(_number(end) for end in (curve.lowest, curve.highest)),
            curve.unit,
            _span(curve.time_s, 60.0),
            _span(curve.volume_m3, 1e-6),
        )
    stdout.print()
    print_table(curves)
    if summary.blocks:
        blocks = Table("executed", "from / min", "for / min", "volume / mL", "CV", box=None)
        for block in summary.blocks:
            blocks.add_row(
                "  " * block.depth + block.name,
                *(_number(value, 60.0) for value in (block.start_s, block.duration_s)),
                _number(block.volume_m3, 1e-6),
                _number(block.column_volumes),
            )
        stdout.print()
        print_table(blocks)
    stdout.print()
    for line in _marks(summary):
        stdout.print(line, markup=False)


def _origin(summary: Summary) -> Iterator[str]:
    told = (summary.format, summary.software, summary.started and f"started {summary.started}")
    yield f"{summary.name}: {', '.join(part for part in told if part)}"
    if summary.system:
        yield f"system: {summary.system}"
    if summary.column or summary.column_volume_m3:
        volume = summary.column_volume_m3
        size = f"{_number(volume, 1e-6)} mL" if volume else "volume not told"
        yield f"column: {summary.column or 'not named'}, {size}"
    if summary.method:
        yield f"method: {summary.method}" + (
            f", {summary.method_steps} steps" if summary.method_steps else ""
        )
    if summary.calibrations:
        yield f"calibrations: {', '.join(summary.calibrations)}"
    parts = [f"{_number(summary.duration_s, 60.0)} min"] if summary.duration_s is not None else []
    if summary.volume_m3 is not None:
        parts.append(f"{_number(summary.volume_m3, 1e-6)} mL")
        if summary.column_volume_m3:
            parts.append(f"{_number(summary.volume_m3 / summary.column_volume_m3)} CV")
    yield f"length: {', '.join(parts)}"
    yield f"sha256: {summary.sha256}"


def _marks(summary: Summary) -> Iterator[str]:
    if summary.fractions:
        collected = summary.collected_m3
        size = f", {_number(collected, 1e-6)} mL" if collected is not None else ""
        yield f"fractions: {summary.fractions}{size}"
    if summary.injections:
        places = ", ".join(_number(time, 60.0) for time in summary.injections[:_SHOWN])
        more = " ..." if len(summary.injections) > _SHOWN else ""
        yield f"injections: {len(summary.injections)}, at {places}{more} min"
    if summary.log_entries:
        yield f"log: {summary.log_entries} entries"
    if summary.manual:
        yield f"by hand: {'; '.join(' '.join(text.split()) for text in summary.manual)}"


def _number(value: float | None, unit: float = 1.0) -> str:
    return "" if value is None else f"{value / unit:.5g}"


def _span(ends: tuple[float, float] | None, unit: float) -> str:
    return "" if ends is None else f"{_number(ends[0], unit)} to {_number(ends[1], unit)}"
