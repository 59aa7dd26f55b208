"""The commands `runs list|show|export|report|verify`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from minifactory.app.home import DATABASE, runs_folder
from minifactory.cli.output import Exit, print_json, print_table, stdout
from minifactory.errors import Finding, InputError
from minifactory.historian import Store, load_run
from minifactory.records.export import write_csv_wide, write_parquet
from minifactory.units import VOLUME, show


def _store(runs: Path | None) -> tuple[Store, Path]:
    folder = runs_folder(runs)
    if not (folder / DATABASE).is_file():
        raise InputError(
            Finding(str(folder), "no runs were recorded here", "a folder of runs", "Name it with --runs.")
        )
    return Store(folder / DATABASE), folder


def list_runs(runs: Path | None, as_json: bool) -> None:
    """All runs."""
    store, _ = _store(runs)
    found = store.runs()
    if as_json:
        print_json({"runs": [asdict(item) for item in found]})
        return
    table = Table("run", "opened", "skid", "recipe", "state", box=None)
    for item in found:
        table.add_row(item.identifier, item.opened, item.skid, item.recipe, item.state or "not ended")
    print_table(table)


def show_run(identifier: str, runs: Path | None, as_json: bool) -> None:
    """One run."""
    store, _ = _store(runs)
    run = load_run(store, identifier)
    if as_json:
        print_json(
            {
                "run": run.identifier,
                "state": run.state,
                "duration": run.duration,
                "phases": [asdict(phase) for phase in run.phases],
                "pools": [asdict(pool) for pool in run.pools],
                "events": [asdict(event) for event in run.events],
                "consumed": dict(run.consumed),
                "trends": {name: len(trend.time) for name, trend in run.trends.items()},
                "provenance": dict(run.provenance),
            }
        )
        return
    stdout.print(f"[bold]{run.identifier}[/] on {run.skid} ({run.origin}): {run.state}")
    table = Table("phase", "start min", "end min", "volume", "CV", "ended by", box=None)
    for phase in run.phases:
        cv = f"{phase.column_volumes:.2f}" if phase.column_volume else ""
        start, end = f"{phase.start / 60:.1f}", f"{phase.end / 60:.1f}"
        table.add_row(phase.path, start, end, show(phase.volume, VOLUME), cv, phase.reason)
    print_table(table)
    for event in run.events:
        if event.category in ("alarm", "transition", "watch", "operator", "controller"):
            stdout.print(f"{event.time / 60:8.1f} min  {event.category:<11} {event.text}", markup=False)


def export_run(identifier: str, file: Path, runs: Path | None) -> None:
    """Write one run to a file."""
    writers = {".parquet": write_parquet, ".csv": write_csv_wide}
    if file.suffix not in writers:
        raise InputError(Finding(str(file), f'no format "{file.suffix}"', ".parquet or .csv"))
    store, _ = _store(runs)
    writers[file.suffix](load_run(store, identifier), file)
    stdout.print(str(file))


def report_run(identifier: str, runs: Path | None) -> None:
    """Print the path of the batch record."""
    store, folder = _store(runs)
    store.head(identifier)
    record = folder / identifier / "record.html"
    if not record.is_file():
        raise InputError(
            Finding(str(record), "this run has no batch record", remedy="It may still be running.")
        )
    stdout.print(str(record))


def verify_run(identifier: str, runs: Path | None, as_json: bool) -> None:
    """Check the hash chain of one run; exit 1 when it is broken."""
    store, _ = _store(runs)
    found = store.verify(identifier)
    if as_json:
        print_json(asdict(found))
    elif found.intact:
        stdout.print(f"{identifier}: {found.entries} entries intact, head {found.head}")
    else:
        stdout.print(f"{identifier}: NOT intact: {found.fault}", markup=False)
    if not found.intact:
        raise Exit(1)
