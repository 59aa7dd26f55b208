"""The command `import`: what is inside a chromatography file."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from minifactory.cli.output import check_picture, print_json, stderr, stdout
from minifactory.errors import Finding, InputError
from minifactory.records.formats import plot as draw
from minifactory.records.formats import read, summarise, write_asm, write_csv, write_parquet

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
        document = summary.as_dict()
        table = Table("what", "found", box=None)
        for key, value in document.items():
            if not isinstance(value, list | dict):
                table.add_row(key, str(value))
            elif isinstance(value, dict):
                table.add_row(key, ", ".join(f"{name}: {item}" for name, item in value.items() if item))
        stdout.print(table)
        for key, value in document.items():
            if isinstance(value, list) and value:
                stdout.print(f"[bold]{key}[/]")
                for item in value:
                    shown = item if not isinstance(item, dict) else "  ".join(f"{v}" for v in item.values())
                    stdout.print(f"  {shown}", markup=False)
    if plot is not None:
        draw(found, plot)
        stderr.print(f"plot: {plot}")
    if export is not None:
        WRITERS[export.suffix](found, export)
        stderr.print(f"export: {export}")
